package nfnetlink

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrPermission is wrapped by every error that means: this process lacks CAP_NET_ADMIN (or, for the tables of
// iptables-legacy, CAP_NET_RAW).
var ErrPermission = errors.New("not permitted")

// Permission wraps ErrPermission, and says what was tried and what would work.
func Permission(what string) error {
	if os.Geteuid() == 0 {
		return fmt.Errorf("%s: %w: it needs the capabilities CAP_NET_ADMIN and CAP_NET_RAW, which root has not got here; in a container they have to be given", what, ErrPermission)
	}
	return fmt.Errorf("%s: %w: it needs the capabilities CAP_NET_ADMIN and CAP_NET_RAW; run it as root, for example: sudo nattui", what, ErrPermission)
}

// Capabilities are those of this process with the numbers below 32; none where they cannot be told.
func Capabilities() unix.CapUserData {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&head, &data[0]) != nil {
		return unix.CapUserData{}
	}
	return data[0]
}

// netCapabilities are what changing the tables needs: CAP_NET_ADMIN, and CAP_NET_RAW for legacy ones.
var netCapabilities = []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW}

// Lend has a program that is started keep the capabilities that this process was given without being root, by its
// file (setcap) or as ambient ones: across execve a process without them would have none (capabilities(7)).
func Lend(attr *syscall.SysProcAttr) *syscall.SysProcAttr {
	if os.Geteuid() == 0 {
		return attr
	}
	own := Capabilities()
	for _, c := range netCapabilities {
		if own.Permitted&(1<<c) != 0 {
			attr.AmbientCaps = append(attr.AmbientCaps, c)
		}
	}
	return attr
}
