package doctor

import (
	"slices"
	"strings"
	"testing"

	"nattui/model/flow"
	"nattui/rules"
)

// TestForeignSourceThatIsAnswered holds that an address which is none of this host's is no fault where answers to it have come
// here, and is one where none has.
func TestForeignSourceThatIsAnswered(t *testing.T) {
	for status, severity := range map[flow.Status]Severity{0: SeverityError, flow.StatusSeenReply | flow.StatusAssured: SeverityNote} {
		g := gatewayOf(t, map[rules.Variant]string{nft4: natTable("-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j SNAT --to-source 203.0.113.77")})
		state := flow.TCPSynSent
		if status != 0 {
			state = flow.TCPTimeWait
		}
		g.give(flowOf(tuple(rules.TCP, "192.168.0.2:4000", "203.0.113.10:90"), tuple(rules.TCP, "203.0.113.10:90", "203.0.113.77:4000"), status|flow.StatusSrcNAT, state))
		found := Examine(g)
		i := slices.IndexFunc(found, func(f Finding) bool { return f.Check == "snat-foreign-address" })
		if i < 0 || found[i].Severity != severity || len(found[i].Cure.Steps) > 0 != (severity == SeverityError) || strings.Contains(found[i].Sentence, "nobody brings") != (severity == SeverityError) {
			t.Errorf("%v: %v", status, found)
		}
	}
}
