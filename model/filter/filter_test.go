package filter

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"nattui/model/flow"
	"nattui/rules"
)

const querySecond = int64(time.Second)

// queryFlows are flows by a short name, for tests of the filter language.
func queryFlows() map[string]*flow.Flow {
	port := netip.MustParseAddrPort
	web := &flow.Flow{
		Orig: rules.MakeTuple(rules.TCP, port("203.0.113.10:55474"), port("203.0.113.1:80")), Reply: rules.MakeTuple(rules.TCP, port("192.168.0.2:8080"), port("203.0.113.10:55474")),
		State: flow.TCPEstablished, Status: flow.StatusDstNAT | flow.StatusAssured | flow.StatusSeenReply, Mark: 0x11, Rule: 3, ID: 1, Timeout: 100, Told: querySecond, First: querySecond,
	}
	web.SetCounts(0, 5000, 0, 0)
	web.SetRates(2e6, 0)
	out := &flow.Flow{
		Orig: rules.MakeTuple(rules.UDP, port("192.168.0.7:53211"), port("8.8.8.8:53")), Reply: rules.MakeTuple(rules.UDP, port("8.8.8.8:53"), port("203.0.113.1:53211")),
		Status: flow.StatusSrcNAT, Zone: 5, ID: 2, First: 50 * querySecond, Told: 50 * querySecond,
	}
	six := &flow.Flow{Orig: rules.MakeTuple(rules.TCP, port("[2001:db8::7]:4000"), port("[2001:db8::1]:443")), State: flow.TCPSynSent, ID: 3, First: 90 * querySecond}
	six.Reply = six.Orig.Mirror()
	ping := &flow.Flow{Orig: rules.MakeICMP(rules.ICMP, netip.MustParseAddr("192.168.0.7"), netip.MustParseAddr("1.1.1.1"), 80, 8, 0), ID: 4, First: 90 * querySecond}
	ping.Reply = ping.Orig.Mirror()
	return map[string]*flow.Flow{"web": web, "out": out, "six": six, "ping": ping}
}

