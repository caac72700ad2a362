package paste

import (
	"slices"
	"strings"
	"testing"

	"nattui/rules"
)

// TestNamesWhatNeverMatches names the rules that a text makes pointless, and those of it that are, at their lines.
func TestNamesWhatNeverMatches(t *testing.T) {
	const live = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:mine - [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A FORWARD -i lan0 -j mine
-A FORWARD -i lan0 -j DROP
-A mine -s 10.0.0.1/32 -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1
COMMIT
`
	for text, want := range map[string][]string{
		"iptables -A FORWARD -j ACCEPT\niptables -A FORWARD -i wan0 -j DROP":                                {"2: in table filter of the result, rule 4 of FORWARD never matches: rule 3 matches every packet first"},
		"iptables -A FORWARD -i lan0 -s 10.0.0.2 -j ACCEPT":                                                 {"1: in table filter of the result, rule 3 of FORWARD never matches: rule 2 matches all its packets first"},
		"iptables -A FORWARD -o x -j LOG\niptables -I FORWARD -i lan0 -j ACCEPT":                            {"2: in table filter of the result, rule 2 of FORWARD never", "2: in table filter of the result, rule 3 of FORWARD never"},
		"iptables -t nat -I PREROUTING -i wan0 -p tcp -j REDIRECT --to-ports 1":                             {"1: in table nat of the result, rule 2 of PREROUTING never matches: rule 1 matches all its packets first:  -A PREROUTING -i wan0 -p tcp -m tcp --dport 80"},
		"iptables -I mine -j RETURN\niptables -A mine -j DROP":                                              {"1: in table filter of the result, rule 2 of mine", "2: in table filter of the result, rule 3 of mine"},
		"iptables -D FORWARD -i lan0 -j mine":                                                               {"1: in table filter of the result, no packet reaches chain mine"},
		"*filter\n-A FORWARD -j ACCEPT\n-A FORWARD -s 10.0.0.9 -j DROP\nCOMMIT":                             {"3: in table filter of the result, rule 4 of FORWARD never"},
		"iptables -A FORWARD -i wan0 -j DROP":                                                               nil,
		"iptables -A INPUT -j DROP":                                                                         nil,
		"iptables -I FORWARD -s 10.0.0.7 -j ACCEPT\niptables -t nat -A PREROUTING -i wan0 -p udp -j RETURN": nil,
	} {
		g := ground()
		tables, err := rules.Read(strings.NewReader(live))
		if err != nil {
			t.Fatal(err)
		}
		g.Sets[rules.Variant{Family: rules.IPv4, Backend: rules.NFT}].Tables = tables
		im := Read(text, g)
		var got []string
		for _, r := range im.Remarks {
			if strings.Contains(r.Text, "of the result") {
				got = append(got, strings.Join([]string{strings.SplitN(r.String(), ":", 2)[0], r.Text}, ": "))
			}
		}
		if im.InDoubt() || !slices.EqualFunc(got, want, strings.HasPrefix) {
			t.Errorf("%s\nsaid %q\nwant %q\n%s", text, got, want, describe(im))
		}
	}
}
