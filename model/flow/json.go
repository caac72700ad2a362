package flow

import (
	"math"
	"strconv"
	"time"

	"nattui/rules"
)

// AppendJSON appends the flow as one JSON object without a line end, as `nattui
// flows --json` prints it: proto, state, nat, orig, reply, timeout, mark, zone, id, assured, seen_reply,
// start, rate (bytes a second). What is not known is absent. extra, if not empty, are more members, such as
// `"event":"new"`, which come last and must be valid JSON; now is the time for which the timeout is told.
//
// It allocates nothing but what b needs to grow: a quarter of a million flows take about as long as
// the kernel needs to tell them.
func (f *Flow) AppendJSON(b []byte, now int64, extra string) []byte {
	b = append(b, `{"proto":"`...)
	b = f.Orig.Proto.AppendName(b)
	b = append(b, '"')
	if state := f.StateName(); state != "" {
		b = append(append(append(b, `,"state":"`...), state...), '"')
	}
	b = append(append(append(b, `,"nat":"`...), f.NAT().String()...), '"')
	b = f.appendSide(append(b, `,"orig":`...), &f.Orig, f.OrigPackets, f.OrigBytes)
	b = f.appendSide(append(b, `,"reply":`...), &f.Reply, f.ReplyPackets, f.ReplyBytes)
	b = strconv.AppendUint(append(b, `,"timeout":`...), uint64(f.Remaining(now)), 10)
	b = strconv.AppendUint(append(b, `,"mark":`...), uint64(f.Mark), 10)
	b = strconv.AppendUint(append(b, `,"zone":`...), uint64(f.Zone), 10)
	b = strconv.AppendUint(append(b, `,"id":`...), uint64(f.ID), 10)
	b = strconv.AppendBool(append(b, `,"assured":`...), f.Status&StatusAssured != 0)
	b = strconv.AppendBool(append(b, `,"seen_reply":`...), f.Status&StatusSeenReply != 0)
	if f.Start != 0 {
		b = append(b, `,"start":"`...)
		b = append(time.Unix(0, f.Start).UTC().AppendFormat(b, time.RFC3339Nano), '"')
	}
	if f.HasRate() {
		b = strconv.AppendInt(append(b, `,"rate":`...), int64(math.Round(float64(f.ByteRate))), 10)
	}
	if extra != "" {
		b = append(append(b, ','), extra...)
	}
	return append(b, '}')
}

func (f *Flow) appendSide(b []byte, t *rules.Tuple, packets, bytes uint64) []byte {
	b = t.SrcAddr().AppendTo(append(b, `{"src":"`...))
	if t.Proto.HasPorts() {
		b = strconv.AppendUint(append(b, `","sport":`...), uint64(t.SrcPort), 10)
		b = append(b, `,"dst":"`...)
		b = t.DstAddr().AppendTo(b)
		b = strconv.AppendUint(append(b, `","dport":`...), uint64(t.DstPort), 10)
	} else {
		b = append(b, `","dst":"`...)
		b = append(t.DstAddr().AppendTo(b), '"')
	}
	if id, kind, code, ok := t.ICMP(); ok {
		b = strconv.AppendUint(append(b, `,"type":`...), uint64(kind), 10)
		b = strconv.AppendUint(append(b, `,"code":`...), uint64(code), 10)
		b = strconv.AppendUint(append(b, `,"icmp_id":`...), uint64(id), 10)
	}
	if src, dst, ok := t.GREKeys(); ok {
		b = strconv.AppendUint(append(b, `,"srckey":`...), uint64(src), 10)
		b = strconv.AppendUint(append(b, `,"dstkey":`...), uint64(dst), 10)
	}
	if f.Counts() {
		b = strconv.AppendUint(append(b, `,"packets":`...), packets, 10)
		b = strconv.AppendUint(append(b, `,"bytes":`...), bytes, 10)
	}
	return append(b, '}')
}
