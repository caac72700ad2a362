package natlog

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nattui/model/flow"
	"nattui/rules"
)

// masked is a connection of 192.168.0.7 that is seen as 203.0.113.1.
func masked(port uint16) flow.Flow {
	at := netip.MustParseAddrPort
	client, seen, server := netip.AddrPortFrom(netip.MustParseAddr("192.168.0.7"), port), netip.AddrPortFrom(netip.MustParseAddr("203.0.113.1"), port), at("198.51.100.1:443")
	return flow.Flow{ID: uint32(port), Status: flow.StatusSrcNAT, Orig: rules.MakeTuple(rules.TCP, client, server), Reply: rules.MakeTuple(rules.TCP, server, seen)}
}

func event(kind flow.MessageKind, f flow.Flow) flow.Message {
	return flow.Message{Kind: kind, Has: flow.HasStatus | flow.HasState | flow.HasTimeout, Flow: f}
}

// told is what a tracker makes of batches, a line for each record.
func told(take func(*Tracker)) string {
	var b strings.Builder
	t := NewTracker(func(r *Record) {
		fmt.Fprintf(&b, "%d %s", r.At, r.Kind)
		switch r.Kind {
		case Lost, Start:
			fmt.Fprintf(&b, " %d", r.Count)
		default:
			fmt.Fprintf(&b, " %d %s", r.Flow.ID, r.Rule)
		}
		if r.From == Found {
			b.WriteString(" found")
		}
		b.WriteString("\n")
	})
	rule := 0
	t.Rule = func(*flow.Message, *flow.Batch) []byte { rule++; return []byte(fmt.Sprint("rule", rule)) }
	take(t)
	t.Close()
	return b.String()
}

func batch(at int64, messages ...flow.Message) *flow.Batch {
	return &flow.Batch{At: at, Messages: messages}
}

// TestTracker: connections are told with the rule that they began with, losses where they were noticed, and what a look at
// the whole table finds later is told as found.
func TestTracker(t *testing.T) {
	plain := masked(9)
	plain.Status, plain.Reply = 0, plain.Orig.Mirror()
	got := told(func(tr *Tracker) {
		first := batch(1, event(flow.Listed, masked(1)), event(flow.Listed, plain))
		first.Begin, first.End = true, true
		tr.Take(first, flow.Feed{})
		tr.Take(batch(2, event(flow.EventNew, masked(2)), event(flow.EventNew, masked(3)), event(flow.EventUpdate, masked(2))), flow.Feed{})
		tr.Take(batch(3, event(flow.EventDestroy, masked(2))), flow.Feed{})
		tr.Take(batch(4, event(flow.EventNew, masked(4))), flow.Feed{Missed: 30})
		again := batch(5, event(flow.Listed, masked(1)), event(flow.Listed, masked(4)), event(flow.Listed, masked(5)))
		again.Begin, again.End = true, true
		tr.Take(again, flow.Feed{Missed: 30})
		tr.Take(batch(6, event(flow.EventDestroy, masked(1)), event(flow.EventDestroy, masked(8))), flow.Feed{Missed: 30})
	})
	const want = `1 start 1
2 begin 2 rule2
2 begin 3 rule3
3 end 2 rule2
4 lost 30
4 begin 4 rule4
5 begin 5 rule7 found
6 end 1 rule1
6 end 8 
5 end 3 rule3 found
`
	if got != want {
		t.Errorf("told\n%swant\n%s", got, want)
	}
}

