package doctor

import (
	"slices"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/rules"
)

// TestInterfaceOfMaster: a rule that names a port of a bridge, or a part of a bond, is told what packets come by; one that
// names the bridge itself is sound.
func TestInterfaceOfMaster(t *testing.T) {
	for _, c := range []struct {
		name, rule, kind string
		ports            int
		cure             string
	}{
		{"redirect of a port", "-A PREROUTING -i port1 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128", "bridge", 1, "-i brl"},
		{"forward of a port", "-A PREROUTING -i port1 -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2", "bridge", 1, "-i brl"},
		{"one port of several", "-A PREROUTING -i port1 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128", "bridge", 2, ""},
		{"ports by a pattern", "-A PREROUTING -i port+ -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128", "bridge", 2, ""},
		{"part of a bond", "-A PREROUTING -i port1 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128", "bond", 2, "-i brl"},
		{"what leaves by a port", "-A POSTROUTING -o port1 -j MASQUERADE", "bridge", 2, "-o brl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			look := func(rule string) ([]Finding, int) {
				g := gatewayOf(t, map[rules.Variant]string{nft4: natTable(rule)})
				g.addLink(facts.Link{Name: "brl", Kind: c.kind, Up: true, Running: true, MTU: 1500}, "10.61.0.1/24")
				for _, port := range []string{"port1", "port2"}[:c.ports] {
					g.Facts.Links = append(g.Facts.Links, facts.Link{Name: port, Kind: "veth", Up: true, Running: true, Master: "brl"})
				}
				found := Examine(g)
				return found, slices.IndexFunc(found, func(f Finding) bool { return f.Check == "wrong-interface" })
			}
			found, i := look(c.rule)
			if i < 0 || found[i].Severity != SeverityError || !strings.Contains(found[i].Sentence, "by brl") {
				t.Fatalf("%v", found)
			}
			if lines := commandLines(found[i]); (c.cure == "") != (lines == "") || !strings.Contains(lines, c.cure) {
				t.Errorf("the cure is %q: %s", lines, found[i].Sentence)
			}
			for _, f := range found {
				if strings.Contains(f.Sentence, "never reach this rule: PREROUTING 1") {
					t.Errorf("it is in its own way: %s", f.Sentence)
				}
			}
			if found, i := look(strings.NewReplacer("port1", "brl", "port+", "brl").Replace(c.rule)); i >= 0 {
				t.Errorf("the bridge itself: %v", found[i])
			}
		})
	}
}
