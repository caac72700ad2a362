package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"nattui/model/conntrack"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// asker asks what becomes of packets, those of connections that exist already included.
type asker struct {
	evaluator *evaluate.Evaluator
	began     map[rules.Tuple]rules.Tuple // the connections that exist, and their answers
	answered  map[rules.Tuple]answered    // the same by their answers
	alone     *evaluate.Evaluator         // as if there were none
	flows     kernelFlows
	foresight *evaluate.Foresight // as if there were none, for many packets; nil for one, of which every rule is told
	briefly   bool
	open      string // why no answer is certain; "" where that depends on the packet
}

// newAsker makes one for one packet, of which every rule is told that it is compared with, or for many.
func newAsker(host evaluate.Host, programs []*evaluate.Program, many, briefly bool) asker {
	a := asker{evaluator: evaluate.NewEvaluator(host, programs...), briefly: briefly}
	a.alone = a.evaluator
	if k, ok := host.Flows.(kernelFlows); ok {
		host.Flows = nil
		a.flows, a.began, a.answered, a.alone = k, k.began, k.answered, evaluate.NewEvaluator(host, programs...)
	}
	if many || briefly {
		a.foresight = a.alone.Foresight(briefly)
	}
	return a
}

// evaluate follows a packet through the rules with all connections in mind, or with none.
func (a asker) evaluate(e *evaluate.Evaluator, p evaluate.Packet) (evaluate.Path, error) {
	if a.foresight == nil {
		return e.Evaluate(p)
	}
	return e.Foresee(p, a.briefly)
}

// begin evaluates the first packet of a new connection. What would become of it if there were no other is what becomes of
// it, where none has the same ends or began at the same.
func (a asker) begin(p evaluate.Packet) (evaluate.Path, error) {
	if a.foresight == nil {
		return a.evaluator.Evaluate(p)
	}
	path, err := a.foresight.Of(p)
	if err != nil || a.evaluator == a.alone || a.flows.apart(&path) {
		return path, err
	}
	return a.evaluator.Foresee(p, a.briefly)
}

// ask evaluates a packet. One of a connection that exists goes as that began: where today's rules would begin
// it like that, it is known what becomes of it.
func (a asker) ask(p evaluate.Packet) (evaluate.Path, error) {
	if p.State != evaluate.StateNew {
		return a.evaluate(a.evaluator, p)
	}
	reply, exists := a.began[p.Tuple()]
	if f, ok := a.answered[p.Tuple()]; ok && !exists {
		return a.answer(p, f)
	} else if !exists {
		return a.begin(p)
	}
	path, err := a.evaluate(a.alone, p)
	if err != nil {
		return path, err
	}
	seen := reply.Mirror()
	src, dst := netip.AddrPortFrom(seen.SrcAddr(), seen.SrcPort), netip.AddrPortFrom(seen.DstAddr(), seen.DstPort)
	path.Exists = true
	path.Outcomes = slices.DeleteFunc(path.Outcomes, func(o evaluate.Outcome) bool { return !o.Matches(src, dst) })
	if len(path.Outcomes) == 0 {
		path, err = a.evaluate(a.evaluator, p)
		path.Exists, path.Certain = true, false
		path.Doubts = []evaluate.Doubt{{What: fmt.Sprintf("the connection exists already and goes as it began, seen as %s, served by %s; today's rules would begin it otherwise", src, dst)}}
		return path, err
	}
	for i := range path.Outcomes {
		o := &path.Outcomes[i]
		o.Src.Ports, o.Dst.Ports = rules.Port(src.Port()), rules.Port(dst.Port())
	}
	if path.Certain = len(path.Outcomes) == 1 && !path.Incomplete; path.Certain {
		path.Doubts = nil
	}
	return path, nil
}

