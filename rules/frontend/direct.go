package frontend

import (
	"context"
	"fmt"
	"time"

	"nattui/rules"
)

// directWait is how long firewalld may take to tell its direct rules.
const directWait = 10 * time.Second

// directPrograms are by what firewalld calls the families.
var directPrograms = map[string]string{"ipv4": "iptables", "ipv6": "ip6tables"}

// Direct are the chains and rules that firewalld was handed as they are and has made, as commands that a shell reads; none
// where firewalld does not run. It asks over D-Bus (firewalld.dbus(5), interface direct), which needs root.
func (Programs) Direct(ctx context.Context) (lines []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, directWait)
	defer cancel()
	bus, err := systemBus(ctx)
	if err != nil {
		return nil, nil // no firewalld, or no bus for it to be on
	}
	defer bus.Close()
	if state, err := firewalldState(ctx, bus); err != nil || state == stateAbsent {
		return nil, nil
	}
	var chains []struct{ IPv, Table, Chain string }
	var list []struct {
		IPv, Table, Chain string
		Priority          int32
		Args              []string
	}
	var passed []struct {
		IPv  string
		Args []string
	}
	object := bus.Object(firewalldName, firewalldPath)
	for method, into := range map[string]any{"getAllChains": &chains, "getAllRules": &list, "getAllPassthroughs": &passed} {
		if err := object.CallWithContext(ctx, firewalldName+".direct."+method, 0).Store(into); err != nil {
			return nil, fmt.Errorf("firewalld does not tell its direct rules: %w", err)
		}
	}
	add := func(ipv string, args ...string) {
		if program := directPrograms[ipv]; program != "" {
			lines = append(lines, rules.ShellLine(append([]string{program}, args...)))
		}
	}
	for _, c := range chains {
		add(c.IPv, "-t", c.Table, "-N", c.Chain)
	}
	for _, r := range list {
		add(r.IPv, append([]string{"-t", r.Table, "-A", r.Chain}, r.Args...)...)
	}
	for _, p := range passed {
		add(p.IPv, p.Args...)
	}
	return lines, nil
}
