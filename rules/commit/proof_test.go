package commit_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"nattui/rules/commit"
)

// TestProof: only a login proves something whose connection certainly began after the change, from where an operator is,
// and each operator has to prove it.
func TestProof(t *testing.T) {
	const made = 100 * time.Second
	a, b, loop := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("127.0.0.1")
	login := func(from netip.Addr, began time.Duration) commit.Arrival {
		return commit.Arrival{From: from, Began: began, User: "alice"}
	}
	for name, c := range map[string]struct {
		operators []netip.Addr
		arrivals  []commit.Arrival
		lacking   string
		missing   []netip.Addr
	}{
		"a new login":                         {[]netip.Addr{a}, []commit.Arrival{login(a, made+1)}, "", nil},
		"one from before":                     {[]netip.Addr{a}, []commit.Arrival{login(a, made)}, "nobody has logged in", []netip.Addr{a}},
		"a session in a connection of before": {[]netip.Addr{a}, []commit.Arrival{login(a, made-1), {From: a, Entered: made + 1, User: "alice"}}, "older than the change or has ended", []netip.Addr{a}},
		"a password typed into one":           {[]netip.Addr{a}, []commit.Arrival{{From: a, Began: made - 1, Entered: made + 1, User: "alice"}}, "older than the change", []netip.Addr{a}},
		"a connection alone":                  {[]netip.Addr{a}, []commit.Arrival{{From: a, Began: made + 1}}, "nobody logged in over it", []netip.Addr{a}},
		"from elsewhere":                      {[]netip.Addr{a}, []commit.Arrival{login(b, made+1)}, "made from elsewhere", []netip.Addr{a}},
		"from this host":                      {[]netip.Addr{loop}, []commit.Arrival{{From: loop, Began: made + 1, User: "alice", Here: true}}, "this host itself", []netip.Addr{loop}},
		"one of two":                          {[]netip.Addr{a, b}, []commit.Arrival{login(b, made+1)}, "not proven for the operator from 192.0.2.1: nobody", []netip.Addr{a}},
		"both of two":                         {[]netip.Addr{a, b}, []commit.Arrival{login(b, made+2), login(a, made+1)}, "", nil},
		"nobody came by the network":          {nil, nil, "", nil},
	} {
		e := commit.MadeAt(made, c.operators)
		p := e.Proof(commit.KernelClock(), c.arrivals)
		if p.Lacking == "" != (c.lacking == "") || !strings.Contains(p.Lacking, c.lacking) {
			t.Errorf("%s: lacking %q; want %q", name, p.Lacking, c.lacking)
		}
		if len(p.Missing) != len(c.missing) || len(c.missing) > 0 && p.Missing[0] != c.missing[0] {
			t.Errorf("%s: missing %v; want %v", name, p.Missing, c.missing)
		}
		if proven := p.Login.User != ""; proven != (c.lacking == "" && len(c.operators) > 0) {
			t.Errorf("%s: by %+v", name, p.Login)
		}
	}
}

// TestProofOfOthers: a login over a tunnel that is older than a change proves nothing of the tunnel, and other ways in are not
// forgotten over it.
func TestProofOfOthers(t *testing.T) {
	const made = 100 * time.Second
	from := netip.MustParseAddr("10.9.0.2")
	e := commit.MadeAt(made, []netip.Addr{from}, "VPN server openvpn on UDP port 5555")
	if p := e.Proof(commit.KernelClock(), nil); len(p.Missing) != 1 || len(p.Unproven) != 0 {
		t.Errorf("before a login: %+v", p)
	}
	p := e.Proof(commit.KernelClock(), []commit.Arrival{{From: from, Began: made + 1, User: "alice"}})
	if len(p.Missing) != 0 || len(p.Unproven) != 1 || !strings.Contains(p.Lacking, "the VPN server openvpn on UDP port 5555") {
		t.Errorf("after a login: %+v", p)
	}
}