// answer evaluates a packet that answers a connection: no rule of nat is asked, and whoever began it gets the packet, from
// the address that was asked for (nf_nat_packet in net/netfilter/nf_nat_core.c).
func (a asker) answer(p evaluate.Packet, f answered) (evaluate.Path, error) {
	p.State, p.ConnMark = evaluate.StateEstablished, f.mark
	if p.Has&evaluate.HasTCPFlags != 0 {
		const syn, ack = 0x02, 0x10
		if p.TCPFlags = ack; f.waiting {
			p.TCPFlags = syn | ack
		}
	}
	client := netip.AddrPortFrom(f.orig.SrcAddr(), f.orig.SrcPort)
	asked := netip.AddrPortFrom(f.orig.DstAddr(), f.orig.DstPort)
	p.Of = &evaluate.Connection{Orig: f.orig, Reply: p.Tuple(), Answers: true}
	path, err := a.evaluate(a.alone, p)
	path.Exists = true
	for i := range path.Outcomes {
		if o := &path.Outcomes[i]; o.Delivered != evaluate.Dropped {
			o.SNAT = asked != netip.AddrPortFrom(p.Src, p.SrcPort)
			o.DNAT = client != netip.AddrPortFrom(p.Dst, p.DstPort)
			o.Src.Addr, o.Src.Ports, o.Dst.Addr, o.Dst.Ports = asked.Addr(), rules.Port(asked.Port()), client.Addr(), rules.Port(client.Port())
		}
	}
	return path, err
}

// kernelFlows are the tuples of the flows that exist, in which a new one may not
// take a place.
type kernelFlows struct {
	began    map[rules.Tuple]rules.Tuple // the answer's by the request's
	answered map[rules.Tuple]answered    // by the answer's
	mapped   map[origin][]netip.AddrPort
}

// answered is a flow as its answers need it.
type answered struct {
	orig    rules.Tuple
	mark    uint32
	waiting bool // TCP, of which only the SYN has come
}

// origin is who began a flow, before translation.
type origin struct {
	protocol rules.Protocol
	src      netip.AddrPort
}

// flowsInUse reads the kernel's table once. Without connection tracking there are
// no flows.
func flowsInUse(ctx context.Context) (evaluate.FlowTable, error) {
	table, err := conntrack.Open(conntrack.Options{})
	if errors.Is(err, conntrack.ErrUnsupported) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer table.Close()
	k := kernelFlows{map[rules.Tuple]rules.Tuple{}, map[rules.Tuple]answered{}, map[origin][]netip.AddrPort{}}
	err = table.Dump(ctx, func(b *flow.Batch) {
		for i := range b.Messages {
			k.add(&b.Messages[i].Flow)
		}
	})
	if errors.Is(err, conntrack.ErrUnsupported) {
		return nil, nil
	}
	return k, err
}

func (k kernelFlows) add(f *flow.Flow) {
	k.began[f.Orig] = f.Reply
	k.answered[f.Reply] = answered{f.Orig, f.Mark, f.Proto() == rules.TCP && f.State == flow.TCPSynSent}
	from := origin{f.Proto(), netip.AddrPortFrom(f.Orig.SrcAddr(), f.Orig.SrcPort)} // of ICMP the identifier
	seen := f.Reply.Mirror()
	k.mapped[from] = append(k.mapped[from], netip.AddrPortFrom(seen.SrcAddr(), seen.SrcPort))
}

// apart tells that no connection bears on a packet's translation: none began at its source, nor has the ends that it is, or
// may come, to have.
func (k kernelFlows) apart(path *evaluate.Path) bool {
	p := &path.Packet
	t := p.Tuple()
	if len(k.mapped[origin{p.Protocol, netip.AddrPortFrom(p.Src, t.SrcPort)}]) > 0 {
		return false
	}
	return !slices.ContainsFunc(path.Outcomes, func(o evaluate.Outcome) bool {
		if !o.Src.Addr.IsValid() || !o.Dst.Addr.IsValid() || !o.Src.Ports.Single() || !o.Dst.Ports.Single() {
			return true // one of many
		}
		seen := rules.MakeTuple(p.Protocol, netip.AddrPortFrom(o.Src.Addr, o.Src.Ports.Lo), netip.AddrPortFrom(o.Dst.Addr, o.Dst.Ports.Lo))
		return k.InUse(seen) || k.InUse(seen.Mirror())
	})
}

func (k kernelFlows) InUse(t rules.Tuple) bool {
	_, began := k.began[t]
	_, answered := k.answered[t]
	return began || answered
}

func (k kernelFlows) Mapped(protocol rules.Protocol, src netip.AddrPort, yield func(netip.AddrPort) bool) {
	for _, a := range k.mapped[origin{protocol, src}] {
		if !yield(a) {
			return
		}
	}
}
