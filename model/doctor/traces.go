package doctor

import (
	"fmt"
	"strings"

	"nattui/rules"
)

// checkTraces tells, in one note, of forwards over TCP whose rules have met packets of which no connection is left. They
// may have ended minutes ago; those that the server resets are forgotten at once (nf_conntrack_tcp_packet in
// net/netfilter/nf_conntrack_proto_tcp.c), so that a server which refuses everybody leaves no other trace.
func checkTraces(x *Examination) []Finding {
	if x.Flows == nil {
		return nil
	}
	var names []string
	for i := range x.forwards {
		f := &x.forwards[i]
		if c := f.rule.Counters; f.Owner == "" && !f.local && f.Proto == rules.TCP && c.Known && c.Packets > 0 && x.stats.of(f.Rule).flows == 0 && x.verdicts[f.Name()] == SeverityOK {
			names = append(names, fmt.Sprintf("%s: %s, no connection", f.Name(), f.ruleCount()))
		}
	}
	if len(names) == 0 {
		return nil
	}
	first, _, _ := strings.Cut(names[0], ":")
	return []Finding{{
		Check: "no-trace", Severity: SeverityNote, Subject: "forwards", Evidence: capped(names, alike),
		Sentence: fmt.Sprintf("Packets came to %s of which no connection is left: they ended some minutes ago, or the server refuses them, which leaves no trace here. A test of the server tells (p on a forward in Doctor, nattui doctor --probe %s).", rules.Plural(len(names), "forward"), first),
	}}
}

// capped are the first of a list, and how many more there are.
func capped(list []string, n int) []string {
	if len(list) <= n {
		return list
	}
	return append(list[:n:n], fmt.Sprintf("and %d more", len(list)-n))
}
