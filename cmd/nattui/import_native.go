package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/iptables"
	"nattui/rules/nft"
	"nattui/rules/nftables"
	"nattui/rules/paste"
	"nattui/ui/text"
)

// importNative makes what pasted text for nft does.
func (o *importOptions) importNative(c *cobra.Command, pasted paste.NFT, name string) error {
	if pasted.Why != "" {
		return usagef("%s", text.Safe(pasted.Why))
	}
	host, err := iptables.Open(c.Context())
	if err != nil {
		return err
	}
	now, err := natives.reader.Read(c.Context())
	if err != nil {
		return err
	}
	steps, _, err := nativeSteps(c.Context(), now, pasted.Script)
	if err != nil {
		return namedPlaces(err, name, 0)
	}
	if len(steps) == 0 {
		say(c.ErrOrStderr(), "there is nothing to change")
		return nil
	}
	sayTwice(c, steps, now)
	plan := rules.Plan{Title: nativeTitle(steps), Steps: steps}
	return o.carryOut(c, host, plan)
}

// inNative is a plan of iptables' rules as native ones. What nft cannot say, or is about rules that iptables has, stays with
// iptables where that is installed and its tables may be changed.
func (o *importOptions) inNative(c *cobra.Command, host *iptables.Host, plan rules.Plan) (rules.Plan, error) {
	now, err := nftables.Read(c.Context())
	if err != nil {
		return plan, err
	}
	native, lacks := nft.Natively(plan, now)
	why := "these rules are made natively"
	if host.Lacking() != nil {
		why = "iptables is not installed: the rules are made natively"
		for _, change := range native.Changes() {
			lacks = append(lacks, "table "+change.Table+" of iptables")
		}
	} else if o.backend == rules.Native.String() && len(native.Changes()) > 0 {
		lacks = append(lacks, "table "+native.Changes()[0].Table+" of iptables, which nattui's own table has nothing of")
	}
	switch {
	case len(lacks) > 0 && (host.Lacking() != nil || o.backend != "" || readOnly(c, host, plan) != nil):
		return plan, fmt.Errorf("as native rules this cannot be made: %s", text.Safe(strings.Join(lacks, ", ")))
	case len(lacks) > 0, len(native.Natives()) == 0:
		return plan, nil
	case len(native.Changes()) > 0:
		why += " but for those of table " + native.Changes()[0].Table + ", which stay with iptables"
	}
	say(c.ErrOrStderr(), why+", in table inet "+nft.OwnTable)
	if native, err = provenPlan(c.Context(), native, now); err == nil {
		sayTwice(c, rules.NativeSteps(native.Natives()), now)
	}
	return native, err
}

// readOnly is why a plan does not fit tables of iptables; nil where it does.
func readOnly(c *cobra.Command, host *iptables.Host, plan rules.Plan) error {
	sets, err := host.ReadAll(c.Context())
	if err == nil {
		_, err = plan.Apply(sets)
	}
	return err
}

// sayTwice says how many of the rules that are added are there already: nft adds a file's rules once more each time.
func sayTwice(c *cobra.Command, steps []rules.Step, now *nft.Ruleset) {
	there := map[string]bool{}
	for _, t := range now.Tables {
		for _, chain := range t.Chains {
			for _, r := range chain.Rules {
				there[t.Family.String()+" "+t.Name+" "+chain.Name+" "+r.Print(t)] = true
			}
		}
	}
	twice := 0
	for _, s := range steps {
		if n := s.Native; n.What == rules.NativeRule && !n.Gone && there[n.Place()+" "+n.Print] {
			twice++
		}
	}
	if twice > 0 {
		say(c.ErrOrStderr(), fmt.Sprintf("warning: %s of these would be there twice: the same is in its chain already", rules.Plural(twice, "rule")))
	}
}

// nativeTitle says what the steps do: the one, or how many.
func nativeTitle(steps []rules.Step) string {
	var of []rules.NativeChange
	for _, s := range steps {
		if s.Native.What == rules.NativeRule || s.Native.What == rules.NativeElement {
			of = append(of, *s.Native)
		}
	}
	if len(steps) == 1 {
		return steps[0].Native.Sentence()
	}
	if len(of) == 1 {
		return of[0].Sentence()
	}
	return fmt.Sprintf("Import %s of native nft.", rules.Plural(len(steps), "change"))
}

// standardInput is where nft says that something stands that it was given.
var standardInput = regexp.MustCompile(`/dev/stdin:(\d+):(\d+)(?:-\d+)?`)

// namedPlaces has nft's complaints name the places of the text as people know it, which begins behind some lines.
func namedPlaces(err error, name string, behind int) error {
	var refused *nftables.Refused
	if !errors.As(err, &refused) {
		return err
	}
	return &nftables.Refused{Words: standardInput.ReplaceAllStringFunc(refused.Words, func(found string) string {
		m := standardInput.FindStringSubmatch(found)
		line, _ := strconv.Atoi(m[1])
		if name != "" && name != "-" {
			return fmt.Sprintf("%s:%d:%s", name, line-behind, m[2])
		}
		return fmt.Sprintf("line %d, column %s", line-behind, m[2])
	})}
}
