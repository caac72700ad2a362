// Package trace watches single packets go through tables, chains and rules, as the
// kernel reports it: the nf_tables tracing that nft monitor trace shows, with a
// trigger of its own and the replies beside the requests.
//
// What sets the trace off is a table of its own (see Start), whose limit bounds what
// it costs, and which the kernel removes as soon as this process is gone. No rule of
// the operator's is touched.
//
// It sees the rules of nf_tables only: those of iptables' nft backend and native ones.
// The legacy backend writes its traces to the kernel's log.
//
// Linux 4.6 or newer, 5.12 for the removal by the kernel; CAP_NET_ADMIN.
package trace

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"nattui/model/traced"
)

// ErrUnsupported is wrapped where the kernel has no nf_tables, or none that traces.
var ErrUnsupported = errors.New("the kernel cannot trace packets")

// Trace is a trace that runs. All methods may be called concurrently.
type Trace struct {
	events, requests *netlink.Conn
	name             string
	owned            bool

	packets  chan *traced.Traced
	stopping context.Context
	stop     context.CancelFunc
	ended    chan struct{}
	err      error // why it ended; valid once packets is closed

	join  traced.TraceJoin
	links map[uint32]string
	rules handles

	mu     sync.Mutex // of requests
	missed int
}

// tableName is the name of this process's table.
func tableName() string { return "nattui_trace_" + strconv.Itoa(os.Getpid()) }

// tableOwner is NFT_TABLE_F_OWNER: the table belongs to the socket that made it, and
// goes with it.
const tableOwner = 0x2

// receiveBuffer holds the reports of some thousand hops.
const receiveBuffer = 4 << 20

// Start sets a trace off: it makes the table inet nattui_trace_PID, whose rules mark
// what fits the filter and what answers it, at most ten packets a second of each kind,
// and listens to what the kernel reports about them. It ends with ctx or Close, which
// remove the table, and so does the kernel when this process is gone.
//
// The error wraps ErrUnsupported, or os.ErrPermission without CAP_NET_ADMIN.
func Start(ctx context.Context, f traced.TraceFilter) (*Trace, error) {
	t := &Trace{
		name: tableName(), packets: make(chan *traced.Traced, 64), ended: make(chan struct{}),
		links: map[uint32]string{},
	}
	t.join.FirstReplies = f.New
	t.stopping, t.stop = context.WithCancel(ctx)
	if err := t.open(f); err != nil {
		t.stop()
		t.closeSockets()
		return nil, explained(err)
	}
	t.rules.trace = t
	context.AfterFunc(t.stopping, func() { t.events.SetReadDeadline(time.Unix(1, 0)) })
	go t.run()
	return t, nil
}

// open listens, and only then sets the trace off.
func (t *Trace) open(f traced.TraceFilter) error {
	var err error
	if t.events, err = netlink.Dial(unix.NETLINK_NETFILTER, nil); err != nil {
		return err
	}
	if err = t.events.JoinGroup(unix.NFNLGRP_NFTRACE); err != nil {
		return err
	}
	_ = t.events.SetReadBuffer(receiveBuffer) // a smaller one loses reports sooner, and says so
	t.owned = true
	err = t.install(f)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) { // before 5.12
		t.owned = false
		err = t.install(f)
	}
	return err
}

// install makes the table on a socket of its own.
func (t *Trace) install(f traced.TraceFilter) error {
	if t.requests != nil {
		t.requests.Close()
	}
	var err error
	if t.requests, err = netlink.Dial(unix.NETLINK_NETFILTER, nil); err != nil {
		return err
	}
	flags := uint32(0)
	if t.owned {
		flags = tableOwner
	}
	table := attrs{text(unix.NFTA_TABLE_NAME, t.name), number(unix.NFTA_TABLE_FLAGS, flags)}
	batch := []netlink.Message{nftMessage(unix.NFT_MSG_NEWTABLE, netlink.Create|netlink.Excl, unix.NFPROTO_INET, table)}
	for _, c := range chainsFor(f) {
		batch = append(batch, t.newChain(c))
		for _, r := range c.rules {
			batch = append(batch, t.newRule(c.name, r))
		}
	}
	return transact(t.requests, batch)
}

func (t *Trace) newChain(c ownChain) netlink.Message {
	return nftMessage(unix.NFT_MSG_NEWCHAIN, netlink.Create, unix.NFPROTO_INET, attrs{
		text(unix.NFTA_CHAIN_TABLE, t.name), text(unix.NFTA_CHAIN_NAME, c.name), text(unix.NFTA_CHAIN_TYPE, "filter"),
		{kind: unix.NFTA_CHAIN_HOOK, within: attrs{number(unix.NFTA_HOOK_HOOKNUM, c.hook), number(unix.NFTA_HOOK_PRIORITY, uint32(c.priority))}},
	})
}

func (t *Trace) newRule(chain string, r rule) netlink.Message {
	list := attrs{}
	for _, e := range r.expressions {
		list = append(list, attr{kind: unix.NFTA_LIST_ELEM, within: attrs{
			text(unix.NFTA_EXPR_NAME, e.name), {kind: unix.NFTA_EXPR_DATA, within: e.attrs},
		}})
	}
	return nftMessage(unix.NFT_MSG_NEWRULE, netlink.Create|netlink.Append, unix.NFPROTO_INET, attrs{
		text(unix.NFTA_RULE_TABLE, t.name), text(unix.NFTA_RULE_CHAIN, chain), {kind: unix.NFTA_RULE_EXPRESSIONS, within: list},
	})
}

