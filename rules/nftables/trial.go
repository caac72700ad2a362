package nftables

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"nattui/rules"
	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
)

// Untried is the error of a change that could not be tried on a copy of its tables, so that it is not known what it does or
// whether it could be undone. Nothing was changed.
type Untried struct {
	Why string
	Err error // of the kernel, where it was one
}

// Error says why.
func (e *Untried) Error() string { return e.Why + "; nothing was changed" }

// Unwrap is the kernel's error; nil where it was none.
func (e *Untried) Unwrap() error { return e.Err }

// Trial is what became of a script on a copy of tables, in a network namespace of its own.
type Trial struct {
	// Before and After are the copy. Their handles are the copy's.
	Before, After *nft.Ruleset
	// Changes are what the script did to the copy, with the handles of the real tables.
	Changes []rules.NativeChange

	likeness *nft.Likeness
}

// Predicted are the real tables as the script would leave them.
func (t *Trial) Predicted(real *nft.Ruleset) *nft.Ruleset {
	return real.Replaced(t.likeness.Originals(t.After.Tables), t.Before.Tables)
}

// Try runs a script of nft on a copy of those tables of a ruleset that it names, in a network namespace that is gone
// afterwards, and tells what it does as changes. Each of these is tried as well, and so is the way back: what they leave is
// compared with what was there. The error is *Refused where nft refuses the script, *Untried where the copy, the
// changes or the way back are not exact.
//
// It needs a namespace (nfnetlink.Aside) and the program nft.
func Try(ctx context.Context, real *nft.Ruleset, script string) (*Trial, error) {
	program := find("nft")
	if program == "" {
		return nil, &Untried{Why: "the program nft is not installed, without which native tables cannot be changed"}
	}
	if why := Destroys(script); why != "" {
		return nil, &Untried{Why: why}
	}
	if t := ofIPTables(real, script); t != nil {
		return nil, &Untried{Why: fmt.Sprintf("%s is iptables' own, which iptables may no longer be able to show if nft changes it: change it with iptables", t)}
	}
	copied := mentioned(real, script)
	if at := slices.IndexFunc(copied, (*nft.Table).HasExtensions); at >= 0 {
		return nil, &Untried{Why: fmt.Sprintf("iptables has made rules of %s by extensions of its own, which nft cannot print, so that the table cannot be copied", copied[at])}
	}
	listing, err := listings(ctx, program, copied)
	if err != nil {
		return nil, err
	}
	script = unreplaced(script)
	for range mostRewordings {
		t := &trial{ctx: ctx, program: program, real: real, copied: copied, listing: listing, script: script}
		switch err := nfnetlink.Aside(ctx, t.run); {
		case err == nil:
			return &t.Trial, nil
		case errors.Is(err, nfnetlink.ErrNoAside):
			return nil, &Untried{Why: "the change cannot be tried on a copy (" + err.Error() + ")", Err: err}
		case !errors.Is(err, errReworded):
			return nil, err
		}
		script = rules.NativeScript(t.Changes)
	}
	return nil, &Untried{Why: "what nft prints of the change does something else: make it with nft"}
}

// nft does not print a rule as it was written, and may make its conditions in another order of what it has printed. Then what
// it has printed is tried, until it makes the same again.
const mostRewordings = 3

var errReworded = errors.New("nft makes something else of what it has printed")

// Destroys says why a script is not tried at all: it empties tables that it does not name.
func Destroys(script string) string {
	for line := range strings.SplitSeq(strings.ReplaceAll(script, ";", "\n"), "\n") {
		words := strings.Fields(line)
		if len(words) >= 2 && words[0] == "flush" && words[1] == "ruleset" {
			return "flush ruleset would delete every table, also those of other programs (iptables, Docker, firewalld …): leave the line out, or delete the tables that are meant by name"
		}
	}
	return ""
}

// inTable is a command of a script that names a table.
var inTable = regexp.MustCompile(`\b(?:table|chain|rule|set|map|element|counter|quota|limit|secmark|synproxy|flowtable|ct\s+(?:helper|timeout|expectation))\s+(?:(ip6?|inet|arp|bridge|netdev)\s+)?([\w./-]+)`)

// ofIPTables is a table of iptables that a script would change; nil where it would not.
func ofIPTables(real *nft.Ruleset, script string) *nft.Table {
	for _, m := range inTable.FindAllStringSubmatch(script, -1) {
		family := m[1]
		if family == "" {
			family = "ip"
		}
		if t := real.Table(family, m[2]); t != nil && t.OfIPTables() {
			return t
		}
	}
	return nil
}

