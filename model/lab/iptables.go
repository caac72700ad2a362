package lab

import (
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"

	goiptables "github.com/coreos/go-iptables/iptables"
)

// lockSeconds is how long iptables waits for another program that changes rules.
const lockSeconds = 60

// handles are what go-iptables knows of each program, by its path: it asks for the version first.
var handles sync.Map

// Iptables makes one change in the network namespace of the calling thread, said as the program takes it:
//
//	-t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT
//
// It knows -A, -I, -R, -D, -N, -F with a chain, and -P. The program is iptables or one of its kin. It is for a
// single rule where nothing has to be atomic, and done by go-iptables; many rules at once are for [Network.Restore].
// It needs CAP_NET_ADMIN in the namespace.
func Iptables(program string, words ...string) error {
	tables, err := handle(program)
	if err == nil {
		err = change(tables, words)
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w", program, words, err)
	}
	return nil
}

// Iptables makes one change on the node; see the function of the same name.
func (n *Node) Iptables(program string, words ...string) error {
	err := n.Do(func() error { return Iptables(program, words...) })
	if err != nil {
		return fmt.Errorf("on %s: %w", n.Name, err)
	}
	return nil
}

func handle(program string) (*goiptables.IPTables, error) {
	path, err := exec.LookPath(program)
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} { // where ordinary users do not look
		if err != nil {
			path, err = exec.LookPath(dir + program)
		}
	}
	if err != nil {
		return nil, err
	}
	if known, ok := handles.Load(path); ok {
		return known.(*goiptables.IPTables), nil
	}
	family := goiptables.ProtocolIPv4
	if strings.HasPrefix(program, "ip6") {
		family = goiptables.ProtocolIPv6
	}
	tables, err := goiptables.New(goiptables.Path(path), goiptables.IPFamily(family), goiptables.Timeout(lockSeconds))
	if err == nil {
		handles.Store(path, tables)
	}
	return tables, err
}

func change(tables *goiptables.IPTables, words []string) error {
	table := "filter"
	if len(words) > 1 && words[0] == "-t" {
		table, words = words[1], words[2:]
	}
	if len(words) < 2 {
		return fmt.Errorf("that names no chain")
	}
	command, chain, rest := words[0], words[1], words[2:]
	at, numbered := 1, false
	if slices.Contains([]string{"-I", "-R", "-D"}, command) && len(rest) > 0 {
		if n, err := strconv.Atoi(rest[0]); err == nil {
			at, numbered, rest = n, true, rest[1:]
		}
	}
	switch {
	case command == "-A":
		return tables.Append(table, chain, rest...)
	case command == "-I":
		return tables.Insert(table, chain, at, rest...)
	case command == "-R" && numbered:
		return tables.Replace(table, chain, at, rest...)
	case command == "-D" && numbered:
		return tables.DeleteById(table, chain, at)
	case command == "-D":
		return tables.Delete(table, chain, rest...)
	case command == "-N":
		return tables.NewChain(table, chain)
	case command == "-F":
		return tables.ClearChain(table, chain)
	case command == "-P" && len(rest) == 1:
		return tables.ChangePolicy(table, chain, rest[0])
	}
	return fmt.Errorf("%s is not known here", command)
}
