package nfnetlink

import (
	"fmt"
	"slices"
)

// Process is a process that did something to the tables.
type Process struct {
	PID  int    // in the first PID namespace where the kernel reported it; 0: unknown
	Name string // as in /proc/PID/comm, at most 15 bytes; "" if unknown
}

// commLength is the length at which the kernel cuts a program's name (TASK_COMM_LEN in include/linux/sched.h).
const commLength = 15

// restorers are programs that change rules and whose names are longer than that, and no other's is cut to the same.
var restorers = []string{"iptables-restore", "ip6tables-restore", "iptables-nft-restore", "ip6tables-nft-restore"}

// name is the program's name: whole where it is known what it was cut from, and else marked where it may have been cut.
func (p Process) name() string {
	if len(p.Name) < commLength {
		return p.Name
	}
	if i := slices.IndexFunc(restorers, func(whole string) bool { return whole[:commLength] == p.Name }); i >= 0 {
		return restorers[i]
	}
	return p.Name + "…"
}

// String is "name (process 7)", as far as it is known.
func (p Process) String() string {
	switch {
	case p.Name == "" && p.PID == 0:
		return "an unknown process"
	case p.Name == "":
		return fmt.Sprintf("process %d", p.PID)
	case p.PID == 0:
		return p.name()
	}
	return fmt.Sprintf("%s (process %d)", p.name(), p.PID)
}
