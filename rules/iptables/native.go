package iptables

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"nattui/rules"
	"nattui/rules/nfnetlink"
)

// foreigners are what stands in iptables' tables of a family and was not made by iptables.
type foreigners struct {
	why map[string]string // by table, in words; nil where there are none
	// unreadable tables hold rules that iptables-nft-save shows wrongly, without a condition for instance, or not at all.
	unreadable map[string]bool
}

// foreign finds them. text is what iptables-nft-save printed.
func foreign(kernel *nfnetlink.Socket, family rules.Family, text []byte) (foreigners, error) {
	f := foreigners{unreadable: map[string]bool{}}
	found := map[string][]string{}
	add := func(table, what string) {
		if _, known := rules.BuiltInChains[table]; known && !slices.Contains(found[table], what) {
			found[table] = append(found[table], what)
		}
	}
	chains, err := foreignObjects(kernel, family, add)
	if err != nil {
		return f, err
	}
	for _, c := range chains {
		if err := foreignRules(kernel, family, c, func() { add(c.table, "native nft rules in "+c.name); f.unreadable[c.table] = true }); err != nil {
			return f, err
		}
	}
	for _, table := range incompatibleTables(text) {
		if len(found[table]) == 0 {
			add(table, "native nft rules")
		}
	}
	if len(found) == 0 {
		return f, nil
	}
	f.why = map[string]string{}
	for table, what := range found {
		sort.Strings(what)
		const most = 4
		if more := len(what) - most; more > 0 {
			what = append(what[:most:most], fmt.Sprintf("%d more", more))
		}
		f.why[table] = strings.Join(what, ", ")
	}
	return f, nil
}

// kernelChain is a chain of one of iptables' tables.
type kernelChain struct{ table, name string }

// foreignObjects finds base chains, named sets and maps, objects and flowtables
// that iptables never makes, and lists the chains of iptables' tables.
func foreignObjects(kernel *nfnetlink.Socket, family rules.Family, add func(table, what string)) (chains []kernelChain, err error) {
	err = kernel.Dump(unix.NFT_MSG_GETCHAIN, nftFamily(family), nil, func(m nfnetlink.Message) {
		table, name := m.Attrs.Get(unix.NFTA_CHAIN_TABLE).Text(), m.Attrs.Get(unix.NFTA_CHAIN_NAME).Text()
		if m.Attrs.Get(unix.NFTA_CHAIN_HOOK) != nil && !rules.IsBuiltIn(table, name) {
			add(table, "the native nft chain "+name)
		}
		if rules.BuiltInChains[table] != nil {
			chains = append(chains, kernelChain{table, name})
		}
	})
	if err != nil {
		return nil, err
	}
	for _, o := range []struct {
		kind uint16
		what string
	}{
		{unix.NFT_MSG_GETSET, "the nft set "},
		{unix.NFT_MSG_GETOBJ, "the nft object "},
		{unix.NFT_MSG_GETFLOWTABLE, "the nft flowtable "},
	} {
		err := kernel.Dump(o.kind, nftFamily(family), nil, func(m nfnetlink.Message) {
			// NFTA_SET_TABLE and _NAME have the same numbers for objects and flowtables.
			table, name := m.Attrs.Get(unix.NFTA_SET_TABLE).Text(), m.Attrs.Get(unix.NFTA_SET_NAME).Text()
			if o.kind == unix.NFT_MSG_GETSET && isAnonymous(m) {
				return
			}
			add(table, o.what+name)
		})
		// Kernels before 4.16 know no flowtables, before 4.10 no objects.
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) {
			return nil, err
		}
	}
	return chains, nil
}

// isAnonymous reports a set that belongs to one rule, which is found with it.
func isAnonymous(m nfnetlink.Message) bool {
	return m.Attrs.Get(unix.NFTA_SET_FLAGS).Word()&unix.NFT_SET_ANONYMOUS != 0
}

// nftFamily is the nf_tables family that holds the iptables tables of a family.
func nftFamily(f rules.Family) byte {
	if f == rules.IPv6 {
		return unix.NFPROTO_IPV6
	}
	return unix.NFPROTO_IPV4
}

