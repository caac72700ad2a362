// Package nftables reads the native tables of nft from the kernel, by netlink and without the program nft.
//
// It needs CAP_NET_ADMIN over the network namespace of the calling thread, and Linux 4.14 or newer.
package nftables

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"nattui/rules/nft"
)

// ErrChanging is returned where the tables change so fast that no generation of them can be read whole.
var ErrChanging = errors.New("the nft tables change faster than they can be read")

// attempts is how often a reading begins anew because the tables have changed meanwhile.
const attempts = 20

// Read reads all tables, of one generation. It blocks while the kernel writes them down: about a second for
// 60,000 rules.
func Read(ctx context.Context) (*nft.Ruleset, error) {
	k, err := dial()
	if err != nil {
		return nil, err
	}
	defer k.close()
	for range attempts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		before, err := k.generation()
		if err != nil {
			return nil, err
		}
		r := reader{kernel: k, set: &nft.Ruleset{Generation: before}, tables: map[tableKey]*nft.Table{}}
		err = r.read()
		after, genErr := k.generation()
		switch {
		case genErr != nil:
			return nil, genErr
		case errors.Is(err, errInterrupted) || before != after:
			continue
		case err != nil:
			return nil, err
		}
		return r.set, nil
	}
	return nil, ErrChanging
}

type tableKey struct {
	family nft.Family
	name   string
}

// reader gathers one generation.
type reader struct {
	kernel *kernel
	set    *nft.Ruleset
	tables map[tableKey]*nft.Table
	chain  *nft.Chain // of the rule read last: rules come chain by chain
}

