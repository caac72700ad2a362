package flow

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"nattui/rules"
)

func TestNATFromTuplesAlone(t *testing.T) {
	port := netip.MustParseAddrPort
	client, asked, server := port("10.0.0.1:1000"), port("203.0.113.1:80"), port("192.168.0.2:8080")
	ping := rules.MakeICMP(rules.ICMP, client.Addr(), asked.Addr(), 7, 8, 0)
	otherID := ping.Mirror()
	otherID.SrcPort = 9
	for name, c := range map[string]struct {
		orig, reply rules.Tuple
		want        NAT
	}{
		"mirror":        {rules.MakeTuple(rules.TCP, client, asked), rules.MakeTuple(rules.TCP, asked, client), NATNone},
		"other server":  {rules.MakeTuple(rules.TCP, client, asked), rules.MakeTuple(rules.TCP, server, client), NATDst},
		"other port":    {rules.MakeTuple(rules.TCP, client, asked), rules.MakeTuple(rules.TCP, port("203.0.113.1:8080"), client), NATDst},
		"other client":  {rules.MakeTuple(rules.UDP, client, asked), rules.MakeTuple(rules.UDP, asked, port("198.51.100.1:1000")), NATSrc},
		"client's port": {rules.MakeTuple(rules.UDP, client, asked), rules.MakeTuple(rules.UDP, asked, port("10.0.0.1:1001")), NATSrc},
		"hairpin":       {rules.MakeTuple(rules.TCP, client, asked), rules.MakeTuple(rules.TCP, server, port("192.168.0.1:1000")), NATBoth},
		"ping":          {ping, ping.Mirror(), NATNone},
		"ping's id":     {ping, otherID, NATSrc},
	} {
		f := Flow{Orig: c.orig, Reply: c.reply, Status: 1<<7 | 1<<8} // the DONE bits tell nothing
		if got := f.NAT(); got != c.want {
			t.Errorf("%s: %v, not %v", name, got, c.want)
		}
	}
	f := Flow{Orig: rules.MakeTuple(rules.TCP, client, asked), Status: StatusSrcNAT | StatusDstNAT}
	f.Reply = f.Orig.Mirror()
	if f.NAT() != NATBoth {
		t.Errorf("the status bits are not believed: %v", f.NAT())
	}
}

func TestMirrorTwiceIsTheSame(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	for _, proto := range []rules.Protocol{rules.ICMP, rules.ICMPv6} {
		for kind := range 256 {
			tuple := rules.MakeICMP(proto, a, b, 5, uint8(kind), 1)
			if m := tuple.Mirror(); m.Mirror() != tuple || m.SrcAddr() != b || m.SrcPort != 5 {
				t.Errorf("%v is mirrored to %v", tuple, m)
			}
		}
	}
}

func TestTimes(t *testing.T) {
	f := Flow{First: 10 * second, Told: 20 * second, Timeout: 30}
	if f.Age(15*second) != 5*time.Second || f.Age(5*second) != 0 {
		t.Errorf("age %v", f.Age(15*second))
	}
	if f.Start = 8 * second; f.Age(15*second) != 7*time.Second {
		t.Errorf("age %v from the kernel's start", f.Age(15*second))
	}
	for now, want := range map[int64]uint32{10: 30, 20: 30, 35: 15, 50: 0, 60: 0} {
		if got := f.Remaining(now * second); got != want {
			t.Errorf("%d s are left at %d, not %d", got, now, want)
		}
	}
}

func TestAppendJSON(t *testing.T) {
	f := *sampleFlows()["web"]
	f.SetCounts(1, 2, 3, 4)
	f.Start = 1_700_000_000*second + 5
	var got map[string]any
	if err := json.Unmarshal(f.AppendJSON(nil, 31*second, `"event":"new"`), &got); err != nil {
		t.Fatal(err)
	}
	side := func(src string, sport float64, dst string, dport, packets, bytes float64) map[string]any {
		return map[string]any{"src": src, "sport": sport, "dst": dst, "dport": dport, "packets": packets, "bytes": bytes}
	}
	want := map[string]any{
		"proto": "tcp", "state": "ESTABLISHED", "nat": "dnat",
		"orig":    side("203.0.113.10", 55474, "203.0.113.1", 80, 1, 2),
		"reply":   side("192.168.0.2", 8080, "203.0.113.10", 55474, 3, 4),
		"timeout": 70.0, "mark": 17.0, "zone": 0.0, "id": 1.0, "assured": true, "seen_reply": true,
		"start": "2023-11-14T22:13:20.000000005Z", "rate": 2e6, "event": "new",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v\nis not\n%v", got, want)
	}
	for name, flow := range sampleFlows() {
		var members map[string]any
		if err := json.Unmarshal(flow.AppendJSON(nil, 0, ""), &members); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, counted := members["orig"].(map[string]any)["packets"]
		if counted != flow.Counts() {
			t.Errorf("%s: counters that the kernel does not keep are to be absent: %v", name, members)
		}
	}
}