func matching(t *testing.T, q string) string {
	t.Helper()
	query, err := Parse(q, nil)
	if err != nil {
		t.Fatalf("%q: %v", q, err)
	}
	var names []string
	for name, f := range queryFlows() {
		if query.Match(f, 100*querySecond) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestQuery(t *testing.T) {
	for q, want := range map[string]string{
		"":                         "out ping six web",
		"dst 192.168.0.0/24":       "web",
		"dst 192.168.0.2":          "web",
		"dst 203.0.113.1":          "web",
		"asked 192.168.0.2":        "",
		"server 192.168.0.2":       "web",
		"src 192.168.0.7":          "out ping",
		"src 203.0.113.1":          "out",
		"client 203.0.113.1":       "",
		"seen 203.0.113.1":         "out",
		"orig src 192.168.0.7":     "out ping",
		"reply dst 203.0.113.1":    "out",
		"reply sport 8080":         "web",
		"dport 80":                 "web",
		"dport 80,53":              "out web",
		"dport 50-60":              "out",
		"dport>=443":               "six web",
		"port 53211":               "out",
		"dport != 80":              "out ping six",
		"host 2001:db8::/32":       "six",
		"dst 8.8.8.0-8.8.8.9":      "out",
		"src 1.2.3.4,192.168.0.7":  "out ping",
		"nat dnat":                 "web",
		"nat snat":                 "out",
		"nat any":                  "out web",
		"nat none":                 "ping six",
		"nat both":                 "",
		"proto udp":                "out",
		"proto=tcp,icmp":           "ping six web",
		"state established":        "web",
		"state est":                "web",
		"state syn":                "six",
		"state SYN-SENT":           "six",
		"state assured":            "web",
		"state unreplied":          "out ping six",
		"family ipv6":              "six",
		"rate>1M":                  "web",
		"rate > 1M":                "web",
		"rate>3M":                  "",
		"rate<3M":                  "web",
		"bytes>=5k":                "web",
		"age>1m":                   "web",
		"age<=50s":                 "out ping six",
		"timeout 1s":               "web",
		"zone 5":                   "out",
		"mark 0x10/0xf0":           "web",
		"mark 17":                  "web",
		"mark!=0":                  "web",
		"id 3":                     "six",
		"rule 3":                   "web",
		"rule none":                "out ping six",
		"not nat any":              "ping six",
		"!nat any":                 "ping six",
		"not src 192.168.0.7":      "six web",
		"nat dnat or nat snat":     "out web",
		"(nat dnat or zone 5) udp": "out",
		"not (tcp or udp)":         "ping",
		"tcp and dport 80":         "web",
		"udp":                      "out",
		"8.8.8":                    "out",
		"192.168.0.7":              "out ping",
		"192.168.0":                "out ping web",
		"8080":                     "web",
		"established":              "web",
		`"203.0.113.1:80 192"`:     "web",
		"dst 192.168.0.0/24 dport 80 nat dnat state established rate>1M not src 10.0.0.5 rule 3": "web",
	} {
		if got := matching(t, q); got != want {
			t.Errorf("%q matches %q, not %q", q, got, want)
		}
	}
}

func TestQueryErrorsPointAtTheWord(t *testing.T) {
	for q, want := range map[string]string{
		"dst":                  "dst: needs an address",
		"nat dnat dst 1.2.3.x": "1.2.3.x: is not an address",
		"dst 1.2.3.4:99999":    `1.2.3.4:99999: "99999" is not a port: ports go from 1 to 65535`,
		"dst 1.2.3.4/33":       "1.2.3.4/33: is not an address",
		"dport htpt":           "htpt: is not a port",
		"dport 80-70":          "80-70: goes backwards; use 70-80",
		"dport 70000":          "70000: is not a port: ports go up to 65535",
		"dport 80:x":           "80:x: is not a port; use a port",
		"bytes>":               "bytes needs a number of bytes, such as 10M",
		"dport":                "dport: needs a port",
		"stale":                "stale: is not a property, and no connection contains it; perhaps rule stale?",
		"dport<80,90":          "80,90: < needs one port",
		"nat xnat":             "xnat: is not a kind of NAT; use dnat",
		"state foo":            "foo: is not a state",
		"rate>fast":            "fast: is not a number; use a number of bytes per second",
		"rate=>1":              "=>: is not a comparison",
		"nat>dnat":             ">: nat can only be compared with = and !=",
		"foo>3":                "foo: is not a property",
		"orig foo 3":           "foo: after orig comes src",
		"reply":                "reply: after reply comes src",
		"(nat dnat":            "(: the parenthesis is not closed",
		"nat dnat )":           "): there is no open parenthesis here",
		"nat dnat or":          "a condition is missing here",
		"nat dnat and":         "and: a condition is missing after it, such as dst 192.168.0.2 or nat dnat",
		"and nat dnat":         "and: a condition is missing before it",
		`nat dnat "web`:        `"web: the quotation mark is not closed`,
		`dst '1.2.3.4 dport 8`: "'1.2.3.4 dport 8: the quotation mark is not closed",
		"mark 0x10/z":          "0x10/z: is not a mark",
		"> 5":                  ">: a comparison needs a property",
		"family 5":             "5: is not a family",
		"rule x":               "x: is not a rule",
		"proto foo":            "foo: is not a protocol",
	} {
		_, err := Parse(q, nil)
		var problem *Error
		if !errors.As(err, &problem) {
			t.Errorf("%q: error %v", q, err)
			continue
		}
		if !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %q, not %q", q, err, want)
		}
		if problem.Word != q[problem.Pos:problem.End] {
			t.Errorf("%q: the error is at %d to %d, which is %q", q, problem.Pos, problem.End, q[problem.Pos:problem.End])
		}
	}
}

func TestQueryThatEndsTooEarly(t *testing.T) {
	for q, want := range map[string]bool{
		"dst": true, "nat dnat or": true, "(nat dnat": true, "orig ": true, "rate>": true, "not": true, "dport 80 and": true, "dport 80 &&": true, "(dport 80 and": true, `dport "80`: true, "src 'web": true, "and": false, "and dport 80": false, "dport 80 and or nat dnat": false, "dport 80 and and nat dnat": false, "(dport 80 and) nat dnat": false,
		"dst x": false, "sate ": false, ")": false,
	} {
		_, err := Parse(q, nil)
		var problem *Error
		if !errors.As(err, &problem) || problem.Open != want {
			t.Errorf("%q: %+v", q, err)
		}
	}
}

// A line that is still being typed is taken as far as it is finished; what is wrong in it is wrong all the same.
func TestQueryAsItIsTyped(t *testing.T) {
	for line, as := range map[string]string{"nat dnat and": "nat dnat", "nat dnat && ": "nat dnat", "(nat dnat or nat snat) and": "nat dnat or nat snat", `"203.0.113.1:80 192`: `"203.0.113.1:80 192"`, `"no such text`: `"no such text"`, "nat dnat": "nat dnat"} {
		q, err := ParseTyped(line, nil)
		whole, wrong := Parse(as, nil)
		if err != nil || wrong != nil {
			t.Errorf("%q: %v, %v", line, err, wrong)
			continue
		}
		for name, f := range queryFlows() {
			if q.Match(f, 0) != whole.Match(f, 0) {
				t.Errorf("%q is not %q: %s", line, as, name)
			}
		}
	}
	for _, line := range []string{"and", "nat dnat and or", "sate ", "dport eighty and", "nat dnat or"} {
		if _, err := ParseTyped(line, nil); err == nil {
			t.Errorf("%q is taken", line)
		}
	}
}

// TestQueryNotOfWhatIsNotKnown: what is not known of a flow is neither so nor not so: nobody forgets it by "not".
func TestQueryNotOfWhatIsNotKnown(t *testing.T) {
	for q, want := range map[string]string{
		"bytes unknown": "out ping six", "not bytes unknown": "web", "bytes != unknown": "web", "not bytes != unknown": "out ping six", "not not bytes unknown": "out ping six", "not bytes>1M": "web", "not bytes<1M": "", "not (bytes<1M or proto icmp)": "", "not (bytes>1M proto tcp)": "out ping web", "not not bytes<1M": "web",
		"not rate<1": "web", "not (proto tcp or proto udp)": "ping", "not (proto tcp state established)": "out ping six", "not bytes!=5000": "web", "not udp": "ping six web",
	} {
		if got := matching(t, q); got != want {
			t.Errorf("%q: %s, want %s", q, got, want)
		}
	}
	flows := queryFlows()
	finder := func(string) (func(*flow.Flow) (bool, bool), error) {
		return func(f *flow.Flow) (bool, bool) { return f.ID == 1, f.ID < 3 }, nil
	}
	for _, line := range []string{"not rule 1", "rule != 1"} {
		q, err := Parse(line, finder)
		if err != nil || q.Match(flows["web"], 0) || !q.Match(flows["out"], 0) || q.Match(flows["six"], 0) {
			t.Errorf("%s: %v, %v, %v, %v", line, err, q.Match(flows["web"], 0), q.Match(flows["out"], 0), q.Match(flows["six"], 0))
		}
	}
}

func TestQueryRuleFinder(t *testing.T) {
	finder := func(ref string) (func(*flow.Flow) (bool, bool), error) {
		if ref != "POSTROUTING/1" {
			return nil, fmt.Errorf("is not a rule; use POSTROUTING/1")
		}
		return func(f *flow.Flow) (bool, bool) { return f.Rule == 3, f.Rule != 0 }, nil
	}
	q, err := Parse("rule POSTROUTING/1", finder)
	if err != nil || !q.Match(queryFlows()["web"], 0) || q.Match(queryFlows()["out"], 0) {
		t.Errorf("the rule is not found, %v", err)
	}
	var asked []string
	note := func(ref string) (func(*flow.Flow) (bool, bool), error) {
		asked = append(asked, ref)
		return func(*flow.Flow) (bool, bool) { return true, true }, nil
	}
	for _, line := range []string{"rule ipv6 PREROUTING 1", "rule ipv6 PREROUTING 1 client 192.168.0.7", "rule PREROUTING 1", "rule ipv6/PREROUTING/1", "rule PREROUTING proto tcp"} {
		if _, err := Parse(line, note); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
	if want := []string{"ipv6/PREROUTING/1", "ipv6/PREROUTING/1", "PREROUTING/1", "ipv6/PREROUTING/1", "PREROUTING"}; !slices.Equal(asked, want) {
		t.Errorf("looked for %q, not %q", asked, want)
	}
	if _, err = Parse("rule 9", finder); err == nil || err.Error() != "9: is not a rule; use POSTROUTING/1" {
		t.Errorf("error %v", err)
	}
}

func TestComplete(t *testing.T) {
	for line, want := range map[string]string{
		"":               "src dst dport sport nat state proto rule rate bytes packets pps age timeout host port client asked server seen orig reply family mark zone id event not or",
		"s":              "src sport state server seen",
		"nat ":           "dnat redirect snat masquerade both none any",
		"nat d":          "dnat",
		"nat=d":          "dnat",
		"nat dnat st":    "state",
		"state est":      "established",
		"orig ":          "src dst sport dport",
		"reply sp":       "sport",
		"not fam":        "family",
		"dst ":           "192.168.0.2",
		"dst 192":        "192.168.0.2",
		"(nat dnat or r": "rule rate reply",
		`"r`:             "",
		"ev":             "event",
		"event ":         "new update destroy",
		"not ip":         "",
		"saddr":          "",
		"daddr 19":       "192.168.0.2",
		"nat not d":      "dnat",
	} {
		var got []string
		for _, c := range Complete(line, len(line), func(key string) []string {
			if key == "dst" {
				return []string{"192.168.0.2"}
			}
			return nil
		}) {
			got = append(got, c.Text)
			if c.Hint == "" || !strings.HasPrefix(c.Text, line[c.From:c.To]) {
				t.Errorf("%q: %+v", line, c)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q is completed with %q, not %q", line, got, want)
		}
	}
}

func TestUnfinished(t *testing.T) {
	for line, want := range map[string]string{
		"": "", "sta": "", "nat dnat sta": "nat dnat ", "nat dnat web": "nat dnat web", "state est": "state est", "state": "state", "dst 10 ": "dst 10 ",
		"(no": "(", `"sta`: `"sta`, "orig s": "orig s", "rate>1M r": "rate>1M ", "o": "",
	} {
		if got := line[:Unfinished(line)]; got != want {
			t.Errorf("of %q %q is finished, not %q", line, got, want)
		}
	}
}

// TestEveryKeyIsOffered holds the completion against the language.
func TestEveryKeyIsOffered(t *testing.T) {
	for key := range queryKeys {
		if !strings.Contains(key, " ") && !slices.ContainsFunc(queryOrder, func(o struct{ name, hint string }) bool { return o.name == key }) {
			t.Errorf("%s is never offered", key)
		}
	}
	for _, key := range orderedKeys {
		if !queryKeys[key].ordered {
			t.Errorf("%s is said to have an order", key)
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, q := range []string{
		"dst 192.168.0.0/24 dport 80 nat dnat state established rate>1M not src 10.0.0.5 rule 3", "(a or b) not (c)", `"x y" zone!=3`, "orig src ::1 or reply dst 1.1.1.1-2.2.2.2",
		"mark 1/2 age<1h30m", "((((", "not not not x", "=", `"`, "dst [::1]", "proto 1,2,tcp", "rate>1e400", "src ,",
	} {
		f.Add(q)
	}
	flows := queryFlows()
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text, nil)
		var problem *Error
		if err != nil && (!errors.As(err, &problem) || problem.Pos < 0 || problem.End > len(text) || problem.Pos > problem.End) {
			t.Fatalf("%q: %#v", text, err)
		}
		for _, flow := range flows {
			q.Match(flow, 100*querySecond)
		}
		for cursor := 0; cursor <= min(len(text), 100); cursor++ {
			for _, c := range Complete(text, cursor, nil) {
				if c.From < 0 || c.To != cursor || c.From > c.To {
					t.Fatalf("%q at %d: %+v", text, cursor, c)
				}
			}
		}
	})
}

// TestQueryAsPeopleWriteIt has what people bring along from other tools and from everyday language.
func TestQueryAsPeopleWriteIt(t *testing.T) {
	for q, want := range map[string]string{
		// properties by the names that other tools give them, and with a colon
		"saddr 192.168.0.7":   "out ping",
		"daddr 203.0.113.1":   "web",
		"source 192.168.0.7":  "out ping",
		"ip 8.8.8.8":          "out",
		"addr 2001:db8::/32":  "six",
		"status assured":      "web",
		"protocol udp":        "out",
		"dst:192.168.0.2":     "web",
		"dst:2001:db8::1":     "six",
		"nat:dnat proto: tcp": "web",
		"orig src:8.8.8.8":    "",
		// addresses with a port, with a star, mapped ones
		"dst 192.168.0.2:8080":                 "web",
		"dst 192.168.0.2:80":                   "",
		"dst 203.0.113.1:80,[2001:db8::1]:443": "six web",
		"src 192.168.0.*":                      "out ping",
		"src 192.168.*.*":                      "out ping",
		"src 192.168.":                         "out ping",
		"dst ::ffff:8.8.8.8":                   "out",
		"dst != 203.0.113.1:80":                "out ping six",
		// ports by service, and ranges as iptables writes them
		"dport http":             "web",
		"dport https,domain":     "out six",
		"dport 50:60":            "out",
		"dport:50:60":            "out",
		"dport 80, 53":           "out web",
		"dport 80 ,53":           "out web",
		"dport 80 , 53 nat dnat": "web",
		// not, wherever one puts it
		"dport !80":             "out ping six",
		"dport not 80":          "out ping six",
		"dst not 203.0.113.1":   "out ping six",
		"nat ! dnat":            "out ping six",
		"not (nat any or ping)": "six",
		"tcp & dport 80":        "web",
		// sizes and times with the units that they are shown with
		"rate>1MB":                       "web",
		"rate>1MB/s":                     "web",
		"rate>15Mbit":                    "web",
		"rate>17Mbit/s":                  "",
		"rate>1 M":                       "web",
		"rate > 3 MB":                    "",
		"bytes>4.8KiB":                   "web",
		"bytes>4.9KiB":                   "",
		"bytes 4k-6kB":                   "web",
		"bytes 5001-6k":                  "",
		"age 5s-15s":                     "ping six",
		"age 10s":                        "ping six",
		"age=10":                         "ping six",
		"age>1min":                       "web",
		"age>1 min":                      "web",
		"age>1m30s":                      "web",
		"age<0.5hours":                   "out ping six web",
		"age>1d":                         "",
		"timeout>0s timeout < 2 minutes": "web",
		// states as the list shows them, several at once
		"state estab":                   "web",
		"state syn-sent":                "six",
		"state synsent":                 "six",
		"state established,syn_sent":    "six web",
		"state != established,syn_sent": "out ping",
		"assured":                       "web",
		"unreplied":                     "out ping six",
		"not replied":                   "out ping six",
		"ipv6":                          "six",
		"nat dnat,snat":                 "out web",
		"'udp 192'":                     "out",
	} {
		if got := matching(t, q); got != want {
			t.Errorf("%q matches %q, not %q", q, got, want)
		}
	}
}

// TestQueryWordsThatNoFlowHas: a property that is spelt wrongly is not taken for text that is found nowhere.
func TestQueryWordsThatNoFlowHas(t *testing.T) {
	for q, want := range map[string]string{
		"sate established": "sate: is not a property, and no connection contains it; perhaps state?",
		"nat dnat clint":   "clint: is not a property, and no connection contains it; perhaps client?",
		"example.com":      "example.com: is not a property, and no connection contains it",
		"helper ftp":       "helper: is shown in a connection's details only",
		"in wan0":          "in: is not known: the kernel keeps no interfaces",
		"dst 192.168.0":    "192.168.0: is not an address; for all that begin with it, use 192.168.0.0/24",
		"dst 192.168":      "192.168: is not an address; for all that begin with it, use 192.168.0.0/16",
		"dst 300.1.1.1":    "300.1.1.1: is not an address; use an address",
		"rate>1Mbyte/h":    "1Mbyte/h: is not a number",
		"packets>10Mbit":   "10Mbit: is not a number",
		"event new":        "",
		"bytes>1k-2k":      "1k-2k: > needs one number",
		"\x1b[31m":         "\x1b[31m: is not a property",
	} {
		_, err := Parse(q, nil)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", q, err)
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%q: %v, not %s", q, err, want)
		}
	}
	for _, q := range []string{"tcp", "192.168", ":443", "2001:db8", "estab", "SYN", "dnat", "8.8.8.8:53", `"example.com"`, "t", "[2001", "cafe"} {
		if _, err := Parse(q, nil); err != nil {
			t.Errorf("%q could be in a flow's line: %v", q, err)
		}
	}
}

func TestQueryOfEvents(t *testing.T) {
	f := queryFlows()["web"]
	for q, want := range map[string]string{
		"event new": "new", "event destroy": "destroy", "event ended": "destroy", "event new,update": "new update", "not event update": "new destroy",
		"event != new": "update destroy", "event new dport 53": "", "event destroy or dport 53": "destroy", "nat dnat": "new update destroy",
	} {
		query, err := Parse(q, nil)
		if err != nil {
			t.Errorf("%q: %v", q, err)
			continue
		}
		var got []string
		for _, kind := range []flow.MessageKind{flow.EventNew, flow.EventUpdate, flow.EventDestroy} {
			if query.MatchEvent(kind, f, 0) {
				got = append(got, kind.String())
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q passes %q, not %q", q, got, want)
		}
		var problem *Error
		if wrong := query.OfFlows(); strings.Contains(q, "event") != (wrong != nil) || wrong != nil && (!errors.As(wrong, &problem) || q[problem.Pos:problem.End] != "event") {
			t.Errorf("%q for flows: %v", q, wrong)
		}
	}
	if _, err := Parse("event gone", nil); err == nil || err.Error() != "gone: is not an event; use new, update or destroy" {
		t.Errorf("error %v", err)
	}
}

// TestQueryRuleAsShown: groups and details write a rule as its chain and its number.
func TestQueryRuleAsShown(t *testing.T) {
	var asked []string
	finder := func(ref string) (func(*flow.Flow) (bool, bool), error) {
		asked = append(asked, ref)
		return func(*flow.Flow) (bool, bool) { return true, true }, nil
	}
	for q, want := range map[string]string{"rule PREROUTING 3": "PREROUTING/3", "rule 3 80": "3", "rule stale 80": "stale", "rule POSTROUTING dport 80": "POSTROUTING"} {
		asked = nil
		if _, err := Parse(q, finder); err != nil || strings.Join(asked, " ") != want {
			t.Errorf("%q asks for %q, %v", q, asked, err)
		}
	}
}

// TestGroupsAreFoundByTheirFilter holds groups against the flows that their own filter lines find.
func TestGroupsAreFoundByTheirFilter(t *testing.T) {
	const now = 3 * querySecond
	var b flow.Batch
	b.Reset(2 * querySecond)
	table := flow.NewFlows()
	for _, f := range queryFlows() {
		*b.Next() = flow.Message{Kind: flow.EventNew, Has: flow.HasStatus | flow.HasState | flow.HasTimeout, Flow: *f}
	}
	table.Apply(&b)
	for by := flow.GroupByClient; by <= flow.GroupByPort; by++ {
		groups, _, err := table.Groups(t.Context(), nil, by, flow.GroupsByBytes, -1, now)
		if err != nil || len(groups) == 0 {
			t.Fatalf("%v: %v, %v", by, groups, err)
		}
		for _, g := range groups {
			q, err := Parse(g.Key.FilterLine(nil), nil)
			if err != nil {
				t.Errorf("%v: %v", g.Key.String(), err)
				continue
			}
			sel, err := flow.NewSelector(table).Select(t.Context(), q.Condition(), flow.Sort{}, flow.Window{Limit: 0}, now)
			if err != nil || sel.Total != g.Flows || sel.Bytes != g.Bytes {
				t.Errorf("%q finds %d flows of %d in %v, %v", q, sel.Total, g.Flows, g.Key.String(), err)
			}
		}
	}
}
