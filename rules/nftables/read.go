// Package nftables reads the native tables of nft from the kernel, by netlink and without the program nft.
//
// It needs CAP_NET_ADMIN over the network namespace of the calling thread, and Linux 4.14 or newer.
package nftables

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"slices"

	"golang.org/x/sys/unix"

	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
)

// ErrChanging is returned where the tables change so fast that no generation of them can be read whole.
var ErrChanging = errors.New("the nft tables change faster than they can be read")

// attempts is how often a reading begins anew because the tables have changed meanwhile.
const attempts = 20

// Read reads all tables, of one generation. It blocks while the kernel writes them down: about a second for
// 60,000 rules.
func Read(ctx context.Context) (*nft.Ruleset, error) {
	k, err := nfnetlink.DialIn(ctx)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	for range attempts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		before, err := k.Generation()
		if err != nil {
			return nil, err
		}
		r := reader{kernel: k, set: &nft.Ruleset{Generation: before}, tables: map[tableKey]*nft.Table{}, uses: map[*nft.Table]uint32{}}
		err = r.read()
		after, genErr := k.Generation()
		switch {
		case genErr != nil:
			return nil, genErr
		case errors.Is(err, nfnetlink.ErrInterrupted) || before != after:
			continue
		case err != nil:
			return nil, err
		}
		r.set.Links = interfaces()
		r.set.Index()
		return r.set, nil
	}
	return nil, ErrChanging
}

// interfaces are the names by number; none where the kernel does not tell.
func interfaces() nft.Links {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	links := make(nft.Links, len(all))
	for _, i := range all {
		links[uint32(i.Index)] = i.Name
	}
	return links
}

type tableKey struct {
	family nft.Family
	name   string
}

// reader gathers one generation.
type reader struct {
	kernel *nfnetlink.Socket
	set    *nft.Ruleset
	tables map[tableKey]*nft.Table
	uses   map[*nft.Table]uint32 // how many rules and jumps its chains have
	chain  *nft.Chain            // of the rule read last: rules come chain by chain
	// decoder knows the expressions that came before.
	decoder decoder
}