func (r *reader) read() error {
	for _, step := range []struct {
		kind uint16
		take func(family nft.Family, a attributes)
	}{{unix.NFT_MSG_GETTABLE, r.table}, {unix.NFT_MSG_GETCHAIN, r.takeChain}, {unix.NFT_MSG_GETRULE, r.rule}, {unix.NFT_MSG_GETSET, r.takeSet}} {
		err := r.kernel.dump(step.kind, 0, nil, func(m message) { step.take(m.family, m.attrs) })
		if err != nil {
			return err
		}
	}
	for _, t := range r.set.Tables {
		for _, s := range t.Sets {
			if err := r.elements(s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reader) table(family nft.Family, a attributes) {
	const dormant, owned = 1, 2 // NFT_TABLE_F_*
	flags := word(a.get(unix.NFTA_TABLE_FLAGS))
	t := &nft.Table{Family: family, Name: a.get(unix.NFTA_TABLE_NAME).text(), Handle: a.get(4).number(), Dormant: flags&dormant != 0, Owned: flags&owned != 0}
	r.tables[tableKey{family, t.Name}] = t
	r.set.Tables = append(r.set.Tables, t)
}

// hookNames are the hooks of the IP families and of bridges, and of netdev.
var (
	hookNames   = []string{"prerouting", "input", "forward", "output", "postrouting", "ingress"}
	netdevHooks = []string{"ingress", "egress"}
	arpHooks    = []string{"input", "output", "forward"}
)

func (r *reader) takeChain(family nft.Family, a attributes) {
	t := r.tables[tableKey{family, a.get(unix.NFTA_CHAIN_TABLE).text()}]
	if t == nil {
		return // made since
	}
	c := &nft.Chain{Table: t, Name: a.get(unix.NFTA_CHAIN_NAME).text(), Handle: a.get(unix.NFTA_CHAIN_HANDLE).number()}
	if a.has(unix.NFTA_CHAIN_HOOK) {
		c.Type = a.get(unix.NFTA_CHAIN_TYPE).text()
		c.Policy.Code = nft.Accept
		if a.has(unix.NFTA_CHAIN_POLICY) {
			c.Policy.Code = nft.VerdictCode(word(a.get(unix.NFTA_CHAIN_POLICY)))
		}
		names := hookNames
		switch family {
		case nft.Netdev:
			names = netdevHooks
		case nft.ARP:
			names = arpHooks
		}
		hook := a.get(unix.NFTA_CHAIN_HOOK)
		c.Hook = named(names, word(hook.get(unix.NFTA_HOOK_HOOKNUM)))
		c.Priority = int32(word(hook.get(unix.NFTA_HOOK_PRIORITY)))
		const dev, devs = 3, 4 // NFTA_HOOK_DEV, _DEVS
		if hook.has(dev) {
			c.Devices = []string{hook.get(dev).text()}
		}
		hook.get(devs).each(func(_ uint16, name attributes) {
			if !slices.Contains(c.Devices, name.text()) {
				c.Devices = append(c.Devices, name.text())
			}
		})
	}
	t.Chains = append(t.Chains, c)
}

func (r *reader) rule(family nft.Family, a attributes) {
	table, chain := a.get(unix.NFTA_RULE_TABLE), a.get(unix.NFTA_RULE_CHAIN)
	if r.chain == nil || r.chain.Table.Family != family || !is(table, r.chain.Table.Name) || !is(chain, r.chain.Name) {
		t := r.tables[tableKey{family, table.text()}]
		if t == nil {
			return
		}
		if r.chain = t.Chain(chain.text()); r.chain == nil {
			return
		}
	}
	r.chain.Rules = append(r.chain.Rules, &nft.Rule{
		Handle: a.get(unix.NFTA_RULE_HANDLE).number(), Exprs: expressions(a.get(unix.NFTA_RULE_EXPRESSIONS)),
		Comment: comment(a.get(unix.NFTA_RULE_USERDATA).b),
	})
}

// is compares a string without making one.
func is(a attributes, s string) bool {
	n := len(a.b)
	for n > 0 && a.b[n-1] == 0 {
		n--
	}
	return string(a.b[:n]) == s
}

// comment is the comment in the data that nft keeps with rules and elements: pairs of a kind and a
// length of a byte each (libnftnl's udata.h), of which kind 0 is the comment.
func comment(userdata []byte) string {
	for len(userdata) >= 2 {
		kind, n := userdata[0], int(userdata[1])
		if 2+n > len(userdata) {
			return ""
		}
		if kind == 0 {
			return attributes{b: userdata[2 : 2+n]}.text()
		}
		userdata = userdata[2+n:]
	}
	return ""
}

func (r *reader) takeSet(family nft.Family, a attributes) {
	t := r.tables[tableKey{family, a.get(unix.NFTA_SET_TABLE).text()}]
	if t == nil {
		return
	}
	const handle = 16 // NFTA_SET_HANDLE
	t.Sets = append(t.Sets, &nft.Set{
		Table: t, Name: a.get(unix.NFTA_SET_NAME).text(), Handle: a.get(handle).number(), ID: word(a.get(unix.NFTA_SET_ID)),
		Flags:  nft.SetFlags(word(a.get(unix.NFTA_SET_FLAGS))),
		KeyLen: word(a.get(unix.NFTA_SET_KEY_LEN)), DataLen: word(a.get(unix.NFTA_SET_DATA_LEN)),
		KeyType: word(a.get(unix.NFTA_SET_KEY_TYPE)), DataType: word(a.get(unix.NFTA_SET_DATA_TYPE)),
	})
}

// elements reads the members of a set.
func (r *reader) elements(s *nft.Set) error {
	ask := appendText(nil, unix.NFTA_SET_ELEM_LIST_TABLE, s.Table.Name)
	ask = appendText(ask, unix.NFTA_SET_ELEM_LIST_SET, s.Name)
	return r.kernel.dump(unix.NFT_MSG_GETSETELEM, s.Table.Family, ask, func(m message) {
		m.attrs.get(unix.NFTA_SET_ELEM_LIST_ELEMENTS).each(func(_ uint16, e attributes) {
			s.Elements = append(s.Elements, element(e))
		})
	})
}

func element(a attributes) nft.Element {
	const object, keyEnd, catchAll = 9, 10, 2 // NFTA_SET_ELEM_OBJREF, _KEY_END, NFT_SET_ELEM_CATCHALL
	flags := word(a.get(unix.NFTA_SET_ELEM_FLAGS))
	data := a.get(unix.NFTA_SET_ELEM_DATA)
	e := nft.Element{
		Key: value(a.get(unix.NFTA_SET_ELEM_KEY)), End: flags&unix.NFT_SET_ELEM_INTERVAL_END != 0, CatchAll: flags&catchAll != 0,
		Verdict: verdict(data), Object: a.get(object).text(), Comment: comment(a.get(unix.NFTA_SET_ELEM_USERDATA).b),
		Timeout: a.get(unix.NFTA_SET_ELEM_TIMEOUT).number(), Expires: a.get(unix.NFTA_SET_ELEM_EXPIRATION).number(),
	}
	if a.has(keyEnd) {
		e.KeyEnd = value(a.get(keyEnd))
	}
	if data.has(unix.NFTA_DATA_VALUE) {
		e.Data = value(data)
	}
	return e
}

// kernel is a netlink socket for questions to nf_tables, for one goroutine.
type kernel struct {
	fd  int
	seq uint32
	buf []byte
}

// errInterrupted is a dump that the kernel could not finish on one state of the tables.
var errInterrupted = errors.New("the tables changed during the dump")

// patience is how long the kernel may take to answer: nothing can hang.
const patience = 10 * time.Second

// received is the room for a datagram. The kernel fills 32 KiB of it, and begins a dump of rules from the top for each
// datagram, so that smaller ones would cost the square of their number.
const received = 64 << 10

func dial() (*kernel, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket for nf_tables: %w", err)
	}
	wait := unix.NsecToTimeval(patience.Nanoseconds())
	if err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("prepare a netlink socket for nf_tables: %w", err)
	}
	return &kernel{fd: fd, buf: make([]byte, received)}, nil
}

func (k *kernel) close() { unix.Close(k.fd) }

// message is an answer of nf_tables, valid until the next one.
type message struct {
	family nft.Family
	attrs  attributes
}

func appendText(b []byte, kind uint16, s string) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofNlAttr+len(s)+1))
	b = append(binary.NativeEndian.AppendUint16(b, kind), s...)
	b = append(b, 0)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// dump asks for all objects of a kind.
