package iptables

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"nattui/rules"
	"nattui/rules/nfnetlink"
)

// ErrChanged is wrapped by the error of Counters when the rules are no longer
// those of the snapshot: it has to be read again.
var ErrChanged = errors.New("the rules have changed")

// Counters returns the snapshot with the counters as they are now. It asks the
// kernel directly and runs no program, at a small part of the cost of Read. Chains
// whose counters did not move are shared with s, and s itself is returned where
// none did. The error wraps ErrChanged where the rules are other ones.
func (h *Host) Counters(ctx context.Context, s *rules.Ruleset) (*rules.Ruleset, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var now tally
	var err error
	if s.Backend == rules.NFT {
		now, err = tallyNFT(s)
	} else {
		now, _, err = tallyLegacy(s.Family)
	}
	if err != nil {
		return nil, err
	}
	return now.onto(s)
}

// tally holds the counters of chains by table and name.
type tally map[string]map[string]*chainCounters

func (t tally) chain(table, name string) *chainCounters {
	if t[table] == nil {
		t[table] = map[string]*chainCounters{}
	}
	c := t[table][name]
	if c == nil {
		c = &chainCounters{}
		t[table][name] = c
	}
	return c
}

// onto puts the counters into a snapshot of the same rules.
func (t tally) onto(s *rules.Ruleset) (*rules.Ruleset, error) {
	tables, moved := s.Tables, false
	for ti := range s.Tables {
		chains, own := s.Tables[ti].Chains, false
		for ci, c := range chains {
			k := t.chain(s.Tables[ti].Name, c.Name)
			if len(k.rules) != len(c.Rules) {
				return nil, fmt.Errorf("%w: %s %s has %d of them, not %d", ErrChanged, s.Tables[ti].Name, c.Name, len(k.rules), len(c.Rules))
			}
			next, differs := k.onto(c)
			if !differs {
				continue
			}
			if !own {
				chains, own = append([]rules.Chain(nil), chains...), true
			}
			chains[ci] = next
		}
		if own {
			if !moved {
				tables, moved = append([]rules.Table(nil), tables...), true
			}
			tables[ti].Chains = chains
		}
	}
	if !moved {
		return s, nil
	}
	out := *s
	out.Tables = tables
	return &out, nil
}

// onto puts the counters into a chain; differs is false where they are the same.
func (k *chainCounters) onto(c rules.Chain) (next rules.Chain, differs bool) {
	if k.hasPolicy && k.policy != c.Counters {
		c.Counters, differs = k.policy, true
	}
	for i := range c.Rules {
		if c.Rules[i].Counters == k.rules[i] {
			continue
		}
		list := append([]rules.Rule(nil), c.Rules...)
		for j := range list {
			list[j].Counters = k.rules[j]
		}
		c.Rules = list
		return c, true
	}
	return c, differs
}

// tallyNFT reads the counters of the generation that the snapshot belongs to.
func tallyNFT(s *rules.Ruleset) (tally, error) {
	kernel, err := nfnetlink.Dial()
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	t := tally{}
	other := false // a message of another generation
	same := func(m nfnetlink.Message) bool {
		other = other || s.Generation != 0 && m.Generation != uint16(s.Generation)
		return !other
	}
	var ask []byte
	err = kernel.Dump(unix.NFT_MSG_GETCHAIN, nftFamily(s.Family), nil, func(m nfnetlink.Message) {
		if value := m.Attrs.Get(unix.NFTA_CHAIN_COUNTERS); value != nil && same(m) {
			c := t.chain(m.Attrs.Get(unix.NFTA_CHAIN_TABLE).Text(), m.Attrs.Get(unix.NFTA_CHAIN_NAME).Text())
			c.policy, c.hasPolicy = counterValue(value), true
		}
	})
	for _, table := range s.Tables {
		for _, c := range table.Chains {
			// Chain by chain: a dump of a whole table begins at its first rule again
			// for every 32 KB of answer.
			if len(c.Rules) == 0 || err != nil || other {
				continue
			}
			chain := t.chain(table.Name, c.Name)
			chain.rules = make([]rules.Counters, 0, len(c.Rules))
			ask = nfnetlink.AppendChain(ask[:0], table.Name, c.Name)
			err = kernel.Dump(unix.NFT_MSG_GETRULE, nftFamily(s.Family), ask, func(m nfnetlink.Message) {
				// Old kernels answer with all chains, whichever is asked for.
				if same(m) && m.Attrs.Get(unix.NFTA_RULE_CHAIN).Is(c.Name) {
					chain.rules = append(chain.rules, ruleCounters(m.Attrs.Get(unix.NFTA_RULE_EXPRESSIONS)))
				}
			})
		}
	}
	// A chain that is gone is no error to anybody who asks what it holds.
	if other || errors.Is(err, nfnetlink.ErrInterrupted) || errors.Is(err, unix.ENOENT) {
		return nil, ErrChanged
	}
	return t, err
}

