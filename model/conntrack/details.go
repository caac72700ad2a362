package conntrack

import (
	"errors"
	"fmt"
	"net/netip"

	timo "github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"nattui/model/flow"
	"nattui/rules"
)

// Details asks the kernel for everything it knows of one flow. It blocks for one
// question and answer. An error has flow.ErrGone in its chain if the flow has gone, also
// if its tuple is in use by another one.
func (t *Table) Details(f *flow.Flow) (flow.Details, error) {
	got, err := t.request.Get(timo.Flow{TupleOrig: toTimo(&f.Orig, f, flow.ZoneOrig), Zone: wholeZone(f)})
	if errors.Is(err, unix.ENOENT) || err == nil && got.ID != f.ID {
		return flow.Details{}, fmt.Errorf("%v: %w", f.Orig, flow.ErrGone)
	}
	if err != nil {
		return flow.Details{}, explain("asking for a connection", err)
	}
	c := fromTimo(&got)
	d := flow.Details{
		Flow: c.Flow, Use: got.Use, Helper: got.Helper.Name, SecurityContext: string(got.SecurityContext), Labels: got.Labels,
		OrigAdjust: fromSequence(got.SeqAdjOrig), ReplyAdjust: fromSequence(got.SeqAdjReply),
	}
	d.Flow.First, d.Flow.Told, d.Flow.Rule, d.Flow.RuleGen = f.First, now(), f.Rule, f.RuleGen
	if got.TupleMaster.Proto.Protocol != 0 {
		d.HasMaster, d.Master = true, fromTuple(&got.TupleMaster)
	}
	if tcp := got.ProtoInfo.TCP; tcp != nil {
		d.TCP = &flow.TCPDetails{OrigScale: tcp.OriginalWindowScale, ReplyScale: tcp.ReplyWindowScale, OrigFlags: tcp.OriginalFlags, ReplyFlags: tcp.ReplyFlags}
	}
	if sctp := got.ProtoInfo.SCTP; sctp != nil {
		d.SCTP = &flow.SCTPDetails{OrigTag: sctp.VTagOriginal, ReplyTag: sctp.VTagReply}
	}
	if dccp := got.ProtoInfo.DCCP; dccp != nil {
		d.DCCP = &flow.DCCPDetails{Role: dccp.Role, Handshake: dccp.HandshakeSeq}
	}
	if p := got.SynProxy; p != (timo.SynProxy{}) {
		d.SynProxy = &flow.SynProxy{ISN: p.ISN, ITS: p.ITS, TimestampOffset: p.TSOff}
	}
	d.TimeoutSetting, d.TimeoutWhole = timeoutOf(&d.Flow)
	if d.Helper != "" {
		if d.Expected, err = t.expectedBy(&d.Flow); err != nil {
			return d, err
		}
	}
	return d, nil
}

// timeoutOf reads what the kernel set the flow's timeout from.
func timeoutOf(f *flow.Flow) (name string, seconds uint32) {
	name, ok := f.TimeoutSetting()
	if !ok {
		return "", 0
	}
	n, ok := sysctl(name)
	if !ok || n < 0 {
		return "", 0
	}
	return name, uint32(n)
}

// expectedBy are the expectations that have a flow as their master.
func (t *Table) expectedBy(f *flow.Flow) (of []flow.Expectation, err error) {
	all, err := t.Expectations()
	for i := range all {
		if all[i].Master == f.Orig {
			of = append(of, all[i])
		}
	}
	return of, err
}

// Expectations are the flows that helpers expect now.
func (t *Table) Expectations() ([]flow.Expectation, error) {
	got, err := t.request.DumpExpect()
	if err != nil {
		return nil, explain("reading expected connections", err)
	}
	all := make([]flow.Expectation, len(got))
	for i := range got {
		e := &got[i]
		all[i] = flow.Expectation{
			Master: fromTuple(&e.TupleMaster), Tuple: fromTuple(&e.Tuple), Mask: fromTuple(&e.Mask),
			Timeout: e.Timeout, ID: e.ID, Zone: e.Zone, Helper: e.HelpName, Function: e.Function,
		}
	}
	return all, nil
}

