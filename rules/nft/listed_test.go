package nft

import "testing"

// TestListedIsOfChains: a rule's text is found over several lines; what a set holds is none, whatever it looks like.
func TestListedIsOfChains(t *testing.T) {
	gw := &Table{Family: IPv4, Name: "gw"}
	pre := &Chain{Table: gw, Name: "pre", Rules: []*Rule{{Handle: 4}, {Handle: 5}}}
	gw.Chains = []*Chain{pre}
	s := &Ruleset{Tables: []*Table{gw}}
	listed := s.Listed("table ip gw { # handle 1\n\tset blocked { # handle 2\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1,\n\t\t\t     10.0.0.2 comment \"x\" # handle 4\n\t\t\t     }\n\t}\n\n" +
		"\tchain pre { # handle 3\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t\tip saddr { 10.0.0.1,\n\t\t\t   10.0.0.2 } accept # handle 4\n\t\ttcp dport 80 dnat to 10.0.0.3 # handle 5\n\t}\n}\n")
	for i, want := range []string{"ip saddr { 10.0.0.1, 10.0.0.2 } accept", "tcp dport 80 dnat to 10.0.0.3"} {
		if got := listed[pre.Rules[i]]; got != want {
			t.Errorf("rule %d: %q, want %q", i+1, got, want)
		}
	}
}