// ruleCounters finds the counter among a rule's expressions.
func ruleCounters(expressions nfnetlink.Attributes) rules.Counters {
	for _, expression := range expressions.Each {
		if expression.Get(unix.NFTA_EXPR_NAME).Is("counter") {
			return counterValue(expression.Get(unix.NFTA_EXPR_DATA))
		}
	}
	return rules.Counters{Known: true} // as iptables-save prints it
}

func counterValue(a nfnetlink.Attributes) rules.Counters {
	return rules.Counters{Packets: a.Get(unix.NFTA_COUNTER_PACKETS).Number(), Bytes: a.Get(unix.NFTA_COUNTER_BYTES).Number(), Known: true}
}

// tallyLegacy reads the counters of the loaded tables and, from the same data,
// the fingerprint of the rules.
func tallyLegacy(family rules.Family) (tally, uint64, error) {
	names, err := loadedTables(family)
	if errors.Is(err, os.ErrNotExist) {
		return tally{}, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	t, print := tally{}, newPrint()
	err = eachBlob(family, names, func(name string, b *blob) {
		t[name] = b.chains()
		print.add(name, b)
	})
	if err != nil {
		return nil, 0, err
	}
	return t, print.sum(), nil
}

// recount makes the attributes of the request that replaces a rule by itself
// with the counters of r added to its own.
func recount(attrs nfnetlink.Attributes, r rules.Rule) []byte {
	var out []byte
	for kind, value := range attrs.Each {
		switch kind {
		case unix.NFTA_RULE_EXPRESSIONS:
			value = bytes.Clone(value)
			addCounters(value, r.Counters)
			out = nfnetlink.AppendAttribute(out, kind|unix.NLA_F_NESTED, value)
		case unix.NFTA_RULE_TABLE, unix.NFTA_RULE_CHAIN, unix.NFTA_RULE_HANDLE, unix.NFTA_RULE_USERDATA:
			out = nfnetlink.AppendAttribute(out, kind, value)
		}
	}
	// The kernel checks the extensions of a protocol against it, and does not
	// tell it when it lists a rule.
	if number, ok := r.Protocol.Number(); ok && !r.Protocol.Any() {
		var flags uint32
		if r.Protocol.Not {
			flags = unix.NFT_RULE_COMPAT_F_INV
		}
		compat := nfnetlink.AppendAttribute(nil, unix.NFTA_RULE_COMPAT_PROTO, binary.BigEndian.AppendUint32(nil, uint32(number)))
		compat = nfnetlink.AppendAttribute(compat, unix.NFTA_RULE_COMPAT_FLAGS, binary.BigEndian.AppendUint32(nil, flags))
		out = nfnetlink.AppendAttribute(out, unix.NFTA_RULE_COMPAT|unix.NLA_F_NESTED, compat)
	}
	return out
}

// addCounters adds to the counter among a rule's expressions, in place.
func addCounters(expressions nfnetlink.Attributes, c rules.Counters) {
	for _, expression := range expressions.Each {
		if !expression.Get(unix.NFTA_EXPR_NAME).Is("counter") {
			continue
		}
		data := expression.Get(unix.NFTA_EXPR_DATA)
		for kind, n := range map[uint16]uint64{unix.NFTA_COUNTER_PACKETS: c.Packets, unix.NFTA_COUNTER_BYTES: c.Bytes} {
			if v := data.Get(kind); len(v) == 8 {
				binary.BigEndian.PutUint64(v, binary.BigEndian.Uint64(v)+n)
			}
		}
		return
	}
}