// Natives lists the native nft tables beside those of iptables that translate
// addresses; none where the kernel has no nf_tables. It needs CAP_NET_ADMIN, neither
// nft nor iptables, and takes about a millisecond.
func Natives(ctx context.Context) ([]rules.NativeTable, error) {
	return nativeTables(ctx, func(m nfnetlink.Message) bool {
		table := m.Attrs.Get(unix.NFTA_CHAIN_TABLE).Text()
		iptables := (m.Family == unix.NFPROTO_IPV4 || m.Family == unix.NFPROTO_IPV6) && rules.BuiltInChains[table] != nil
		return !iptables && m.Attrs.Get(unix.NFTA_CHAIN_TYPE).Is("nat")
	})
}

// NativeFilterTables lists the native nft tables whose chains may drop or mark packets that meet iptables' tables, those
// at the ingress of an interface included. It needs what Natives needs.
func NativeFilterTables(ctx context.Context) ([]rules.NativeTable, error) {
	return nativeTables(ctx, func(m nfnetlink.Message) bool {
		family := familyName(m.Family)
		hooked := m.Attrs.Get(unix.NFTA_CHAIN_HOOK) != nil && !m.Attrs.Get(unix.NFTA_CHAIN_TYPE).Is("nat")
		return hooked && (family == "inet" || family == "netdev" || family == "ip" || family == "ip6") &&
			!madeChain(family, m.Attrs.Get(unix.NFTA_CHAIN_TABLE).Text(), m.Attrs.Get(unix.NFTA_CHAIN_NAME).Text())
	})
}

// nativeAttempts is how often the chains are read anew because the tables changed meanwhile.
const nativeAttempts = 100

// nativeTables are the nft tables with chains that fit, of one state of the tables.
func nativeTables(ctx context.Context, fits func(nfnetlink.Message) bool) ([]rules.NativeTable, error) {
	kernel, err := nfnetlink.Dial()
	if errors.Is(err, nfnetlink.ErrAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	if _, err := kernel.Generation(); errors.Is(err, nfnetlink.ErrAbsent) {
		return nil, nil
	}
	for range nativeAttempts {
		var all []rules.NativeTable
		err := kernel.Dump(unix.NFT_MSG_GETCHAIN, unix.NFPROTO_UNSPEC, nil, func(m nfnetlink.Message) {
			if !fits(m) {
				return
			}
			table, chain := m.Attrs.Get(unix.NFTA_CHAIN_TABLE).Text(), m.Attrs.Get(unix.NFTA_CHAIN_NAME).Text()
			for i := range all {
				if all[i].Family == familyName(m.Family) && all[i].Name == table {
					all[i].Chains = append(all[i].Chains, chain)
					return
				}
			}
			all = append(all, rules.NativeTable{Family: familyName(m.Family), Name: table, Chains: []string{chain}})
		})
		if !errors.Is(err, nfnetlink.ErrInterrupted) {
			return all, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("read the native tables of nft: %w, %d times", nfnetlink.ErrInterrupted, nativeAttempts)
}

// WatchNatives sends after each change of nf_tables, whoever made it, until ctx ends; notices that nobody takes
// are joined. It needs CAP_NET_ADMIN.
func WatchNatives(ctx context.Context) (<-chan struct{}, error) {
	l, err := nfnetlink.Listen()
	if err != nil {
		return nil, err
	}
	out := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	go func() {
		defer close(out)
		defer stop()
		for ctx.Err() == nil {
			datagram, err := l.Receive()
			if err != nil && !errors.Is(err, unix.ENOBUFS) {
				return
			}
			changed := err != nil // some were lost
			nfnetlink.Each(datagram, func(m nfnetlink.Message) { changed = changed || m.Kind == unix.NFT_MSG_NEWGEN })
			if changed {
				select {
				case out <- struct{}{}:
				default:
				}
			}
		}
	}()
	return out, nil
}

// madeChain tells that a chain, by its names for nft, is one that the kernel calls
// for iptables.
func madeChain(family, table, chain string) bool {
	return (family == "ip" || family == "ip6") && rules.IsBuiltIn(table, chain)
}

// familyName is nft's word for a family.
func familyName(family byte) string {
	switch family {
	case unix.NFPROTO_IPV4:
		return "ip"
	case unix.NFPROTO_IPV6:
		return "ip6"
	case unix.NFPROTO_INET:
		return "inet"
	case unix.NFPROTO_BRIDGE:
		return "bridge"
	case unix.NFPROTO_NETDEV:
		return "netdev"
	case unix.NFPROTO_ARP:
		return "arp"
	}
	return fmt.Sprintf("family %d", family)
}