// sampleFlows are flows by a short name.
func sampleFlows() map[string]*Flow {
	port := netip.MustParseAddrPort
	web := &Flow{
		Orig: rules.MakeTuple(rules.TCP, port("203.0.113.10:55474"), port("203.0.113.1:80")), Reply: rules.MakeTuple(rules.TCP, port("192.168.0.2:8080"), port("203.0.113.10:55474")),
		State: TCPEstablished, Status: StatusDstNAT | StatusAssured | StatusSeenReply, Mark: 0x11, Rule: 3, ID: 1, Timeout: 100, Told: second, First: second,
		ByteRate: 2e6, known: countsKnown | ratesKnown, OrigBytes: 5000,
	}
	out := &Flow{
		Orig: rules.MakeTuple(rules.UDP, port("192.168.0.7:53211"), port("8.8.8.8:53")), Reply: rules.MakeTuple(rules.UDP, port("8.8.8.8:53"), port("203.0.113.1:53211")),
		Status: StatusSrcNAT, Zone: 5, ID: 2, First: 50 * second, Told: 50 * second,
	}
	six := &Flow{Orig: rules.MakeTuple(rules.TCP, port("[2001:db8::7]:4000"), port("[2001:db8::1]:443")), State: TCPSynSent, ID: 3, First: 90 * second}
	six.Reply = six.Orig.Mirror()
	ping := &Flow{Orig: rules.MakeICMP(rules.ICMP, netip.MustParseAddr("192.168.0.7"), netip.MustParseAddr("1.1.1.1"), 80, 8, 0), ID: 4, First: 90 * second}
	ping.Reply = ping.Orig.Mirror()
	return map[string]*Flow{"web": web, "out": out, "six": six, "ping": ping}
}

// Whatever is counted has had a packet: counters of 0 are none, and nor is a rate of them.
func TestCountersOfZeroAreNone(t *testing.T) {
	var f Flow
	f.SetCounts(0, 0, 0, 0)
	if f.Counts() || f.HasRate() {
		t.Errorf("counters of 0 are taken for counters: %v, %v", f.Counts(), f.HasRate())
	}
	if f.SetCounts(1, 60, 0, 0); !f.Counts() {
		t.Error("one packet is not counted")
	}
}

// TestBeganAfter: only the event of its beginning tells when a flow began, and only if it had not waited.
func TestBeganAfter(t *testing.T) {
	const rest = int64(time.Hour)
	told := func(kinds []MessageKind, late bool) Flow {
		table := NewFlows()
		for i, kind := range kinds {
			b := &Batch{At: rest + int64(i), Late: late}
			c := b.Next()
			*c = Message{Kind: kind, Flow: testFlow(1)}
			table.Apply(b)
		}
		sought := testFlow(1)
		now, _, _ := table.Lookup(sought.Key())
		return now
	}
	for name, c := range map[string]struct {
		kinds []MessageKind
		late  bool
		want  bool
	}{
		"its beginning":                       {[]MessageKind{EventNew}, false, true},
		"its beginning, which had waited":     {[]MessageKind{EventNew}, true, false},
		"it goes on":                          {[]MessageKind{EventUpdate}, false, false},
		"it is there":                         {[]MessageKind{Listed}, false, false},
		"it is there, and then its beginning": {[]MessageKind{Listed, EventNew}, false, true},
	} {
		f := told(c.kinds, c.late)
		if got := f.BeganAfter(rest - int64(time.Second)); got != c.want {
			t.Errorf("%s: it began after a second ago: %v", name, got)
		}
		if f.BeganAfter(rest) {
			t.Errorf("%s: it began after it was heard of", name)
		}
	}
}