// TestTrackerTellsOnce: what waits behind a listing is not told a second time: an end that the kernel still tells is the only one,
// and a beginning that the listing has found is none any more.
func TestTrackerTellsOnce(t *testing.T) {
	const second = int64(1e9)
	listing := func(at int64, messages ...flow.Message) *flow.Batch {
		b := batch(at, messages...)
		b.Begin, b.End = true, true
		return b
	}
	got := told(func(tr *Tracker) {
		tr.Take(listing(1), flow.Feed{})
		tr.Take(batch(2, event(flow.EventNew, masked(1)), event(flow.EventNew, masked(2))), flow.Feed{})
		tr.Take(listing(3*second, event(flow.Listed, masked(3))), flow.Feed{})
		tr.Take(batch(3*second+1, event(flow.EventDestroy, masked(1)), event(flow.EventNew, masked(3)), event(flow.EventNew, masked(4))), flow.Feed{})
		tr.Take(batch(6*second, event(flow.EventDestroy, masked(3))), flow.Feed{})
	})
	const want = `1 start 0
2 begin 1 rule1
2 begin 2 rule2
3000000000 begin 3 rule3 found
3000000001 end 1 rule1
3000000001 begin 4 rule5
3000000000 end 2 rule2 found
6000000000 end 3 rule3
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestQueue holds a queue against the sequence of what was put: nothing changes its order, and where records are missing there
// is a record of how many.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := NewQueue(rapid.IntRange(2, 6).Draw(t, "room"))
		put, next := 0, int64(1)
		see := func(records []Record) {
			for _, r := range records {
				if r.Kind == Lost {
					next += int64(r.Count)
					continue
				}
				if r.At != next {
					t.Fatalf("record %d came, want %d", r.At, next)
				}
				next++
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(*rapid.T) {
				put++
				q.Put(&Record{Kind: Begin, At: int64(put)})
			},
			"take": func(t *rapid.T) {
				taken, more := q.Take(make([]Record, rapid.IntRange(1, 5).Draw(t, "n")))
				if !more {
					t.Fatal("it ended without being closed")
				}
				see(taken)
			},
		})
		for {
			taken, _ := q.Take(make([]Record, 3))
			if see(taken); len(taken) == 0 {
				break
			}
		}
		q.Close()
		taken, _ := q.Take(make([]Record, 3))
		see(taken)
		if _, more := q.Take(make([]Record, 3)); more || next != int64(put)+1 {
			t.Fatalf("%d of %d records are accounted for; more: %v", next-1, put, more)
		}
	})
}

// TestIPFIX reads messages as a collector does, by their templates: lengths agree, sequences count records, and a record that
// does not fit begins another message.
func TestIPFIX(t *testing.T) {
	x := IPFIX{Domain: 7, Most: 300}
	lengths := map[uint16]int{}
	for _, m := range x.AppendTemplates(nil, 0) {
		lengths = readTemplates(t, m.Bytes, lengths)
	}
	ended := masked(40001)
	ended.SetCounts(1, 60, 2, 120)
	ended.Start = int64(time.Second)
	var records []Record
	for i := range 9 {
		records = append(records, Record{Kind: Begin, At: int64(i) * int64(time.Second), Flow: masked(uint16(1000 + i))})
	}
	records = append(records, Record{Kind: Lost, Count: 40}, Record{Kind: Start}, Record{Kind: End, At: int64(3 * time.Second), Flow: ended}, Record{Kind: Lost, Count: 2})
	count := uint32(0)
	var lost []uint64
	for _, message := range x.AppendRecords(nil, records, 0) {
		message.Stamp(count)
		m := message.Bytes
		if len(m) > x.Most || int(binary.BigEndian.Uint16(m[2:])) != len(m) || binary.BigEndian.Uint32(m[8:]) != count || binary.BigEndian.Uint32(m[12:]) != 7 {
			t.Errorf("after %d records a message of %d bytes begins with % x", count, len(m), m[:16])
		}
		set, body := binary.BigEndian.Uint16(m[16:]), m[20:]
		if int(binary.BigEndian.Uint16(m[18:])) != len(m)-16 || len(body)%lengths[set] != 0 {
			t.Errorf("a set of template %d has %d bytes, a record %d", set, len(body), lengths[set])
		}
		if n := uint32(len(body) / lengths[set]); message.Records != n || message.Events != n && (set != unsentTemplate || message.Events != 0) {
			t.Errorf("a set of template %d has %d records, told are %d and %d events", set, n, message.Records, message.Events)
		}
		count += message.Records
		if set == unsentTemplate {
			lost = append(lost, binary.BigEndian.Uint64(body[12:]))
		}
	}
	if count != 12 || fmt.Sprint(lost) != "[40 42]" {
		t.Errorf("%d records, lost %v; want 12, and 40 and 42 all in all", count, lost)
	}
}

// readTemplates are the lengths of records by template.
func readTemplates(t *testing.T, m []byte, lengths map[uint16]int) map[uint16]int {
	t.Helper()
	options := binary.BigEndian.Uint16(m[16:]) == optionTemplateSet
	for b := m[20:]; len(b) > 0; {
		id, fields := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if b = b[4:]; options {
			b = b[2:]
		}
		for range fields {
			lengths[id] += int(binary.BigEndian.Uint16(b[2:]))
			b = b[4:]
		}
	}
	return lengths
}

// TestSearch asks a log who had an address when.
func TestSearch(t *testing.T) {
	at := func(second int) int64 { return time.Date(2026, 11, 29, 4, 0, second, 0, time.UTC).UnixNano() }
	other := masked(40001)
	other.Orig.Src[15], other.ID = 8, 77
	found := masked(5)
	for _, test := range []struct {
		name    string
		records []Record
		sought  string
		second  int
		within  time.Duration
		want    string // as, client's last octet, certain
		gaps    string // lost, before, covered
	}{
		{"between", []Record{{Kind: Start, At: at(0)}, {Kind: Begin, At: at(1), Flow: masked(40001)}, {Kind: End, At: at(9), Flow: masked(40001)}}, "203.0.113.1:40001", 5, 0, "seen_as 7 true;", "0 0 true"},
		{"before", []Record{{Kind: Start, At: at(0)}, {Kind: Begin, At: at(3), Flow: masked(40001)}, {Kind: End, At: at(9), Flow: masked(40001)}}, "203.0.113.1:40001", 2, 0, "", "0 0 true"},
		{"by other clocks", []Record{{Kind: Start, At: at(0)}, {Kind: Begin, At: at(3), Flow: masked(40001)}, {Kind: End, At: at(9), Flow: masked(40001)}}, "203.0.113.1:40001", 2, time.Second, "seen_as 7 false;", "0 0 true"},
		{"the next one", []Record{{Kind: Start, At: at(0)}, {Kind: Begin, At: at(1), Flow: masked(40001)}, {Kind: End, At: at(4), Flow: masked(40001)}, {Kind: Begin, At: at(5), Flow: other}, {Kind: End, At: at(9), Flow: other}}, "203.0.113.1:40001", 6, 0, "seen_as 8 true;", "0 0 true"},
		{"still open", []Record{{Kind: Start, At: at(0)}, {Kind: Begin, At: at(1), Flow: masked(40001)}, {Kind: Begin, At: at(20), Flow: masked(9)}}, "203.0.113.1:40001", 6, 0, "seen_as 7 true;", "0 0 true"},
		{"open, but the log stopped", []Record{{Kind: Start, At: at(0)}, {Kind: Begin, At: at(1), Flow: masked(40001)}, {Kind: Stop, At: at(2)}}, "203.0.113.1:40001", 6, 0, "seen_as 7 false;", "0 0 false"},
		{"open, but its end may be lost", []Record{{Kind: Start, At: at(0)}, {Kind: Begin, At: at(1), Flow: masked(40001)}, {Kind: Lost, At: at(2), Count: 3}, {Kind: Begin, At: at(20), Flow: masked(9)}}, "203.0.113.1:40001", 6, 0, "seen_as 7 false;", "3 0 true"},
		{"begun before the log", []Record{{Kind: Start, At: at(3), Count: 2}, {Kind: End, At: at(9), Flow: masked(40001)}}, "203.0.113.1:40001", 6, 0, "seen_as 7 false;", "0 2 true"},
		{"as the server", []Record{{Kind: Start, At: at(0)}, {Kind: Begin, At: at(1), Flow: masked(40001)}, {Kind: Begin, At: at(20), Flow: masked(9)}}, "198.51.100.1", 6, 0, "asked 7 true;", "0 0 true"},
		{"found later", []Record{{Kind: Start, At: at(0)}, {Kind: Begin, At: at(1), From: Found, Flow: found}, {Kind: Begin, At: at(20), Flow: masked(9)}}, "203.0.113.1:5", 6, 0, "seen_as 7 false;", "0 0 true"},
		{"open, and the log does not reach so far", []Record{{Kind: Start, At: at(0)}, {Kind: Begin, At: at(1), Flow: masked(40001)}}, "203.0.113.1:40001", 6, 0, "seen_as 7 false;", "0 0 false"},
		{"another port", []Record{{Kind: Start, At: at(0)}, {Kind: Begin, At: at(1), Flow: masked(40001)}, {Kind: Begin, At: at(20), Flow: masked(9)}}, "203.0.113.1:40002", 6, 0, "", "0 0 true"},
	} {
		address, err := netip.ParseAddrPort(test.sought)
		if err != nil {
			address = netip.AddrPortFrom(netip.MustParseAddr(test.sought), 0)
		}
		s := Search{Address: address, At: time.Unix(0, at(test.second)), Within: test.within}
		for i := range test.records {
			line := test.records[i].AppendJSON(nil)
			if !json.Valid(line) {
				t.Errorf("not JSON: %s", line)
			}
			s.Line(line)
		}
		got := ""
		for _, a := range s.Answers() {
			client := string(a.Line[strings.Index(string(a.Line), `"src":"192.168.0.`)+len(`"src":"192.168.0.`)])
			got += fmt.Sprint(a.As, " ", client, " ", a.Certain, ";")
		}
		lost, before, covered := s.Gaps()
		if gaps := fmt.Sprint(lost, before, covered); got != test.want || gaps != test.gaps || s.Malformed > 0 {
			t.Errorf("%s: %q with gaps %s, want %q with %s; %d malformed", test.name, got, gaps, test.want, test.gaps, s.Malformed)
		}
	}
}

// TestSyslog: the message has the parts of RFC 5424, whatever the host is called.
func TestSyslog(t *testing.T) {
	s := SyslogSender{Host: "gate way\n", PID: 12}
	got := string(s.AppendSyslog(nil, &Record{Kind: Lost, At: 1_500_000_000_123_456_789, Count: 3, Where: InBuffer}))
	const want = `<28>1 2017-07-14T02:40:00.123456Z gateway nattui 12 lost - {"event":"lost","at":"2017-07-14T02:40:00.123456789Z","count":3,"where":"buffer"}`
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// FuzzSearch: no line makes it panic.
func FuzzSearch(f *testing.F) {
	r := Record{Kind: End, At: 5, Flow: masked(7)}
	f.Add(r.AppendJSON(nil))
	f.Add([]byte(`{"event":"lost","at":"2026-11-29T04:00:00Z","count":3}`))
	f.Fuzz(func(_ *testing.T, line []byte) {
		s := Search{Address: netip.MustParseAddrPort("203.0.113.1:7"), At: time.Unix(9, 0)}
		s.Line(line)
		s.Line(line)
		s.Answers()
		s.Gaps()
	})
}
