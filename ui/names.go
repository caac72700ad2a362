package ui

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/ui/text"
)

// nameBook keeps names of addresses. They are asked for only once somebody wants
// names, a few at a time and beside Update; an address without an answer stays one.
type nameBook struct {
	on    bool
	names map[netip.Addr]string // "" while asked for, or where there is none
	open  int                   // questions under way
}

// nameMsg is an answer.
type nameMsg struct {
	addr netip.Addr
	name string
}

const (
	namesAtOnce = 4
	nameWait    = 3 * time.Second
	namesKept   = 10_000
)

// toggle shows names, or addresses again. Names that nobody told of are asked for again.
func (b *nameBook) toggle() {
	b.on = !b.on
	maps.DeleteFunc(b.names, func(_ netip.Addr, name string) bool { return name == "" && b.open == 0 })
}

// state says how far the names are known.
func (b *nameBook) state() string {
	known := 0
	for _, n := range b.names {
		if n != "" {
			known++
		}
	}
	switch {
	case b.open > 0:
		return fmt.Sprintf("looking up names, %d known", known)
	case known == 0:
		return "these addresses have no names"
	}
	return rules.Plural(known, "name") + " known"
}

// name is what to show for an address.
func (b *nameBook) name(a netip.Addr) (string, bool) {
	if !b.on {
		return "", false
	}
	n := b.names[a]
	return n, n != ""
}

// ask asks for addresses that were not asked for yet.
func (b *nameBook) ask(ctx context.Context, lookup func(context.Context, netip.Addr) string, flows []flow.Flow) tea.Cmd {
	if !b.on || lookup == nil {
		return nil
	}
	if b.names == nil || len(b.names) > namesKept {
		b.names = map[netip.Addr]string{}
	}
	var cmds []tea.Cmd
	for i := range flows {
		f := &flows[i]
		for _, a := range [...]netip.Addr{f.Client().Addr(), f.AskedFor().Addr(), f.ServedBy().Addr(), f.SeenAs().Addr()} {
			if _, asked := b.names[a]; asked || b.open >= namesAtOnce {
				continue
			}
			b.names[a] = ""
			b.open++
			cmds = append(cmds, func() tea.Msg {
				ctx, stop := context.WithTimeout(ctx, nameWait)
				defer stop()
				return nameMsg{a, text.Safe(lookup(ctx, a))}
			})
		}
	}
	return tea.Batch(cmds...)
}

// answer takes an answer.
func (b *nameBook) answer(msg nameMsg) {
	b.open--
	if b.names != nil {
		b.names[msg.addr] = msg.name
	}
}