// mentioned are the tables of which a script has the name, but for those of iptables, which nft cannot print.
func mentioned(real *nft.Ruleset, script string) (all []*nft.Table) {
	for _, t := range real.Tables {
		if strings.Contains(script, t.Name) && !t.OfIPTables() {
			all = append(all, t)
		}
	}
	return all
}

// listings is the text of tables as nft prints it.
func listings(ctx context.Context, program string, tables []*nft.Table) (string, error) {
	text := ""
	for _, t := range tables {
		out, words, err := run(ctx, program, "", "list", "table", t.Family.String(), t.Name)
		if err != nil {
			return "", &Untried{Why: fmt.Sprintf("%s could not be listed: %s", t, words)}
		}
		text += out
	}
	return text, nil
}

// AddsAgain tells whether all that was tried adds one rule that does the same as another of the table.
func (t *Trial) AddsAgain(r *nft.Rule, of *nft.Table) bool {
	if len(t.Changes) != 1 || t.Changes[0].What != rules.NativeRule || t.Changes[0].Gone {
		return false
	}
	c := t.Changes[0]
	after := t.After.Table(c.Family, c.Table)
	return slices.ContainsFunc(after.Chain(c.Chain).Rules, func(made *nft.Rule) bool {
		return made.Print(after) == c.Print && made.Sense(after) == r.Sense(of)
	})
}

// trial is a Trial while it is made.
type trial struct {
	Trial
	ctx             context.Context
	program         string
	real            *nft.Ruleset
	copied          []*nft.Table
	listing, script string
	bodies          map[string]string // of before: what tables, chains, sets and objects are made as
}

// run makes the trial in the network namespace of the context.
func (t *trial) run(ctx context.Context) error {
	t.ctx = ctx
	if err := t.links(); err != nil {
		return err
	}
	if words, err := feed(t.ctx, t.program, t.listing); err != nil {
		return &Untried{Why: "the tables could not be copied to try the change: " + words}
	}
	var err error
	if t.Before, t.bodies, err = t.read(); err != nil {
		return err
	}
	var odd *nft.Table
	if t.likeness, odd = nft.Liken(t.copied, t.Before); odd != nil {
		return &Untried{Why: fmt.Sprintf("%s could not be copied exactly: what nft prints of it is not what is there; change it with nft", odd)}
	}
	script, err := t.translated()
	if err != nil {
		return err
	}
	if words, err := feed(t.ctx, t.program, script); err != nil {
		return &Refused{Words: words}
	}
	var bodies map[string]string
	if t.After, bodies, err = t.read(); err != nil {
		return err
	}
	changes, beyond := nft.Difference(t.Before, t.After, bodies, t.bodies)
	if len(beyond) > 0 {
		return &Untried{Why: "nattui could not undo a change of " + strings.Join(beyond, ", ") + ": make it with nft"}
	}
	if touched := t.likeness.Touched(changes); touched != "" {
		return &Untried{Why: "what nft prints of this is not what is there, so that it could not be restored; change it with nft: " + touched}
	}
	if at := slices.IndexFunc(changes, func(c rules.NativeChange) bool { return !utf8.ValidString(c.Text) }); at >= 0 {
		return &Untried{Why: "a comment with bytes that are no UTF-8 could not be restored as it is; change it with nft: " + changes[at].Place()}
	}
	if t.Changes, err = t.realHandles(changes); err != nil {
		return err
	}
	return t.prove(changes)
}

// read reads the copy, with its rules in nft's own words.
func (t *trial) read() (*nft.Ruleset, map[string]string, error) {
	set, err := Read(t.ctx)
	if err != nil {
		return nil, nil, err
	}
	out, words, err := run(t.ctx, t.program, "", "-a", "list", "ruleset")
	if err != nil {
		return nil, nil, &Untried{Why: "the copy of the tables could not be listed: " + words}
	}
	for r, text := range set.Listed(out) {
		r.Listed = text
	}
	return set, nft.Bodies(out), nil
}

var (
	// ruleByHandle is a command about a rule that names one by its handle.
	ruleByHandle = regexp.MustCompile(`\b(rule\s+(?:(ip6?|inet|arp|bridge|netdev)\s+)?([\w./-]+)\s+([\w./-]+)\s+(?:handle|position)\s+)(\d+)`)
	// otherByHandle is one about something else.
	otherByHandle = regexp.MustCompile(`\b(?:delete|destroy)\s+(?:table|chain|set|map|flowtable|counter|quota|limit)\s[^;{\n]*\bhandle\s`)
)

// replacing is a command that has a rule say something else, up to where it is.
var replacing = regexp.MustCompile(`\breplace(\s+rule\s[^;{\n]*?\s(?:handle|position)\s+\d+)`)