// wholeZone is the zone of a flow if it applies to both directions.
func wholeZone(f *flow.Flow) uint16 {
	if f.ZoneSide == flow.ZoneBoth {
		return f.Zone
	}
	return 0
}

// toTimo is one tuple of a flow, with the zone if that applies to this side alone.
func toTimo(t *rules.Tuple, f *flow.Flow, side flow.ZoneSide) timo.Tuple {
	p := timo.ProtoTuple{Protocol: uint8(t.Proto), SourcePort: t.SrcPort, DestinationPort: t.DstPort}
	if id, kind, code, ok := t.ICMP(); ok {
		p = timo.ProtoTuple{
			Protocol: uint8(t.Proto), ICMPv4: uint8(t.Proto) == rules.ICMP, ICMPv6: uint8(t.Proto) == rules.ICMPv6,
			ICMPID: id, ICMPType: kind, ICMPCode: code,
		}
	}
	out := timo.Tuple{IP: timo.IPTuple{SourceAddress: t.SrcAddr(), DestinationAddress: t.DstAddr()}, Proto: p}
	if f.ZoneSide == side {
		out.Zone = f.Zone
	}
	return out
}

func fromTuple(t *timo.Tuple) rules.Tuple {
	p := &t.Proto
	src, dst := t.IP.SourceAddress, t.IP.DestinationAddress
	if !src.IsValid() || !dst.IsValid() {
		return rules.Tuple{Proto: rules.Protocol(p.Protocol), SrcPort: p.SourcePort, DstPort: p.DestinationPort}
	}
	if p.ICMPv4 || p.ICMPv6 {
		return rules.MakeICMP(rules.Protocol(p.Protocol), src, dst, p.ICMPID, p.ICMPType, p.ICMPCode)
	}
	return rules.MakeTuple(rules.Protocol(p.Protocol), netip.AddrPortFrom(src, p.SourcePort), netip.AddrPortFrom(dst, p.DestinationPort))
}

// fromTimo is what the decoder of this package makes of the same message, as far
// as ti-mo tells absent from 0.
func fromTimo(f *timo.Flow) (c flow.Message) {
	to := &c.Flow
	to.Orig, to.Reply = fromTuple(&f.TupleOrig), fromTuple(&f.TupleReply)
	to.ID, to.Mark, to.Timeout, to.Status = f.ID, f.Mark, f.Timeout, flow.Status(f.Status)
	switch {
	case f.TupleOrig.Zone != 0:
		to.Zone, to.ZoneSide = f.TupleOrig.Zone, flow.ZoneOrig
	case f.TupleReply.Zone != 0:
		to.Zone, to.ZoneSide = f.TupleReply.Zone, flow.ZoneReply
	default:
		to.Zone = f.Zone
	}
	switch {
	case f.ProtoInfo.TCP != nil:
		to.State = flow.State(f.ProtoInfo.TCP.State)
	case f.ProtoInfo.SCTP != nil:
		to.State = flow.State(f.ProtoInfo.SCTP.State)
	case f.ProtoInfo.DCCP != nil:
		to.State = flow.State(f.ProtoInfo.DCCP.State)
	}
	if o, r := &f.CountersOrig, &f.CountersReply; o.Packets|o.Bytes|r.Packets|r.Bytes != 0 {
		to.SetCounts(o.Packets, o.Bytes, r.Packets, r.Bytes)
	}
	if !f.Timestamp.Start.IsZero() {
		to.Start = f.Timestamp.Start.UnixNano()
	}
	if !f.Timestamp.Stop.IsZero() {
		c.Stop = f.Timestamp.Stop.UnixNano()
	}
	return c
}

func fromSequence(s timo.SequenceAdjust) flow.SequenceAdjust {
	return flow.SequenceAdjust{Position: s.Position, Before: s.OffsetBefore, After: s.OffsetAfter}
}
