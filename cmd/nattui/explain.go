package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/guide"
	"nattui/rules/iptables"
	"nattui/rules/paste"
	"nattui/ui/text"
	"nattui/ui/theme"
)

func newExplainCommand() *cobra.Command {
	c := &cobra.Command{
		// The line begins with a dash as often as not.
		DisableFlagParsing:    true,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     completeExplained,

		Use:   "explain 'LINE' [--as nft|iptables] [--gateway FILE] | --flow TUPLE",
		Short: "Explain an iptables or nft line, or a connection and the rule that made it",
		Long: "explain takes an iptables command, or a rule as iptables-save prints it, and says what it does to which packets. It draws the packet's path. " +
			"It changes nothing. It reports mistakes in the line and explains the corrected line.\n" +
			"It also takes commands and files of nft, tries them in a network namespace of its own, and says what each change does. " +
			"With --as nft or --as iptables it prints a rule in the words of the other, where it can be said there, and names what cannot; then it exits with 1.\n" +
			"With --flow it looks up a connection in the live table, given as PROTO SRC:PORT DST:PORT in either direction. A port, an end or the protocol may be omitted or be *; a line of conntrack -L works too. " +
			"It says what the connection is, which rule made it and how certain that is, and whether today's rules would treat it differently, and draws its path. --json prints it as an object.",
		Example: "nattui explain 'iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j REDIRECT --to-port 8888'\nnattui explain '-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE'\nnattui explain --as nft 'iptables -t nat -A POSTROUTING -s 10.0.0.0/8 -o wan0 -j MASQUERADE'\nnattui explain 'nft add rule inet nat prerouting tcp dport 80 dnat ip to 10.0.0.2'\nnattui explain --flow 'tcp 203.0.113.10:55474 203.0.113.1:80'\nnattui explain --json --flow ':8080'",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
				return nil
			}
			_, _, err := explainArgs(args)
			return err
		},
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] == "--help" || args[0] == "-h" {
				return c.Help()
			}
			o, line, err := explainArgs(args)
			if err != nil {
				return err
			}
			if o.flow != "" {
				return explainFlow(c, o)
			}
			return explainLine(c, line, o)
		},
	}
	f := c.Flags() // which explainArgs reads: these are for the help
	f.SortFlags = false
	f.String("as", "", "print the rule in the words of nft or iptables")
	f.String("gateway", "", gatewayUsage)
	f.String("flow", "", "a connection, as PROTO SRC:PORT DST:PORT, instead of a line")
	f.Bool("json", false, "with --flow, one JSON object")
	return c
}

