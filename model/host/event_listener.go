package host

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nattui/model/facts"
)

// conntrackGroups are the bits of the groups of new, changed and ended connections (NFNLGRP_CONNTRACK_NEW, _UPDATE and
// _DESTROY in include/uapi/linux/netfilter/nfnetlink_compat.h).
const conntrackGroups = 1<<0 | 1<<1 | 1<<2

// EventListeners reads who listens to the events of connections in the network namespace of the calling thread, and
// what each of them has missed (netlink_seq_show in net/netlink/af_netlink.c). It needs no privilege.
func EventListeners() ([]facts.EventListener, error) {
	text, err := os.ReadFile("/proc/thread-self/net/netlink")
	if err != nil {
		return nil, err
	}
	return eventListeners(string(text), programOf), nil
}

// eventListeners reads the kernel's list of netlink sockets: sk, protocol, port, groups, two sizes, dump, locks, drops,
// inode.
func eventListeners(text string, programOf func(port uint32) string) []facts.EventListener {
	var list []facts.EventListener
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 9 || words[1] != strconv.Itoa(unix.NETLINK_NETFILTER) {
			continue
		}
		groups, err := strconv.ParseUint(words[3], 16, 32)
		if err != nil || groups&conntrackGroups == 0 {
			continue
		}
		port, _ := strconv.ParseUint(words[2], 10, 32)
		lost, _ := strconv.ParseUint(words[8], 10, 64)
		list = append(list, facts.EventListener{Program: programOf(uint32(port)), Port: uint32(port), Lost: lost})
	}
	return list
}

// programOf is the name of the process whose number a netlink port is, as far as there is one.
func programOf(port uint32) string {
	name, err := os.ReadFile("/proc/" + strconv.FormatUint(uint64(port), 10) + "/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}