func (r *reader) read() error {
	for _, step := range []struct {
		kind uint16
		take func(family nft.Family, a nfnetlink.Attributes)
	}{
		{unix.NFT_MSG_GETTABLE, r.table},
		{unix.NFT_MSG_GETCHAIN, r.takeChain},
		{unix.NFT_MSG_GETSET, r.takeSet},
		{unix.NFT_MSG_GETOBJ, r.takeObject},
		{unix.NFT_MSG_GETFLOWTABLE, r.takeFlowtable},
	} {
		err := r.kernel.Dump(step.kind, 0, nil, func(m nfnetlink.Message) { step.take(nft.Family(m.Family), m.Attrs) })
		old := step.kind == unix.NFT_MSG_GETOBJ || step.kind == unix.NFT_MSG_GETFLOWTABLE // which came with Linux 4.10 and 4.16
		if err != nil && !(old && (errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL))) {
			return err
		}
	}
	for _, t := range r.set.Tables {
		if err := r.rules(t); err != nil {
			return err
		}
		for _, s := range t.Sets {
			if err := r.elements(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// mostShared is up to how many rules a table of iptables is read here too, as rules of nft's own may stand in it. Longer
// ones are left to iptables-save.
const mostShared = 2000

// manyRules is from how many on the chains of a table are asked one by one: a dump of all begins at the first rule again for
// each 32 KiB.
const manyRules = 1000

// rules reads the rules of a table, after its chains.
func (r *reader) rules(t *nft.Table) error {
	if t.Unread = r.uses[t] > mostShared && t.ShapedAsIPTables(); t.Unread {
		return nil
	}
	if r.uses[t] < manyRules {
		return r.kernel.Dump(unix.NFT_MSG_GETRULE, byte(t.Family), nfnetlink.AppendText(nil, unix.NFTA_RULE_TABLE, t.Name), func(m nfnetlink.Message) {
			if nft.Family(m.Family) == t.Family && m.Attrs.Get(unix.NFTA_RULE_TABLE).Is(t.Name) { // old kernels answer with all
				r.rule(t.Family, m.Attrs)
			}
		})
	}
	for _, c := range t.Chains {
		r.chain = c // which need not be looked for
		ask := nfnetlink.AppendChain(nil, t.Name, c.Name)
		err := r.kernel.Dump(unix.NFT_MSG_GETRULE, byte(t.Family), ask, func(m nfnetlink.Message) {
			if nft.Family(m.Family) == t.Family && m.Attrs.Get(unix.NFTA_RULE_CHAIN).Is(c.Name) && m.Attrs.Get(unix.NFTA_RULE_TABLE).Is(t.Name) {
				r.rule(t.Family, m.Attrs)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) table(family nft.Family, a nfnetlink.Attributes) {
	const dormant, owned = 1, 2 // NFT_TABLE_F_*
	flags := a.Get(unix.NFTA_TABLE_FLAGS).Word()
	t := &nft.Table{Family: family, Name: a.Get(unix.NFTA_TABLE_NAME).Text(), Handle: a.Get(4).Number(), Dormant: flags&dormant != 0, Owned: flags&owned != 0}
	r.tables[tableKey{family, t.Name}] = t
	r.set.Tables = append(r.set.Tables, t)
}

// hookNames are the hooks of the IP families and of bridges, and of netdev.
var (
	hookNames   = []string{"prerouting", "input", "forward", "output", "postrouting", "ingress"}
	netdevHooks = []string{"ingress", "egress"}
	arpHooks    = []string{"input", "output", "forward"}
)

func (r *reader) takeChain(family nft.Family, a nfnetlink.Attributes) {
	t := r.tables[tableKey{family, a.Get(unix.NFTA_CHAIN_TABLE).Text()}]
	if t == nil {
		return // made since
	}
	c := &nft.Chain{Table: t, Name: a.Get(unix.NFTA_CHAIN_NAME).Text(), Handle: a.Get(unix.NFTA_CHAIN_HANDLE).Number()}
	r.uses[t] += a.Get(unix.NFTA_CHAIN_USE).Word()
	if a.Has(unix.NFTA_CHAIN_HOOK) {
		c.Type = a.Get(unix.NFTA_CHAIN_TYPE).Text()
		c.Policy.Code = nft.Accept
		if a.Has(unix.NFTA_CHAIN_POLICY) {
			c.Policy.Code = nft.VerdictCode(a.Get(unix.NFTA_CHAIN_POLICY).Word())
		}
		names := hookNames
		switch family {
		case nft.Netdev:
			names = netdevHooks
		case nft.ARP:
			names = arpHooks
		}
		hook := a.Get(unix.NFTA_CHAIN_HOOK)
		c.Hook = named(names, hook.Get(unix.NFTA_HOOK_HOOKNUM).Word())
		c.Priority = int32(hook.Get(unix.NFTA_HOOK_PRIORITY).Word())
		const dev, devs = 3, 4 // NFTA_HOOK_DEV, _DEVS
		if hook.Has(dev) {
			c.Devices = []string{hook.Get(dev).Text()}
		}
		for _, name := range hook.Get(devs).Each {
			if !slices.Contains(c.Devices, name.Text()) {
				c.Devices = append(c.Devices, name.Text())
			}
		}
	}
	t.Chains = append(t.Chains, c)
}

func (r *reader) rule(family nft.Family, a nfnetlink.Attributes) {
	table, chain := a.Get(unix.NFTA_RULE_TABLE), a.Get(unix.NFTA_RULE_CHAIN)
	if r.chain == nil || r.chain.Table.Family != family || !table.Is(r.chain.Table.Name) || !chain.Is(r.chain.Name) {
		t := r.tables[tableKey{family, table.Text()}]
		if t == nil {
			return
		}
		if r.chain = t.Chain(chain.Text()); r.chain == nil {
			return
		}
	}
	r.chain.Rules = append(r.chain.Rules, &nft.Rule{
		Handle: a.Get(unix.NFTA_RULE_HANDLE).Number(), Exprs: r.decoder.expressions(a.Get(unix.NFTA_RULE_EXPRESSIONS)),
		Comment: comment(a.Get(unix.NFTA_RULE_USERDATA)),
	})
}

// comment is the comment in the data that nft keeps with rules and elements: pairs of a kind and a
// length of a byte each (libnftnl's udata.h), of which kind 0 is the comment.
func comment(userdata []byte) string { return nfnetlink.Attributes(userValue(userdata, 0)).Text() }

// userValue is one of the values in that data; nil where it is not there.
func userValue(userdata []byte, want byte) []byte {
	for len(userdata) >= 2 {
		kind, n := userdata[0], int(userdata[1])
		if 2+n > len(userdata) {
			return nil
		}
		if kind == want {
			return userdata[2 : 2+n]
		}
		userdata = userdata[2+n:]
	}
	return nil
}

func (r *reader) takeSet(family nft.Family, a nfnetlink.Attributes) {
	t := r.tables[tableKey{family, a.Get(unix.NFTA_SET_TABLE).Text()}]
	if t == nil {
		return
	}
	const objectType, handle = 15, 16 // NFTA_SET_OBJ_TYPE, _HANDLE
	s := &nft.Set{
		Table: t, Name: a.Get(unix.NFTA_SET_NAME).Text(), Handle: a.Get(handle).Number(), ID: a.Get(unix.NFTA_SET_ID).Word(),
		Flags:  nft.SetFlags(a.Get(unix.NFTA_SET_FLAGS).Word()),
		KeyLen: a.Get(unix.NFTA_SET_KEY_LEN).Word(), DataLen: a.Get(unix.NFTA_SET_DATA_LEN).Word(),
		KeyType: a.Get(unix.NFTA_SET_KEY_TYPE).Word(), DataType: a.Get(unix.NFTA_SET_DATA_TYPE).Word(), ObjectType: a.Get(objectType).Word(),
	}
	const userdata, byteOrder, host = 13, 0, 1 // NFTA_SET_USERDATA, NFTNL_UDATA_SET_KEYBYTEORDER, BYTEORDER_HOST_ENDIAN
	order := userValue(a.Get(userdata), byteOrder)
	s.HostKeys = len(order) == 4 && binary.NativeEndian.Uint32(order) == host
	const concat, length = 2, 1 // NFTA_SET_DESC_CONCAT, NFTA_SET_FIELD_LEN
	for _, f := range a.Get(unix.NFTA_SET_DESC).Get(concat).Each {
		s.Fields = append(s.Fields, f.Get(length).Word())
	}
	t.Sets = append(t.Sets, s)
}

// elements reads the members of a set.
func (r *reader) elements(s *nft.Set) error {
	ask := nfnetlink.AppendText(nil, unix.NFTA_SET_ELEM_LIST_TABLE, s.Table.Name)
	ask = nfnetlink.AppendText(ask, unix.NFTA_SET_ELEM_LIST_SET, s.Name)
	return r.kernel.Dump(unix.NFT_MSG_GETSETELEM, byte(s.Table.Family), ask, func(m nfnetlink.Message) {
		for _, e := range m.Attrs.Get(unix.NFTA_SET_ELEM_LIST_ELEMENTS).Each {
			s.Elements = append(s.Elements, element(e))
		}
	})
}

func element(a nfnetlink.Attributes) nft.Element {
	const object, keyEnd, catchAll = 9, 10, 2 // NFTA_SET_ELEM_OBJREF, _KEY_END, NFT_SET_ELEM_CATCHALL
	flags := a.Get(unix.NFTA_SET_ELEM_FLAGS).Word()
	data := a.Get(unix.NFTA_SET_ELEM_DATA)
	e := nft.Element{
		Key: value(a.Get(unix.NFTA_SET_ELEM_KEY)), End: flags&unix.NFT_SET_ELEM_INTERVAL_END != 0, CatchAll: flags&catchAll != 0,
		Verdict: verdict(data), Object: a.Get(object).Text(), Comment: comment(a.Get(unix.NFTA_SET_ELEM_USERDATA)),
		Timeout: a.Get(unix.NFTA_SET_ELEM_TIMEOUT).Number(), Expires: a.Get(unix.NFTA_SET_ELEM_EXPIRATION).Number(),
	}
	if a.Has(keyEnd) {
		e.KeyEnd = value(a.Get(keyEnd))
	}
	if data.Has(unix.NFTA_DATA_VALUE) {
		e.Data = value(data)
	}
	const list = 11 // NFTA_SET_ELEM_EXPRESSIONS
	for _, x := range append(expressions(a.Get(list)), one(a.Get(unix.NFTA_SET_ELEM_EXPR))...) {
		if n, ok := x.(nft.Counter); ok {
			e.Counter = &n
		}
	}
	return e
}

// one is the expression of an element that has no list of them.
func one(a nfnetlink.Attributes) []nft.Expr {
	if a == nil {
		return nil
	}
	return []nft.Expr{expression(a)}
}

func (r *reader) takeObject(family nft.Family, a nfnetlink.Attributes) {
	const table, name, kind, data, handle = 1, 2, 3, 4, 6 // NFTA_OBJ_*
	t := r.tables[tableKey{family, a.Get(table).Text()}]
	if t == nil {
		return
	}
	o := &nft.Object{Table: t, Name: a.Get(name).Text(), Kind: a.Get(kind).Word(), Handle: a.Get(handle).Number()}
	const counterKind, quotaKind, consumed = 1, 2, 4 // NFT_OBJECT_*, NFTA_QUOTA_CONSUMED
	switch o.Kind {
	case counterKind:
		o.Counter, _ = counter(a.Get(data)).(nft.Counter)
	case quotaKind:
		o.Counter.Bytes = a.Get(data).Get(consumed).Number()
	}
	t.Objects = append(t.Objects, o)
}

func (r *reader) takeFlowtable(family nft.Family, a nfnetlink.Attributes) {
	const table, name, hook, handle = 1, 2, 3, 5         // NFTA_FLOWTABLE_*
	const number, priority, devices, device = 1, 2, 3, 1 // NFTA_FLOWTABLE_HOOK_*, NFTA_DEVICE_NAME
	t := r.tables[tableKey{family, a.Get(table).Text()}]
	if t == nil {
		return
	}
	h := a.Get(hook)
	f := &nft.Flowtable{
		Table: t, Name: a.Get(name).Text(), Handle: a.Get(handle).Number(), Hook: named(netdevHooks, h.Get(number).Word()), Priority: int32(h.Get(priority).Word()),
	}
	for kind, d := range h.Get(devices).Each {
		if kind == device {
			f.Devices = append(f.Devices, d.Text())
		}
	}
	t.Flowtables = append(t.Flowtables, f)
}
