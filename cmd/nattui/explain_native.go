package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/nft"
	"nattui/rules/nftables"
	"nattui/rules/paste"
	"nattui/ui/text"
)

// explainNative says what text for nft does, after it was tried on a copy of its tables. as is iptables to have it in the
// words of that.
func explainNative(c *cobra.Command, pasted paste.NFT, as string) error {
	if pasted.Why != "" {
		return usagef("%s", text.Safe(pasted.Why))
	}
	now, err := natives.reader.Read(c.Context())
	if err != nil {
		now = &nft.Ruleset{} // whoever may not read them can have a line explained all the same
	}
	now = withoutIPTables(now) // which nft cannot copy; a rule for a table of iptables can be explained all the same
	ground, doubtful := chainsFor(now, pasted.Script)
	trial, err := nftables.Try(c.Context(), now, ground+pasted.Script)
	if errors.Is(err, syscall.EPERM) && os.Args[0] != insideName {
		return explainInside(c)
	}
	if err != nil {
		return namedPlaces(err, "", strings.Count(ground, "\n"))
	}
	out := newOutput(c)
	lacking := false
	changes := slices.DeleteFunc(slices.Clone(trial.Changes), func(c rules.NativeChange) bool {
		container := c.What == rules.NativeTableKind || c.What == rules.NativeChainKind
		return container && (as != "" || strings.Contains(ground, string(c.What)+" "+c.Place()+"\n") || strings.Contains(ground, string(c.What)+" "+c.Place()+" "))
	})
	for i, change := range changes {
		if i > 0 {
			fmt.Fprintln(out)
		}
		for _, l := range text.Wrap(text.Safe(change.Sentence()), helpWidth, 0) {
			fmt.Fprintln(out, l)
		}
		if as == "" || change.What != rules.NativeRule {
			fmt.Fprintln(out, "  "+text.Safe(rules.ShellLine(change.Command())))
		}
		switch {
		case as == "":
		case slices.Contains(doubtful, change.Place()):
			fmt.Fprintf(out, "  # not known: there is no chain %s here that would tell whether it translates or filters\n", text.Safe(change.Place()))
			lacking = true
		default:
			lacking = printAsIPTables(out, trial, change) || lacking
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if lacking {
		return statusError(exitFailed)
	}
	return nil
}

// withoutIPTables are the native tables that nft alone has made.
func withoutIPTables(now *nft.Ruleset) *nft.Ruleset {
	made := func(t *nft.Table) bool { return t.OfIPTables() || t.NamedAsIPTables() && t.HasExtensions() }
	return now.Replaced(nil, slices.DeleteFunc(slices.Clone(now.Tables), func(t *nft.Table) bool { return !made(t) }))
}

// printAsIPTables prints a native rule as commands of iptables, and what of it these cannot say, which is true then.
func printAsIPTables(out *output, trial *nftables.Trial, change rules.NativeChange) (lacking bool) {
	if change.What != rules.NativeRule || change.Gone {
		lacks(out, "iptables", []string{"sets, maps and what is deleted"})
		return true
	}
	t := trial.After.Table(change.Family, change.Table)
	chain := t.Chain(change.Chain)
	for _, r := range chain.Rules {
		if r.Print(t) != change.Print {
			continue
		}
		said, families := r.ToIPTables(chain, trial.After.Links)
		if len(said.Lacks) > 0 {
			lacks(out, "iptables", said.Lacks)
			return true
		}
		for _, f := range families {
			fmt.Fprintln(out, "  "+text.Safe(f.Command()+" "+said.Text))
		}
		return false
	}
	return true
}

func lacks(out *output, language string, what []string) {
	fmt.Fprintf(out, "  # %s cannot say: %s\n", language, text.Safe(strings.Join(what, ", ")))
}

// printAsNFT prints the rules that a plan adds to tables of iptables as commands of nft, and what of them it cannot say, which
// is true then.
func printAsNFT(out *output, plan rules.Plan) (lacking bool) {
	for _, change := range plan.Changes() {
		fmt.Fprintln(out, text.Safe(change.Sentence()))
		if change.Op != rules.Insert {
			lacks(out, "explain --as", []string{"what deletes or changes rules"})
			lacking = true
			continue
		}
		said := nft.FromIPTables(change.Family, change.Rule.InChain(change.Chain))
		if len(said.Lacks) > 0 {
			lacks(out, "nft", said.Lacks)
			lacking = true
			continue
		}
		place := "inet " + change.Table + " " + strings.ToLower(change.Chain)
		if own := nft.OwnChain(change.Chain); change.Table == "nat" && own != "" {
			place = "inet " + nft.OwnTable + " " + own
		}
		fmt.Fprintln(out, "  "+text.Safe(rules.ShellLine([]string{"nft", addAs(change, place) + " " + said.Text})))
	}
	return lacking
}

// addAs is nft's command that adds a rule where a change of iptables adds it. An index counts from 0, and the rule comes before
// the one that has it.
func addAs(c rules.Change, place string) string {
	switch {
	case c.At == 0 || c.Next == rules.EndOfChain:
		return "add rule " + place
	case c.At == 1:
		return "insert rule " + place
	}
	return fmt.Sprintf("insert rule %s index %d", place, c.At-1)
}

// addsRule is a command that adds a rule to a chain.
var addsRule = regexp.MustCompile(`(?m)^\s*(?:add|insert)\s+rule\s+(?:(ip6?|inet|arp|bridge|netdev)\s+)?([\w./-]+)\s+([\w./-]+)(.*)$`)

// chainsFor makes the chains that the rules of a script are added to, as far as they are not there: a rule can be explained
// without them. doubtful are those of which neither names nor rules tell whether they translate.
func chainsFor(now *nft.Ruleset, script string) (ground string, doubtful []string) {
	for _, m := range addsRule.FindAllStringSubmatch(script, -1) {
		family := m[1]
		if family == "" {
			family = "ip"
		}
		if t := now.Table(family, m[2]); t != nil && t.Chain(m[3]) != nil {
			continue
		}
		if strings.Contains(script, "chain "+strings.TrimSpace(m[1]+" "+m[2]+" "+m[3])) {
			continue // which the text makes itself
		}
		hook, sure := likelyHook(m[2], m[3], m[4])
		if place := family + " " + m[2] + " " + m[3]; !sure {
			doubtful = append(doubtful, place)
		}
		ground += fmt.Sprintf("add table %s %s\nadd chain %s %s %s %s\n", family, m[2], family, m[2], m[3], hook)
	}
	return ground, doubtful
}

// likelyHook is where a chain that is not there is most likely called, by its table's name, its own and a rule of it; sure
// tells that these say what kind of chain it is.
func likelyHook(table, chain, rule string) (definition string, sure bool) {
	hook := hookNamed(strings.ToLower(chain))
	kind, priority := kindNamed(strings.ToLower(table), hook)
	for _, word := range []string{"dnat", "snat", "masquerade", "redirect"} {
		if strings.Contains(rule, word) && !strings.Contains(rule, "ct status "+word) {
			kind = "nat"
		}
	}
	if sure = kind != "" || hook == "forward" || hook == ""; kind == "" {
		kind = "filter"
	}
	if hook == "" || kind == "nat" && hook == "forward" {
		return "", sure
	}
	if kind == "nat" {
		priority = map[string]string{"prerouting": "-100", "output": "-100", "postrouting": "100", "input": "100"}[hook]
	}
	return fmt.Sprintf("{ type %s hook %s priority %s; }", kind, hook, priority), sure
}

// hookNamed is the hook of a chain by its name; "" for none.
func hookNamed(chain string) string {
	for _, h := range []string{"prerouting", "postrouting", "input", "forward", "output"} {
		if strings.Contains(chain, h) {
			return h
		}
	}
	switch {
	case strings.HasPrefix(chain, "pre"):
		return "prerouting"
	case strings.HasPrefix(chain, "post"):
		return "postrouting"
	}
	return ""
}

// kindNamed is the kind of a chain by the name of its table, "" where that says none, and the priority of one that filters.
func kindNamed(table, hook string) (kind, priority string) {
	switch {
	case strings.Contains(table, "nat") && hook != "forward":
		return "nat", "0"
	case strings.Contains(table, "raw"):
		return "filter", "-300"
	case strings.Contains(table, "mangle"):
		return "filter", "-150"
	case strings.Contains(table, "filter") || strings.Contains(table, "firewall") || strings.Contains(table, "fw"):
		return "filter", "0"
	case hook == "input" || hook == "output": // which translate seldom
		return "filter", "0"
	}
	return "", "0"
}

// insideName is the name of this program where it explains in a user namespace of its own, so that it is not begun once
// more there.
const insideName = "nattui in a namespace"

// explainInside runs this command again in user and network namespaces of its own, where anybody may try a change.
func explainInside(c *cobra.Command) error {
	cmd := exec.CommandContext(context.WithoutCancel(c.Context()), "/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = insideName
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	var exit *exec.ExitError
	switch err := cmd.Run(); {
	case errors.As(err, &exit):
		return statusError(exit.ExitCode())
	case err != nil:
		return fmt.Errorf("text for nft is explained after it was tried, which is not permitted here: %w", err)
	}
	return nil
}
