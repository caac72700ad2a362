package paste

import (
	"fmt"
	"strings"
	"testing"

	"nattui/rules"
)

// TestExplainedBesideTheTables explains lines beside tables that are read: nothing is made up of what they have.
func TestExplainedBesideTheTables(t *testing.T) {
	for _, c := range []struct{ line, said string }{
		{"iptables -N FOO", ""},
		{"iptables -D FORWARD 3", "error: FORWARD has no rule 3"},
		{"iptables -R FORWARD 1 -j DROP", "error: FORWARD has no rule 1"},
		{"iptables -A FORWARD -j FOO", "note: table filter has no chain FOO now"},
		{"iptables -A FOO -j DROP", "note: table filter has no chain FOO now"},
		{"iptables -X BAR", "error: "},
	} {
		for _, read := range []bool{true, false} {
			g := Ground{AnyChain: true, AcceptDoubts: true, Sets: map[rules.Variant]*rules.Ruleset{}}
			if read {
				g.Sets[rules.Variant{}] = &rules.Ruleset{}
			}
			im := Read(c.line, g)
			said := ""
			for _, r := range im.Remarks {
				if said += fmt.Sprintln(r); !read && r.Level > Note {
					t.Errorf("%s: said of tables that are not known: %s", c.line, r)
				}
			}
			if read && (!strings.Contains(said, c.said) || c.said == "" && said != "") {
				t.Errorf("%s: said %q, not %q", c.line, said, c.said)
			}
		}
	}
}