// explained says what a refusal of the kernel means.
func explained(err error) error {
	err = refusal(err)
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("tracing packets needs CAP_NET_ADMIN: %w", err)
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: it has no nf_tables that traces (%w); TRACE of the legacy tables goes to the kernel's log", ErrUnsupported, err)
	}
	return fmt.Errorf("set a trace off: %w", err)
}

// Packets delivers every packet when its way has ended. It is closed when the trace
// ends; Err tells why then.
func (t *Trace) Packets() <-chan *traced.Traced { return t.packets }

// Err is why the trace ended, nil where it was asked to. Valid after Packets is closed.
func (t *Trace) Err() error { return t.err }

// Missed is how many times reports came faster than they could be taken.
func (t *Trace) Missed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.missed
}

// Table is what sets the trace off: inet nattui_trace_PID.
func (t *Trace) Table() string { return "inet " + t.name }

// Leftover says what stays behind, and how to remove it, should this process be
// killed; "" where the kernel removes it (Linux 5.12).
func (t *Trace) Leftover() string {
	if t.owned {
		return ""
	}
	return "should this program be killed, its trigger stays: remove it with  nft delete table inet " + t.name
}

// Close ends the trace and removes what set it off. Closing twice does nothing.
func (t *Trace) Close() error {
	t.stop()
	<-t.ended
	return nil
}

func (t *Trace) closeSockets() {
	if t.requests != nil {
		t.requests.Close()
	}
	if t.events != nil {
		t.events.Close()
	}
}

// run receives until it is stopped.
func (t *Trace) run() {
	defer close(t.ended)
	defer close(t.packets)
	defer t.remove()
	for t.stopping.Err() == nil {
		messages, err := t.receive()
		now := time.Now()
		for _, m := range messages {
			if m.Header.Type == unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_TRACE {
				if report, ok := decode(m.Data, t.name, t.linkName); ok {
					t.deliver(t.join.Take(&report, now))
				}
			}
		}
		for _, lost := range t.join.Lost(now) {
			t.deliver(lost)
		}
		switch {
		case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, unix.ENOBUFS):
			t.mu.Lock()
			t.missed++
			t.mu.Unlock()
		default:
			t.err = fmt.Errorf("receive what the kernel reports: %w", refusal(err))
			return
		}
	}
}

// receive waits for reports; while a packet is underway not longer than it may take.
func (t *Trace) receive() ([]netlink.Message, error) {
	var deadline time.Time
	if t.join.Underway() > 0 {
		deadline = time.Now().Add(traced.TracePatience)
	}
	if err := t.events.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	if t.stopping.Err() != nil { // it may have been asked to stop just before
		return nil, nil
	}
	return t.events.Receive()
}

func (t *Trace) deliver(p *traced.Traced) {
	if p == nil {
		return
	}
	t.rules.resolve(p)
	if p.End == traced.TraceLost && bridged(p) {
		p.Bridge = p.First.In
	}
	select {
	case t.packets <- p:
	case <-t.stopping.Done():
	}
}

// remove takes the table away. The kernel would, but later.
func (t *Trace) remove() {
	t.stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = transact(t.requests, []netlink.Message{nftMessage(unix.NFT_MSG_DELTABLE, 0, unix.NFPROTO_INET, attrs{text(unix.NFTA_TABLE_NAME, t.name)})})
	t.closeSockets()
}

// linkName is the name of an interface; its number where it is gone.
func (t *Trace) linkName(index uint32) string {
	if index == 0 {
		return ""
	}
	if name, ok := t.links[index]; ok {
		return name
	}
	name := "#" + strconv.Itoa(int(index))
	if link, err := net.InterfaceByIndex(int(index)); err == nil {
		name = link.Name
	}
	t.links[index] = name
	return name
}

// dump asks for all rules of a table and calls f for each, in their chains' order.
func (t *Trace) dump(family byte, table string, f func(chain string, handle uint64)) error {
	answers, err := t.requests.Execute(nftMessage(unix.NFT_MSG_GETRULE, netlink.Dump, family, attrs{text(unix.NFTA_RULE_TABLE, table)}))
	if err != nil {
		return err
	}
	for _, a := range answers {
		if len(a.Data) < 4 {
			continue
		}
		var chain, of string
		var handle uint64
		each(a.Data[4:], func(kind uint16, v []byte) {
			switch kind {
			case unix.NFTA_RULE_TABLE:
				of = textOf(v)
			case unix.NFTA_RULE_CHAIN:
				chain = textOf(v)
			case unix.NFTA_RULE_HANDLE:
				if len(v) == 8 {
					handle = uint64(number32(v[:4]))<<32 | uint64(number32(v[4:]))
				}
			}
		})
		if of == table {
			f(chain, handle)
		}
	}
	return nil
}

// generation is the number of the tables' state, which every change moves on.
func (t *Trace) generation() (uint32, error) {
	answers, err := t.requests.Execute(nftMessage(unix.NFT_MSG_GETGEN, 0, unix.NFPROTO_UNSPEC, nil))
	if err != nil {
		return 0, err
	}
	var id uint32
	for _, a := range answers {
		if len(a.Data) >= 4 {
			each(a.Data[4:], func(kind uint16, v []byte) {
				if kind == unix.NFTA_GEN_ID {
					id = number32(v)
				}
			})
		}
	}
	return id, nil
}

// nftList prints a table with the handles of its rules, where nft is installed.
func nftList(ctx context.Context, family, table string) []string {
	out, err := nftCommand(ctx, "-a", "-n", "list", "table", family, table).Output()
	if err != nil {
		return nil
	}
	return strings.Split(string(out), "\n")
}