// unreplaced is a script that adds and deletes rules where it replaced them. The kernel gives a rule that replaces
// another one the handle of that, by which they could not be told apart.
func unreplaced(script string) string {
	var gone strings.Builder
	script = replacing.ReplaceAllStringFunc(script, func(found string) string {
		place := strings.TrimPrefix(found, "replace")
		gone.WriteString("\ndelete" + place)
		return "insert" + place
	})
	if gone.Len() == 0 {
		return script
	}
	return strings.TrimRight(script, "\n") + gone.String() + "\n"
}

// translated is the script with the handles that the rules which it names have in the copy.
func (t *trial) translated() (string, error) {
	if found := otherByHandle.FindString(t.script); found != "" {
		return "", &Untried{Why: "name it by its name, not by a handle: " + found}
	}
	missing := ""
	text := ruleByHandle.ReplaceAllStringFunc(t.script, func(found string) string {
		m := ruleByHandle.FindStringSubmatch(found)
		family := m[2]
		if family == "" {
			family = "ip" // as nft takes it
		}
		handle, _ := strconv.ParseUint(m[5], 10, 64)
		c := []rules.NativeChange{{What: rules.NativeRule, Family: family, Table: m[3], Chain: m[4], Handle: handle}}
		own := nft.Follow(c, t.real, t.Before)[0].Handle
		if own == 0 {
			missing = fmt.Sprintf("nothing has the handle %d in chain %s of table %s %s", handle, m[4], family, m[3])
		}
		return m[1] + strconv.FormatUint(own, 10)
	})
	if missing != "" {
		return "", &Refused{Words: missing}
	}
	return text, nil
}

// links makes interfaces of the names and numbers of the real ones, which rules may name.
func (t *trial) links() error {
	named := map[uint32]string{}
	for number, name := range t.real.Links {
		if name != "lo" && strings.Contains(t.listing+t.script, name) {
			named[number] = name
		}
	}
	return nfnetlink.AddLinks(t.ctx, named)
}

// prove goes the way back and makes the changes once more, as they would be made, and compares.
func (t *trial) prove(changes []rules.NativeChange) error {
	back := nft.WayBack(resolved(changes, t.Before), t.After)
	if len(back.Notes) > 0 {
		return &Untried{Why: "it could not be undone: " + strings.Join(back.Notes, "; ")}
	}
	restored, bodies, err := t.after(back.Changes, "the way back")
	if err != nil {
		return err
	}
	if !same(restored, t.Before, (*nft.Table).Print) || !maps.Equal(bodies, t.bodies) {
		return &Untried{Why: "the way back would not leave the tables as they are now: make the change with nft"}
	}
	made, _, err := t.after(nft.Follow(changes, t.Before, restored), "the change, said one by one,")
	if err != nil {
		return err
	}
	switch {
	case same(made, t.After, (*nft.Table).Print):
		return nil
	case same(made, t.After, (*nft.Table).Sense):
		return errReworded
	}
	return &Untried{Why: "what nft prints of the change is something else: make it with nft"}
}

// after is the copy once changes are made to it.
func (t *trial) after(changes []rules.NativeChange, what string) (*nft.Ruleset, map[string]string, error) {
	if words, err := feed(t.ctx, t.program, rules.NativeScript(changes)); err != nil {
		return nil, nil, &Untried{Why: what + " would be refused: " + words}
	}
	return t.read()
}

// same compares rulesets but for the order of tables.
func same(a, b *nft.Ruleset, print func(*nft.Table) string) bool {
	if len(a.Tables) != len(b.Tables) {
		return false
	}
	for _, t := range a.Tables {
		other := b.Table(t.Family.String(), t.Name)
		if other == nil || print(other) != print(t) {
			return false
		}
	}
	return true
}

// resolved are changes with the spots that they find.
func resolved(changes []rules.NativeChange, now *nft.Ruleset) []rules.NativeChange {
	all, err := nft.Resolve(changes, now)
	if err != nil {
		return changes
	}
	return all
}

// realHandles gives changes the handles of the real tables in place of the copy's.
func (t *trial) realHandles(changes []rules.NativeChange) ([]rules.NativeChange, error) {
	all := nft.Follow(changes, t.Before, t.real)
	for i, c := range all {
		all[i].Print = cmp.Or(t.likeness.Sense(changes[i]), c.Print)
		if c.Gone && c.What == rules.NativeRule && c.Handle == 0 {
			return nil, errors.New("the rule to be deleted is not found: " + changes[i].Text)
		}
	}
	return all, nil
}
