package commit

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
)

// Drift is what differs between the rules that run and those that are kept for
// boot; the administrator's own ones only.
type Drift struct {
	Running []Drifted // run, and would be gone after the next start
	Saved   []Drifted // are kept, and do not run
	// Removed are those of Saved that a change of nattui has removed since: no restore brings them back before the next start.
	Removed []Drifted
	// Order are the chains whose rules are the same and are in another order.
	Order []Drifted
	// Nothing is saved for reboot at all.
	Nothing bool
	Method  string // what restores the rules at boot
	Notes   []string
	// Fewer says which files would hold fewer rules than they do if they were saved now.
	Fewer []string
	// Unwatched counts the rules that firewalld or ufw removes at each reload, and that no
	// unit puts back then.
	Unwatched int
	// Elsewhere are changes that no save keeps; see Saving.
	Elsewhere []string
	// Idle says why what is saved, or a part of it, is not restored when the host starts as far as is known, a sentence each.
	Idle []string
	// Others are files that restore rules by themselves when the host starts, whichever those are, a sentence each.
	Others []string
	// Files are what a save would write now.
	Files []File
}

// None reports that what runs is what is kept.
func (d Drift) None() bool { return len(d.Running)+len(d.Saved)+len(d.Order) == 0 }

// Drifted is one difference.
type Drifted struct {
	Variant rules.Variant
	Table   string
	Chain   string
	// Line is the rule, or ":CHAIN POLICY"; "" in Drift.Order.
	Line string
}

// IsRule reports whether it is a rule, and not what a chain is.
func (d Drifted) IsRule() bool { return d.Line != "" && !strings.HasPrefix(d.Line, ":") }

// RulesOf are those of some differences that are rules.
func RulesOf(list []Drifted) []Drifted {
	return slices.DeleteFunc(slices.Clone(list), func(d Drifted) bool { return !d.IsRule() })
}