func explainLine(c *cobra.Command, line string, o explainOptions) error {
	if pasted, ok := paste.ReadNFT(line, nil); ok {
		return explainNative(c, pasted, strings.TrimPrefix(o.as, "nft"))
	}
	if place := nativePlace(line); place != "" {
		return usagef("an nft rule needs its place before it: nattui explain 'nft add rule %s %s'", place, text.Safe(line))
	}
	ground, err := groundOf(c.Context(), o.gateway)
	if err != nil {
		return err
	}
	ground = ground.Writable() // nothing is changed
	ground.AcceptDoubts, ground.AnyChain = true, true
	if table, bare := bareRule(line); bare {
		line = "iptables -t " + table + " " + strings.TrimSpace(line)
		if guessFamily(strings.Fields(line)...) == rules.IPv6 {
			line = "ip6" + line[2:]
		}
	}
	im := paste.Read(line, ground)
	sayFindings(c.ErrOrStderr(), "", line, im)
	wrong := im.InDoubt()
	if wrong {
		// What is corrected can be explained all the same; so can what has gaps.
		im = paste.Read(strings.Join(im.Corrected, "\n"), withExamples(ground, im.Questions))
	}
	out := newOutput(c)
	if o.as == "nft" {
		wrong = printAsNFT(out, im.Plan) || wrong
	} else {
		printExplanation(out, im.Plan, ground.Sets)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if wrong || len(im.Plan.Steps) == 0 {
		return statusError(exitFailed)
	}
	return nil
}

// groundOf is what a line is held against: this host, or a recorded gateway.
func groundOf(ctx context.Context, gateway string) (paste.Ground, error) {
	if gateway == "" {
		return liveGround(ctx)
	}
	g, err := openGatewayFile(ctx, gateway)
	if err != nil {
		return paste.Ground{}, err
	}
	ground := paste.Ground{Sets: g.sets, UserID: userID, GroupID: groupID}
	if there := g.variants(&variantFlags{}); len(there) > 0 {
		ground.Backend = there[0].Backend
	}
	if g.facts != nil {
		for _, l := range g.facts.Links {
			ground.Links = append(ground.Links, l.Name)
		}
	}
	return ground, nil
}

// liveGround is this host where it may be read, and nothing where it may not: a
// line can be explained anywhere.
func liveGround(ctx context.Context) (paste.Ground, error) {
	if tables, err := iptables.Open(ctx); err == nil && tables.Lacking() == nil {
		if g, err := importGround(ctx, tables); err == nil {
			return g, nil
		}
	}
	return paste.Ground{Sets: map[rules.Variant]*rules.Ruleset{}, UserID: userID, GroupID: groupID, HostAddrs: boundedNames(ctx)}, ctx.Err()
}

// nativePlace is where an nft rule that came without its place may stand, "" for a line that begins as no such rule.
func nativePlace(line string) string {
	words := strings.Fields(line)
	if len(words) < 2 || !slices.Contains([]string{"tcp", "udp", "th", "ip", "ip6", "inet", "iif", "iifname", "oif", "oifname", "meta", "ct", "fib", "dnat", "snat", "masquerade", "redirect"}, words[0]) {
		return ""
	}
	family, chain := "ip", "prerouting"
	if guessFamily(words...) == rules.IPv6 {
		family = "ip6"
	}
	if slices.Contains(words, "snat") || slices.Contains(words, "masquerade") {
		chain = "postrouting"
	}
	return family + " nat " + chain
}

// bareRule reports a rule without its program, and the table that it is most
// likely of.
func bareRule(line string) (table string, bare bool) {
	words := strings.Fields(line)
	if len(words) == 0 || !strings.HasPrefix(words[0], "-") {
		return "", false
	}
	for i, w := range words {
		if w == "-t" && i+1 < len(words) {
			return words[i+1], true
		}
	}
	for _, w := range words {
		switch w {
		case "PREROUTING", "POSTROUTING", "DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP":
			return "nat", true
		}
	}
	return "filter", true
}

// withExamples fills gaps with addresses that are nobody's, so that the rest can
// be explained.
func withExamples(g paste.Ground, questions []paste.Question) paste.Ground {
	g.Answers = map[string]string{}
	for _, q := range questions {
		value := map[string]string{"an address": "192.0.2.1", "a port": "1", "an interface": "if0", "a protocol": "tcp", "a number": "1", "the length of a network": "32", "the program": "iptables"}[q.What]
		if q.Suggestion != "" {
			value = q.Suggestion
		}
		if value == "" {
			value = "x"
		}
		g.Answers[q.Name] = value
	}
	g.Answers[paste.UplinkPlaceholder] = "wan0"
	return g
}

func printExplanation(o *output, plan rules.Plan, sets map[rules.Variant]*rules.Ruleset) {
	width := helpWidth
	if o.terminal {
		width = min(o.width, helpWidth)
	}
	paragraph := func(s string) {
		for _, l := range text.Wrap(text.Safe(s), width, 0) {
			fmt.Fprintln(o, l)
		}
	}
	for i, step := range plan.Steps {
		if i > 0 {
			fmt.Fprintln(o)
		}
		paragraph(step.Sentence())
		change := step.Change
		if change == nil {
			continue
		}
		chains := guide.Leads(sets[rules.Variant{Family: change.Family, Backend: change.Backend}], change.Table, change.Chain)
		fmt.Fprintln(o)
		for _, l := range guide.Way(chains...) {
			if o.terminal && !theme.UTF8(os.Getenv) {
				l = strings.Map(theme.ASCII, l)
			}
			fmt.Fprintln(o, " "+l)
		}
		fmt.Fprintln(o)
		paragraph(guide.Moment(change.Table, change.Chain))
		for _, argv := range step.Commands() {
			fmt.Fprintln(o, "  "+text.Safe(rules.ShellLine(argv)))
		}
	}
}
