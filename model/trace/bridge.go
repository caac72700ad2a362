package trace

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"nattui/model/traced"
)

// bridged tells that a packet came by a bridge which has it pass through PREROUTING itself, before it is handed up
// (net/bridge/br_netfilter_hooks.c, br_nf_pre_routing).
func bridged(p *traced.Traced) bool {
	if p.First.In == "" || !isBridge(p.First.In) {
		return false
	}
	name := "iptables"
	if p.First.Src.Addr().Is6() {
		name = "ip6tables"
	}
	// A bridge can have the setting on for itself alone; where sysfs is of another network namespace it does not tell.
	for _, path := range []string{"/proc/sys/net/bridge/bridge-nf-call-" + name, "/sys/class/net/" + p.First.In + "/bridge/nf_call_" + name} {
		if value, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(value)) != "0" {
			return true
		}
	}
	return false
}

// isBridge asks the interface's driver.
func isBridge(name string) bool {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(socket)
	info, err := unix.IoctlGetEthtoolDrvinfo(socket, name)
	return err == nil && unix.ByteSliceToString(info.Driver[:]) == "bridge"
}
