package iptables

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"nattui/rules"
	"nattui/rules/nfnetlink"
)

// commit is one transaction of the nft backend, as the kernel announced it.
type commit struct {
	generation uint32
	by         nfnetlink.Process
	tables     []string               // tables of iptables that it changed
	made       []nfnetlink.Attributes // the rules it made, in the order of its requests
	gone       int                    // how many it deleted
}

// commits listens to the transactions on one family while a change is made.
type commits struct {
	family   byte
	listener *nfnetlink.Listener
	open     commit
	seen     []commit
	lost     bool // some were not announced, for want of room
}

func listenToCommits(family rules.Family) (*commits, error) {
	l, err := nfnetlink.Listen()
	if err != nil {
		return nil, err
	}
	return &commits{family: nftFamily(family), listener: l}, nil
}

func (c *commits) close() {
	if c != nil {
		c.listener.Close()
	}
}

// catchUp takes in what has been announced.
func (c *commits) catchUp() { c.lost = c.listener.Drain(c.take) || c.lost }

func (c *commits) take(m nfnetlink.Message) {
	if m.Kind == unix.NFT_MSG_NEWGEN {
		c.open.generation, c.open.by = generationNotice(m)
		c.seen = append(c.seen, c.open)
		c.open = commit{}
		return
	}
	table := m.Attrs.Get(unix.NFTA_TABLE_NAME).Text()
	if m.Family != c.family || rules.BuiltInChains[table] == nil {
		return
	}
	if !slices.Contains(c.open.tables, table) {
		c.open.tables = append(c.open.tables, table)
	}
	switch m.Kind {
	case unix.NFT_MSG_NEWRULE:
		c.open.made = append(c.open.made, bytes.Clone(m.Attrs))
	case unix.NFT_MSG_DELRULE:
		c.open.gone++
	}
}

// follow tells whether the announcements go on where a snapshot of the generation
// ends, so that nothing happened in between that was not heard. A snapshot taken
// while the tables never rested is of no generation, 0.
func (c *commits) follow(generation uint32) bool {
	return generation != 0 && len(c.seen) > 0 && c.seen[0].generation == generation+1
}

// around tells who else changed the tables: between the snapshot and the last
// transaction that is ours, and after that.
func (c *commits) around(ours func(commit) bool, tables []string) (between []nfnetlink.Process, after bool) {
	last := -1
	for i := range c.seen {
		if ours(c.seen[i]) {
			last = i
		}
	}
	for i, k := range c.seen {
		concerns := slices.ContainsFunc(k.tables, func(name string) bool { return slices.Contains(tables, name) })
		switch {
		case !concerns || ours(k):
		case i < last:
			between = append(between, k.by)
		default:
			after = true
		}
	}
	return between, after
}

// keepCounters gives the rules that a script made their counters, where iptables
// ignored them, as ip6tables-nft 1.8.9 does. Each such rule is replaced by itself
// with a higher counter, by its handle, so that no other rule can be hit; one that
// somebody has deleted meanwhile is left out.
func (c *commits) keepCounters(ours func(commit) bool, s *script) error {
	var made []nfnetlink.Attributes
	var want []rules.Rule
	for _, k := range c.seen {
		if !ours(k) || len(k.tables) != 1 {
			continue
		}
		wanted, _ := s.rulesOf(k.tables[0])
		if n := len(wanted); n != len(k.made) {
			return fmt.Errorf("iptables made %d rules in %s, as far as the kernel announced, not %d", len(k.made), k.tables[0], n)
		}
		made = append(made, k.made...)
		for _, l := range wanted {
			want = append(want, *l.makes)
		}
	}
	if c.lost && len(made) < s.makes() {
		return errors.New("there were too many changes at the same time to tell which are ours")
	}
	kernel, err := nfnetlink.Dial()
	if err != nil {
		return err
	}
	defer kernel.Close()
	for i, attrs := range made {
		have := ruleCounters(attrs.Get(unix.NFTA_RULE_EXPRESSIONS))
		if have.Packets >= want[i].Counters.Packets && have.Bytes >= want[i].Counters.Bytes {
			continue
		}
		now, err := nftRule(kernel, c.family, attrs)
		if err == nil {
			if err = kernel.ReplaceRule(c.family, recount(now, want[i])); err == nil {
				clear(attrs.Get(unix.NFTA_RULE_HANDLE)) // it has another one now, which is not known
			}
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// nftRule asks for one rule by its handle.
func nftRule(kernel *nfnetlink.Socket, family byte, known nfnetlink.Attributes) (nfnetlink.Attributes, error) {
	var ask, found []byte
	for _, kind := range []uint16{unix.NFTA_RULE_TABLE, unix.NFTA_RULE_CHAIN, unix.NFTA_RULE_HANDLE} {
		ask = nfnetlink.AppendAttribute(ask, kind, known.Get(kind))
	}
	err := kernel.Ask(unix.NFT_MSG_GETRULE, 0, family, ask, func(m nfnetlink.Message) { found = bytes.Clone(m.Attrs) })
	return found, err
}
