package iptables

import (
	"context"
	"hash/fnv"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"nattui/rules"
	"nattui/rules/nfnetlink"
)

// nftaTableHandle is NFTA_TABLE_HANDLE of linux/netfilter/nf_tables.h (Linux 4.17).
const nftaTableHandle = 4

// Handles returns the snapshot with the kernel's numbers of the rules of one chain
// and the incarnation of its table; with no chain, only the latter. The snapshot is
// returned as it is where they are not known: on legacy, or when the tables have
// changed since. It needs CAP_NET_ADMIN and takes as long as the kernel needs to
// list the chain.
func (h *Host) Handles(ctx context.Context, s *rules.Ruleset, table, chain string) *rules.Ruleset {
	if s == nil || s.Backend != rules.NFT || ctx.Err() != nil {
		return s
	}
	kernel, err := nfnetlink.Dial()
	if err != nil {
		return s
	}
	defer kernel.Close()
	life, err := incarnation(kernel, nftFamily(s.Family), table)
	if err != nil || life == 0 {
		return s
	}
	var handles []uint64
	if chain != "" {
		handles, err = handlesOf(kernel, nftFamily(s.Family), table, chain)
		now, genErr := kernel.Generation()
		c, ok := s.Chain(table, chain)
		if err != nil || genErr != nil || !ok || now != s.Generation || len(handles) != len(c.Rules) {
			return s
		}
	}
	return withHandles(s, table, chain, life, handles)
}

// withHandles is the snapshot with the numbers; the rest is shared.
func withHandles(s *rules.Ruleset, table, chain string, life uint64, handles []uint64) *rules.Ruleset {
	next := *s
	next.Tables = slices.Clone(s.Tables)
	for ti := range next.Tables {
		t := &next.Tables[ti]
		if t.Name != table {
			continue
		}
		t.Incarnation = life
		t.Chains = slices.Clone(t.Chains)
		for ci := range t.Chains {
			c := &t.Chains[ci]
			if c.Name != chain {
				continue
			}
			c.Rules = slices.Clone(c.Rules)
			for i := range c.Rules {
				c.Rules[i].Handle = handles[i]
			}
		}
	}
	return &next
}

// incarnation tells a table from every other one of its name; 0 where the kernel
// does not number tables.
func incarnation(kernel *nfnetlink.Socket, family byte, table string) (uint64, error) {
	var life uint64
	err := kernel.Ask(unix.NFT_MSG_GETTABLE, 0, family, nfnetlink.AppendText(nil, unix.NFTA_TABLE_NAME, table), func(m nfnetlink.Message) {
		if v := m.Attrs.Get(nftaTableHandle); v != nil {
			sum := fnv.New64a()
			sum.Write([]byte(bootID()))
			sum.Write(v)
			life = sum.Sum64()
		}
	})
	return life, err
}

// handlesOf lists the handles of a chain's rules.
func handlesOf(kernel *nfnetlink.Socket, family byte, table, chain string) ([]uint64, error) {
	var all []uint64
	ask := nfnetlink.AppendChain(nil, table, chain)
	err := kernel.Dump(unix.NFT_MSG_GETRULE, family, ask, func(m nfnetlink.Message) {
		if v := m.Attrs.Get(unix.NFTA_RULE_HANDLE); v != nil && m.Attrs.Get(unix.NFTA_RULE_TABLE).Is(table) && m.Attrs.Get(unix.NFTA_RULE_CHAIN).Is(chain) {
			all = append(all, v.Number())
		}
	})
	return all, err
}

// bootID identifies this run of the kernel.
var bootID = sync.OnceValue(func() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return string(id)
})
