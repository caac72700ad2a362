package iptables

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"nattui/rules"
)

// errUnseen says that the kernel lists its legacy tables to root alone: /proc/net/ip_tables_names has the mode 0440,
// and no capability of the network opens it (capabilities(7) has CAP_DAC_READ_SEARCH for that).
var errUnseen = fmt.Errorf("%w: the legacy tables are listed to root only", ErrPermission)

const unseenLegacy = "not known: the kernel lists legacy tables to root only"

// LegacyUnseen says why nobody can tell whether there are legacy rules; "" where it can be told, and where nothing of
// legacy is loaded.
func LegacyUnseen() string {
	if os.Geteuid() == 0 || capabilities().Effective&(1<<unix.CAP_NET_ADMIN) == 0 {
		return "" // root sees them, and whoever may not see nft's either is told that
	}
	for _, family := range rules.Families {
		if _, err := loadedTables(family); errors.Is(err, errUnseen) {
			return "whether there are legacy iptables rules is " + unseenLegacy
		}
	}
	return ""
}

// capabilities are those of this process with the numbers below 32; none where they cannot be told.
func capabilities() unix.CapUserData {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&head, &data[0]) != nil {
		return unix.CapUserData{}
	}
	return data[0]
}

// netCapabilities are what changing the tables needs: CAP_NET_ADMIN, and CAP_NET_RAW for legacy ones.
var netCapabilities = []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW}

// lend has a program that is started keep the capabilities that this process was given without being root, by its
// file (setcap) or as ambient ones: across execve a process without them would have none (capabilities(7)).
func lend(attr *syscall.SysProcAttr) *syscall.SysProcAttr {
	if os.Geteuid() == 0 {
		return attr
	}
	own := capabilities()
	for _, c := range netCapabilities {
		if own.Permitted&(1<<c) != 0 {
			attr.AmbientCaps = append(attr.AmbientCaps, c)
		}
	}
	return attr
}