func (k *kernel) dump(kind uint16, family nft.Family, attrs []byte, each func(message)) error {
	return k.ask(kind, unix.NLM_F_DUMP, family, attrs, each)
}

// generation is the number of the tables' present state.
func (k *kernel) generation() (id uint32, err error) {
	err = k.ask(unix.NFT_MSG_GETGEN, 0, 0, nil, func(m message) { id = word(m.attrs.get(unix.NFTA_GEN_ID)) })
	return id, err
}

func (k *kernel) ask(kind, flags uint16, family nft.Family, attrs []byte, each func(message)) error {
	k.seq++
	req := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+4+len(attrs)))
	req = binary.NativeEndian.AppendUint16(req, unix.NFNL_SUBSYS_NFTABLES<<8|kind)
	req = binary.NativeEndian.AppendUint16(req, unix.NLM_F_REQUEST|flags)
	req = binary.NativeEndian.AppendUint32(req, k.seq)
	req = binary.NativeEndian.AppendUint32(req, 0)
	req = append(append(req, byte(family), unix.NFNETLINK_V0, 0, 0), attrs...)
	if err := unix.Sendto(k.fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask nf_tables: %w", err)
	}
	interrupted := false
	for {
		n, _, err := unix.Recvfrom(k.fd, k.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read nf_tables' answer: %w", err)
		}
		done, cut, err := k.answer(k.buf[:n], flags&unix.NLM_F_DUMP != 0, each)
		interrupted = interrupted || cut
		switch {
		case err != nil:
			return err
		case done && interrupted:
			return errInterrupted
		case done:
			return nil
		}
	}
}

// answer takes one datagram.
func (k *kernel) answer(b []byte, dump bool, each func(message)) (done, interrupted bool, err error) {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return true, interrupted, errors.New("nf_tables' answer is cut short")
		}
		kind, flags, seq := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:]), binary.NativeEndian.Uint32(b[8:])
		content := b[unix.SizeofNlMsghdr:size]
		b = b[min((size+3)&^3, len(b)):]
		switch {
		case seq != k.seq: // the rest of an answer that was given up
		case kind == unix.NLMSG_DONE || kind == unix.NLMSG_ERROR:
			return true, interrupted, failure(content)
		case kind>>8 == unix.NFNL_SUBSYS_NFTABLES && len(content) >= 4:
			interrupted = interrupted || flags&unix.NLM_F_DUMP_INTR != 0
			each(message{nft.Family(content[0]), attributes{content[4:], binary.NativeEndian}})
			if !dump {
				return true, interrupted, nil
			}
		}
	}
	return false, interrupted, nil
}

// failure is the error in the end of an answer.
func failure(content []byte) error {
	if len(content) < 4 {
		return nil
	}
	switch errno := unix.Errno(-int32(binary.NativeEndian.Uint32(content))); errno {
	case 0:
		return nil
	case unix.EINTR:
		return errInterrupted
	default:
		return fmt.Errorf("nf_tables: %w", errno)
	}
}
