package ui

import (
	"context"
	"strings"

	"nattui/rules"
	"nattui/rules/guide"
	"nattui/rules/nft"
	"nattui/rules/paste"
)

// Natively makes plans of native rules.
type Natively interface {
	// Advice is an advice whose rules are native ones, with what has to pass native filters. It tries them, which takes a
	// fraction of a second.
	Advice(ctx context.Context, h guide.Host, a guide.Advice) (guide.Advice, error)
	// Import is the plan of a script of nft, tried. The error is in nft's words.
	Import(ctx context.Context, script string) (rules.Plan, error)
	// Fields takes a rule of a chain apart, and tells which of its wordings nft makes the same rule of. The error says why
	// the fields do not say all of it. It tries that.
	Fields(ctx context.Context, now *nft.Ruleset, c *nft.Chain, r *nft.Rule) (fields nft.Fields, way int, err error)
}

// natively tells whether new rules are native ones: on a native host, where changes of native rules can be made.
func (d *desk) natively() bool { return d.gw.Natively != nil && d.native }

// isNative tells whether a host is a native one: there is no iptables, or its tables nat are empty and native rules
// translate. It reads native rules, all of them where none translates.
func isNative(t *Tables) bool {
	if t.Native == nil {
		return false
	}
	for _, set := range t.Sets {
		if nat, ok := set.Table("nat"); ok && nat.Rules() > 0 {
			return false
		}
	}
	return len(t.Sets) == 0 || t.Native.Translates()
}

// nativePlan is the plan of a form as native rules; what nft cannot say is a problem.
func (d *desk) nativePlan(p rules.Plan, problems []rules.Problem) (rules.Plan, []rules.Problem) {
	native, lacks := nft.Natively(p, d.tables.Native)
	if len(lacks) > 0 && !rules.HasErrors(problems) {
		problems = append(problems, rules.Problem{Field: rules.FieldTo, Text: "nft cannot say this: " + strings.Join(lacks, ", ")})
	}
	native.Title = "Add to table inet " + nft.OwnTable + ": " + strings.TrimPrefix(p.Title, "Add to the end of ")
	return native, problems
}

// advise asks a recipe, natively where new rules are native.
func (d *desk) adviser(recipe guide.Recipe) func(guide.Host) guide.Advice {
	ctx, natively := d.ctx, d.gw.Natively
	if !d.natively() {
		return recipe.Advise
	}
	return func(h guide.Host) guide.Advice {
		h.Native, h.Backend = true, rules.NFT
		a := recipe.Advise(h)
		if a.Wrong() {
			return a
		}
		native, err := natively.Advice(ctx, h, a)
		if err != nil {
			return guide.Advice{Objections: []guide.Objection{{Text: err.Error()}}}
		}
		return native
	}
}

// reader reads pasted text: that of nft is tried, the rest is held against the ground, and made natively on a native host.
func (d *desk) reader(pasted string, ground paste.Ground) paste.Import {
	text, ok := paste.ReadNFT(pasted, ground.Answers)
	switch {
	case !ok && d.natively():
		return d.inNative(pasted, ground)
	case !ok:
		return paste.Read(pasted, ground)
	case d.gw.Natively == nil:
		text.Why = "this is for nft, and the program nft is not installed here"
	}
	if text.Why != "" {
		return paste.Import{Remarks: []paste.Remark{{Line: 1, Column: 1, Level: paste.Error, Text: text.Why}}}
	}
	plan, err := d.gw.Natively.Import(d.ctx, text.Script)
	if err != nil {
		return paste.Import{Remarks: []paste.Remark{{Line: 1, Column: 1, Level: paste.Error, Text: err.Error()}}}
	}
	return paste.Import{Plan: plan}
}

// inNative reads commands of iptables, whose rules are made natively as far as nft can say them. What it cannot, or is about
// rules that iptables has, stays with iptables.
func (d *desk) inNative(pasted string, ground paste.Ground) paste.Import {
	im := paste.Read(pasted, ground.Writable("nat", "mangle"))
	native, lacks := nft.Natively(im.Plan, d.tables.Native)
	if len(lacks) > 0 {
		return paste.Read(pasted, ground)
	}
	if im.InDoubt() || len(native.Natives()) == 0 {
		return im
	}
	tried, err := d.gw.Natively.Import(d.ctx, rules.NativeScript(native.Natives()))
	if err != nil {
		return paste.Import{Remarks: []paste.Remark{{Line: 1, Column: 1, Level: paste.Error, Text: err.Error()}}}
	}
	im.Plan.Steps = tried.Steps
	for _, step := range native.Steps {
		if step.Native == nil {
			im.Plan.Steps = append(im.Plan.Steps, step)
		}
	}
	return im
}