// Chains are the chains, each with its table, that would come, go or have another policy at reboot.
func (d Drift) Chains() (names []string) {
	for _, x := range slices.Concat(d.Running, d.Saved) {
		if name := x.Table + " " + x.Chain; !x.IsRule() && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Drift compares the running rules with what is saved for reboot.
func (c *Committer) Drift(o SaveOptions) (Drift, error) {
	plan, err := c.PlanSave(o)
	if err != nil {
		return Drift{}, err
	}
	where, err := findKeeper(c.root, o.Managers)
	if err != nil {
		return Drift{}, err
	}
	d := Drift{Method: plan.Method, Notes: plan.Notes, Fewer: plan.Fewer, Elsewhere: plan.Elsewhere, Nothing: true, Files: plan.changed()}
	if !plan.Watched || hostFiles(c.root).starts("nattui-watch") != started {
		d.Unwatched = plan.Flushed
	}
	made, _ := c.madeElsewhere(o.Standby) // the plan's notes say what is not known
	j, err := c.store.readJournal(false)
	if err != nil {
		j = nil // nothing is known to have been changed since
	}
	for _, variant := range variantsIn(o.Sets) {
		path, ok := where.path(variant, o.Standby)
		if !ok {
			continue
		}
		i := slices.IndexFunc(plan.Files, func(f File) bool { return f.Path == path })
		if i < 0 {
			continue
		}
		file := plan.Files[i]
		d.Nothing = d.Nothing && !file.Existed
		running, err := rules.Read(bytes.NewReader(file.New))
		if err != nil {
			return d, fmt.Errorf("compare the rules of %s: %w", variant, err)
		}
		saved, err := rules.Read(bytes.NewReader(file.Old))
		if err != nil {
			return d, fmt.Errorf("understand %s: %w", path, err)
		}
		// What others had made when somebody saved everything is theirs all the same.
		old := &rules.Ruleset{Tables: saved}
		saved, _, _ = ownTables(old, rules.OwnersIn(old, made[variant]), nil)
		atBoot := c.wanted(j, nextBoot, variant, path, file.Old, saved).tables
		missing := len(d.Saved)
		d.compare(variant, running, atBoot)
		d.noteRemoved(d.Saved[missing:], running, c.wanted(j, c.clock.Boot(), variant, path, file.Old, saved).tables)
		for _, need := range neededSets(c.root, path, savedRules{variant: variant, tables: saved}) {
			if !slices.Contains(plan.Needs, need) {
				d.Idle = append(d.Idle, need)
			}
		}
	}
	d.compareNative(&plan)
	d.Others = hostFiles(c.root).restoring()
	d.Idle = slices.Concat(c.idle(where, d.Nothing, o.Standby), plan.Needs, d.Idle)
	for _, u := range plan.Unreadable { // they stay so however often it is saved
		d.Running = append(d.Running, Drifted{u.Variant, u.Table, u.Rule.Chain, u.Rule.String()})
	}
	return d, nil
}

// idle says what of what is saved nobody restores when the host starts.
func (c *Committer) idle(where keeper, nothing bool, standby rules.Backend) (why []string) {
	host := hostFiles(c.root)
	for _, k := range where.idle {
		n := strings.Count("\n"+c.hostFile(k.file), "\n-A ")
		own, _ := where.path(rules.Variant{Family: k.family, Backend: standby}, standby)
		if n > 0 && !host.there(own) {
			why = append(why, fmt.Sprintf("%s holds %s, and %s, which would restore them, is %s", k.file, rules.Plural(n, "rule"), k.service, k.why))
		}
	}
	if script := ownDirectory + "/restore"; !nothing && !where.foreign() && !where.unit && !where.rc && !host.starting(script) {
		why = append(why, fmt.Sprintf("nothing on this host is known to restore what is saved: run %s at boot", script))
	}
	if !nothing && where.unit && host.isStrange() {
		why = append(why, strangeHost)
	}
	if own := "nattui"; !nothing && (where.unit || where.rc) {
		if s := host.starts(own); s != started {
			why = append(why, fmt.Sprintf("the service %s, which restores what is saved, is %s", own, s))
		} else if script := ownDirectory + "/restore"; !host.there(script) {
			why = append(why, fmt.Sprintf("%s, by which the service %s restores what is saved, is gone", script, own))
		}
	}
	return why
}

// idleManagers says which programs run whose rules are theirs to restore, and that are not started with the host.
func (c *Committer) idleManagers(managers, elsewhere []string) (why []string) {
	host := hostFiles(c.root)
	for _, name := range []string{"firewalld", "ufw"} {
		if s := host.starts(name); slices.Contains(managers, name) && (s == disabled || s == masked) {
			why = append(why, fmt.Sprintf("%s is %s: its own rules, which nattui does not save, are gone after a reboot", name, s))
		}
	}
	if s := host.starts("nftables"); len(elsewhere) > 0 && (s == disabled || s == masked) {
		why = append(why, fmt.Sprintf("the service nftables, which would load /etc/nftables.conf, is %s", s))
	}
	return why
}

// nextBoot stands for the next run of the kernel, in which no change has been made yet.
const nextBoot = ""

// noteRemoved notes which lines that do not run a restore before the next start would not bring back either.
func (d *Drift) noteRemoved(saved []Drifted, running, wanted []rules.Table) {
	now, then := chainsOf(running), chainsOf(wanted)
	back := map[chainKey][]string{}
	for key := range then {
		back[key] = without(then[key], now[key])
	}
	for _, x := range saved {
		key := chainKey{x.Table, x.Chain}
		if i := slices.Index(back[key], x.Line); i >= 0 {
			back[key] = slices.Delete(back[key], i, i+1)
			continue
		}
		d.Removed = append(d.Removed, x)
	}
}

func (d *Drift) compare(variant rules.Variant, running, saved []rules.Table) {
	a, b := chainsOf(running), chainsOf(saved)
	for _, key := range keysOf(running, saved) {
		now, kept := a[key], b[key]
		extra, lacking := without(now, kept), without(kept, now)
		for _, line := range extra {
			d.Running = append(d.Running, Drifted{variant, key.table, key.chain, line})
		}
		for _, line := range lacking {
			d.Saved = append(d.Saved, Drifted{variant, key.table, key.chain, line})
		}
		if len(extra)+len(lacking) == 0 && !slices.Equal(now, kept) {
			d.Order = append(d.Order, Drifted{Variant: variant, Table: key.table, Chain: key.chain})
		}
	}
}

type chainKey struct{ table, chain string }

// chainsOf are the lines of each chain: what it is, where that is not a matter
// of course, and its rules.
func chainsOf(tables []rules.Table) map[chainKey][]string {
	all := map[chainKey][]string{}
	for _, t := range tables {
		for _, c := range t.Chains {
			var lines []string
			if !rules.IsBuiltIn(t.Name, c.Name) || c.Policy == "DROP" {
				lines = append(lines, ":"+c.Name+" "+c.Policy)
			}
			for _, r := range c.Rules {
				lines = append(lines, r.String())
			}
			all[chainKey{t.Name, c.Name}] = lines
		}
	}
	return all
}

// keysOf are the chains of both, in the order in which they are printed.
func keysOf(both ...[]rules.Table) []chainKey {
	var keys []chainKey
	for _, tables := range both {
		for _, t := range tables {
			for _, c := range t.Chains {
				if key := (chainKey{t.Name, c.Name}); !slices.Contains(keys, key) {
					keys = append(keys, key)
				}
			}
		}
	}
	return keys
}

// without are the lines of a that b does not have, each as often as that is so.
func without(a, b []string) []string {
	count := map[string]int{}
	for _, line := range b {
		count[line]++
	}
	var rest []string
	for _, line := range a {
		if count[line] > 0 {
			count[line]--
			continue
		}
		rest = append(rest, line)
	}
	return rest
}
