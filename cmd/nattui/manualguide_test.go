package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/guide"
)

// recipeExamples are the recipes with the answers that the manual shows, and the command that gives them.
var recipeExamples = []struct {
	name, command string
	recipe        guide.Recipe
	tables        string // as iptables-save prints what is there before
}{
	{"share", "nattui guide share --net 192.168.0.0/24", guide.Share{Net: "192.168.0.0/24"}, ""},
	{"publish", "nattui guide publish --port 80 --to 192.168.0.2:8080 --inside --this-host", guide.Publish{Protocol: "tcp", Port: "80", To: "192.168.0.2:8080", Inside: true, ThisHost: true}, ""},
	{"proxy", "nattui guide proxy --in lan0 --port 80 --to 8888", guide.Proxy{In: "lan0", Protocol: "tcp", Port: "80", ToPort: "8888"}, ""},
	{"one-to-one", "nattui guide one-to-one --outside 203.0.113.9 --inside 192.168.0.9", guide.OneToOne{Outside: "203.0.113.9", Inside: "192.168.0.9"}, ""},
	{"vpn", "nattui guide vpn --net 10.8.0.0/24 --in tun0 --reach 192.168.0.0/24", guide.Share{VPN: true, Net: "10.8.0.0/24", In: "tun0", Reach: "192.168.0.0/24"}, ""},
	{
		"move", "nattui guide move --from 192.168.0.2:8080 --to 192.168.0.3",
		guide.Move{From: "192.168.0.2:8080", To: "192.168.0.3"},
		"*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 203.0.113.1/32 -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\nCOMMIT\n",
	},
}

// paperGateway is the gateway of the examples: a fixed public address on wan0, a LAN, a VPN, a FORWARD policy of DROP, and
// nothing forwarded yet.
func paperGateway(t *testing.T, tables string) guide.Host {
	t.Helper()
	read, err := rules.Read(strings.NewReader(tables + "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n"))
	if err != nil {
		t.Fatal(err)
	}
	nets := []struct {
		link, kind string
		mtu        int
		own        netip.Prefix
	}{
		{"wan0", "device", 1500, netip.MustParsePrefix("203.0.113.1/24")}, {"lan0", "device", 1500, netip.MustParsePrefix("192.168.0.1/24")}, {"tun0", "tun", 1400, netip.MustParsePrefix("10.8.0.1/24")},
	}
	h := guide.Host{
		Sets: map[rules.Variant]*rules.Ruleset{{Family: rules.IPv4, Backend: rules.NFT}: {Tables: read}}, Backend: rules.NFT,
		Uplinks:  [2]guide.Uplink{{Link: "wan0", Addr: nets[0].own.Addr()}},
		Forwards: func(rules.Family) (bool, bool) { return false, true },
		Listens:  func(_ rules.Protocol, to netip.AddrPort) (string, bool) { return "squid", to.Port() == 8888 },
	}
	for _, n := range nets {
		h.Links = append(h.Links, guide.Link{Name: n.link, Kind: n.kind, MTU: n.mtu, Up: true})
		h.Kernel.Interfaces = append(h.Kernel.Interfaces, evaluate.Interface{Name: n.link, Addrs: []evaluate.InterfaceAddr{{Prefix: n.own}}})
	}
	h.Kernel.Route = func(q evaluate.RouteQuery) evaluate.Decision {
		for _, n := range nets {
			switch {
			case n.own.Addr() == q.Dst:
				return evaluate.Decision{Kind: evaluate.RoutedLocal}
			case n.own.Contains(q.Dst):
				return evaluate.Decision{Kind: evaluate.RoutedForward, Out: n.link}
			}
		}
		return evaluate.Decision{Kind: evaluate.RoutedForward, Out: "wan0"}
	}
	return h
}

// guidePage is nattui-guide(7) in markdown: every recipe with what it asks, and what the guide itself makes of the example.
func guidePage(t *testing.T, root *cobra.Command) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(manualHead("nattui-guide", "7", "Miscellaneous Information Manual", "the recipes of nattui's guide, with the rules that they make"))
	b.WriteString("# DESCRIPTION\n\nThe guide makes a plan for what somebody wants: rules in the right chains and positions, settings now and at boot, and the return path. " +
		"Each step says why it is there. The questions are the same on the Guide screen (key 3) and as flags of `nattui guide`. " +
		"The plan is shown before anything runs, nothing is added twice, and `nattui undo` undoes all of it.\n\n" +
		"The examples are for a gateway with the fixed address 203.0.113.1 on wan0, the LAN 192.168.0.0/24 on lan0 and a VPN 10.8.0.0/24 on tun0, whose FORWARD policy is DROP and which forwards nothing yet. " +
		"What is there already changes a plan: a rule that does the same is used, an earlier one that would match first is avoided, and where firewalld or ufw owns the firewall it is told in its own words.\n\n# RECIPES\n\n")
	for _, e := range recipeExamples {
		c, _, err := root.Find([]string{"guide", e.name})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "## %s\n\n%s\n\n%s", c.Short, escapeMarkdown(longOf(c)), recipeFlags(c))
		a := e.recipe.Advise(paperGateway(t, e.tables))
		if a.Wrong() || len(a.Plan.Steps) == 0 {
			t.Fatalf("%s: %v", e.command, a.Objections)
		}
		fmt.Fprintf(&b, "For example:\n\n```\n%s\n```\n\n", e.command)
		for _, step := range a.Plan.Steps {
			fmt.Fprintf(&b, "%s\n\n```\n%s\n```\n\n", escapeMarkdown(step.Why), shellLines(rules.Plan{Steps: []rules.Step{step}}))
		}
		if a.Proof.Try != "" {
			fmt.Fprintf(&b, "To see that it works: %s\n\n", escapeMarkdown(a.Proof.Try))
		}
	}
	b.WriteString("# AFTERWARDS\n\n`--watch` waits for the first packet and shows how far it gets. `nattui doctor` follows a forward that does not work, `nattui save` saves the rules for the next boot.\n\n")
	b.WriteString("# SEE ALSO\n\n**nattui**(8), **nattui-filter**(7), **iptables-extensions**(8)\n")
	return b.String()
}

// recipeFlags are the flags that are questions of the recipe, and none that every command has.
func recipeFlags(c *cobra.Command) string {
	list, _, _ := strings.Cut(flagList(c), "**--backend")
	return list
}

func shellLines(p rules.Plan) string {
	var lines []string
	for _, argv := range p.Commands() {
		lines = append(lines, rules.ShellLine(argv))
	}
	return strings.Join(lines, "\n")
}

// Every recipe is in the manual.
func TestManualHasEveryRecipe(t *testing.T) {
	sequential(t)
	c, _, err := newRoot().Find([]string{"guide"})
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, e := range recipeExamples {
		there = append(there, e.name)
	}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && !slices.Contains(there, sub.Name()) {
			t.Errorf("the manual has no recipe %s", sub.Name())
		}
	}
}
