package flow

import (
	"math"
	"net/netip"
	"strconv"
	"time"
)

// CSVColumns are the columns of a flow as CSVRow tells it: the members of its JSON object, with orig. and reply. before
// those of its two directions, and what the screens call its ends.
func CSVColumns() []string {
	return []string{
		"proto", "state", "nat", "client", "client_port", "asked", "asked_port", "served_by", "served_port", "seen_as", "seen_port", "rule", "confidence", "older",
		"orig_packets", "orig_bytes", "reply_packets", "reply_bytes", "timeout", "mark", "zone", "id", "assured", "seen_reply", "start", "rate",
	}
}

// CSVRow is the flow in the columns of CSVColumns; what is not known is empty. by are the three that tell which rule made it, now
// is the time for which the timeout is told.
func (f *Flow) CSVRow(by [3]string, now int64) []string {
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	row := []string{f.Proto().String(), f.StateName(), f.NAT().String()}
	for _, e := range [...]netip.AddrPort{f.Client(), f.AskedFor(), f.ServedBy(), f.SeenAs()} {
		port := ""
		if f.Proto().HasPorts() {
			port = strconv.Itoa(int(e.Port()))
		}
		row = append(row, e.Addr().String(), port)
	}
	row = append(row, by[:]...)
	if f.Counts() {
		row = append(row, number(f.OrigPackets), number(f.OrigBytes), number(f.ReplyPackets), number(f.ReplyBytes))
	} else {
		row = append(row, "", "", "", "")
	}
	row = append(row, number(uint64(f.Remaining(now))), number(uint64(f.Mark)), number(uint64(f.Zone)), number(uint64(f.ID)),
		strconv.FormatBool(f.Status&StatusAssured != 0), strconv.FormatBool(f.Status&StatusSeenReply != 0))
	start, rate := "", ""
	if f.Start != 0 {
		start = time.Unix(0, f.Start).UTC().Format(time.RFC3339Nano)
	}
	if f.HasRate() {
		rate = strconv.FormatInt(int64(math.Round(float64(f.ByteRate))), 10)
	}
	return append(row, start, rate)
}
