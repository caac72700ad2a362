package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nattui/model/doctor"
	"nattui/rules"
	"nattui/rules/iptables"
	"nattui/rules/nft"
	"nattui/rules/nftables"
	"nattui/ui/text"
)

// editNative changes a native rule in its place: by fields where these say all of it, or to what --rule says in nft's words.
func (o *editOptions) editNative(c *cobra.Command, host *iptables.Host, args []string) error {
	r, err := o.findNative(c, host, args)
	if err != nil {
		return err
	}
	if err := nft.Allowed([]rules.NativeChange{r.rule().Deletion(r.chain, r.now.Links)}, r.now); err != nil {
		return err
	}
	wanted := o.words
	switch fielded := o.fill(c.Flags(), &rules.Draft{}); {
	case fielded && wanted != "":
		return usagef("give either --rule, which is all of the rule, or flags for parts of it")
	case wanted == "" && !fielded:
		return usagef("what is to change? give it by flags, such as --to or --dport, or the whole rule with --rule; it is now:  %s", text.Safe(r.text()))
	case fielded:
		if wanted, err = o.reworded(c, r); err != nil {
			return err
		}
	}
	if strings.ContainsAny(wanted, "\n;") {
		return usagef("--rule is one rule")
	}
	if nft.Uncounted(wanted) == nft.Uncounted(r.text()) {
		say(c.ErrOrStderr(), fmt.Sprintf("rule %d of %s is so already", r.at+1, text.Safe(r.chain.Path())))
		return nil
	}
	plan, err := r.plan(c.Context(), fmt.Sprintf("Edit rule %d of %s: ", r.at+1, r.chain.Path()), r.chain.Rewritten(r.rule(), wanted))
	if err != nil {
		return err
	}
	if len(plan.Steps) == 0 {
		say(c.ErrOrStderr(), "there is nothing to change")
		return nil
	}
	return o.carryOut(c, host, plan)
}

// text is the rule in nft's words.
func (r *nativeRule) text() string { return r.rule().Text(r.chain, r.now.Links) }

// reworded is the rule with what the flags name changed, in nft's words.
func (o *editOptions) reworded(c *cobra.Command, r *nativeRule) (string, error) {
	fields, way, err := taken(c.Context(), r)
	if errors.As(err, new(inNoField)) {
		return "", usagef("%w; give all of it in nft's words, with --rule %s", err, text.Safe(rules.ShellLine([]string{r.text()})))
	}
	if err != nil {
		return "", err
	}
	o.fill(c.Flags(), &fields.Draft)
	rule, problems := fields.Draft.Rule()
	for _, p := range problems {
		sayProblem(c, p)
		sayAddress(c, p, &fields.Draft)
	}
	if rules.HasErrors(problems) {
		return "", statusError(exitUsage)
	}
	texts, lacks := fields.Wordings(rule)
	if len(lacks) > 0 {
		return "", usagef("nft cannot say this: %s", text.Safe(strings.Join(lacks, ", ")))
	}
	f, err := readFacts(c.Context())
	if err != nil {
		return "", err
	}
	for _, doubt := range doctor.Doubts(&f, &rules.Ruleset{Family: fields.Draft.Family, Backend: rules.NFT}, rule, nil) {
		say(c.ErrOrStderr(), "warning: "+text.Safe(doubt))
	}
	return texts[way], nil
}

// inNoField is the error of a rule that has more than there are fields for.
type inNoField struct{ error }

// taken takes a rule apart, and finds out by which of its wordings nft makes the same rule again: only then nothing of it is
// lost when a field is changed.
func taken(ctx context.Context, r *nativeRule) (fields nft.Fields, way int, err error) {
	if fields, err = r.rule().Fields(r.chain, r.now.Links); err != nil {
		return fields, 0, inNoField{err}
	}
	rule, _ := fields.Draft.Rule()
	texts, lacks := fields.Wordings(rule)
	if len(lacks) > 0 {
		return fields, 0, inNoField{fmt.Errorf("no field says this of it: %s", strings.Join(lacks, ", "))}
	}
	for way, same := range texts {
		trial, err := nftables.Try(ctx, r.now, fmt.Sprintf("insert rule %s handle %d %s\n", r.chain.Path(), r.rule().Handle, same))
		if err != nil {
			continue
		}
		if trial.AddsAgain(r.rule(), r.chain.Table) {
			return fields, way, nil
		}
	}
	return fields, 0, inNoField{errors.New("the fields do not say all of it")}
}
