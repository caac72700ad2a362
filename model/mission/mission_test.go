package mission_test

import (
	"net/netip"
	"strings"
	"testing"

	"nattui/model/mission"
	"nattui/rules"
)

// Machines are called by the names that the map has.
func TestResolveNamesOfTheMap(t *testing.T) {
	hosts := []mission.Host{{Name: "client", Addresses: []mission.Address{{Addr: netip.MustParseAddr("203.0.113.10")}, {Addr: netip.MustParseAddr("2001:db8:1::10")}}}}
	for text, want := range map[string]string{
		"tcp client:80": "tcp 203.0.113.10:80", "ping client": "ping 203.0.113.10", "client:53": "203.0.113.10:53",
		"tcp nobody:80": "tcp nobody:80", "tcp 192.168.0.2:80": "tcp 192.168.0.2:80", "": "",
	} {
		if got := mission.Resolve(text, hosts, rules.IPv4); got != want {
			t.Errorf("%q becomes %q, not %q", text, got, want)
		}
	}
	if got := mission.Resolve("udp client:53", hosts, rules.IPv6); got != "udp [2001:db8:1::10]:53" {
		t.Errorf("it becomes %q", got)
	}
}

func TestParseRequest(t *testing.T) {
	for _, c := range []struct{ text, want, err string }{
		{text: "tcp 203.0.113.1:80", want: "tcp 203.0.113.1:80"},
		{text: " 203.0.113.1:80 ", want: "tcp 203.0.113.1:80"},
		{text: "UDP [2001:db8::1]:53", want: "udp [2001:db8::1]:53"},
		{text: "ping 192.168.0.2", want: "ping 192.168.0.2"},
		{text: "icmp [2001:db8::1]", want: "ping 2001:db8::1"},
		{text: "ping 192.168.0.2:80", err: "without a port"},
		{text: "tcp 203.0.113.1", err: "the port is missing: 203.0.113.1:80"},
		{text: "tcp 2001:db8::1", err: "the port is missing: [2001:db8::1]:80"},
		{text: "tcp 203.0.113.1:0", err: `"0" is not a port`},
		{text: "tcp 203.0.113.1:80foo", err: `"80foo" is not a port: ports go from 1 to 65535`},
		{text: "tcp [2001:db8::1]:99999", err: `"99999" is not a port`},
		{text: "tcp example.net:80", err: `"example.net" is not an address`},
		{text: "tcp 203.0.113.300:80", err: `"203.0.113.300" is not an address`},
		{text: "ping example.net", err: `"example.net" is not an address`},
		{text: "ping 203.0.113.1:http", err: `ping takes an address without a port`},
		{text: "sctp 203.0.113.1:80", err: `"sctp" is none of tcp, udp and ping`},
		{text: "", err: "write tcp, udp or ping"},
		{text: "tcp", err: "where to is missing, such as  tcp 203.0.113.1:80"},
		{text: "ping", err: "where to is missing, such as  ping 203.0.113.1"},
		{text: "tcp 203.0.113.1:80 foo", err: `"foo" is more than where to`},
	} {
		r, err := mission.ParseRequest("client", c.text)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: %v, want %q", c.text, err, c.err)
			}
		case err != nil || r.String() != c.want || r.From != "client":
			t.Errorf("%q: %q, %v", c.text, r, err)
		default:
			if again, err := mission.ParseRequest("client", r.String()); err != nil || again != r {
				t.Errorf("%q does not come back: %+v, %v", r, again, err)
			}
		}
	}
}

func TestReplySentence(t *testing.T) {
	at := netip.MustParseAddrPort
	r := mission.Reply{Request: mission.Request{From: "client", Proto: rules.TCP, To: at("203.0.113.1:80")}}
	for _, c := range []struct {
		change               func(*mission.Reply)
		sentence, translated string
	}{
		{func(r *mission.Reply) { r.Outcome, r.Why = mission.Refused, "a rule rejects it" }, "refused: a rule rejects it", ""},
		{func(r *mission.Reply) { r.Outcome, r.Why = mission.Silent, "nothing came" }, "no answer: nothing came", ""},
		{func(r *mission.Reply) { r.Why = "no host" }, "not sent: no host", ""},
		{func(r *mission.Reply) { r.Outcome, r.Said = mission.Answered, "SSH-2.0" }, "something answered: SSH-2.0", ""},
		{
			func(r *mission.Reply) {
				r.Outcome, r.Server, r.At, r.Peer, r.Own = mission.Answered, "server2", at("192.168.0.2:8080"), at("203.0.113.10:4"), at("203.0.113.10:4")
			},
			"server2 answered at 192.168.0.2:8080 and saw 203.0.113.10:4", "destination 203.0.113.1:80 became 192.168.0.2:8080",
		},
		{
			func(r *mission.Reply) {
				r.Outcome, r.Server, r.At, r.Peer, r.Own = mission.Answered, "gateway", r.To, at("203.0.113.10:5"), at("203.0.113.10:4")
			},
			"gateway answered at 203.0.113.1:80 and saw 203.0.113.10:5", "source port 4 became 5",
		},
		{
			func(r *mission.Reply) {
				r.Outcome, r.Server, r.At, r.Peer, r.Own = mission.Answered, "gateway", r.To, at("192.168.0.1:4"), at("203.0.113.10:4")
			},
			"gateway answered at 203.0.113.1:80 and saw 192.168.0.1:4", "source 203.0.113.10:4 became 192.168.0.1:4",
		},
	} {
		x := r
		c.change(&x)
		if x.Sentence() != c.sentence || x.Translated() != c.translated {
			t.Errorf("%q and %q, want %q and %q", x.Sentence(), x.Translated(), c.sentence, c.translated)
		}
	}
}

// A mission has what somebody needs who has only read an article: a goal, hints that lead to a command, an explanation.
func TestMissionsAreWhole(t *testing.T) {
	all := mission.Missions()
	if len(all) != 8 {
		t.Errorf("%d missions", len(all))
	}
	for i, m := range all {
		if m.Goal == "" || m.Title == "" || m.Lesson == "" || len(m.Hints) < 2 || !strings.Contains(m.Hints[len(m.Hints)-1], "nattui ") {
			t.Errorf("mission %s lacks something: %+v", m.Name, m)
		}
		if next, ok := mission.After(m.Name); ok != (i < len(all)-1) || ok && next.Name != all[i+1].Name {
			t.Errorf("after %s comes %q, %v", m.Name, next.Name, ok)
		}
	}
	if _, err := mission.Named("nothing"); err == nil || !strings.Contains(err.Error(), "share") {
		t.Errorf("a mission that there is not: %v", err)
	}
}

func TestReached(t *testing.T) {
	none, some, all := mission.Progress{}, mission.Progress{Steps: []mission.Step{{OK: true}, {}}}, mission.Progress{Steps: []mission.Step{{OK: true}}}
	if none.Reached() || some.Reached() || !all.Reached() {
		t.Errorf("reached: %v %v %v", none.Reached(), some.Reached(), all.Reached())
	}
}
