package iptables

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"nattui/rules"
	"nattui/rules/nfnetlink"
)

// readBack reads the tables after a transaction. Where the kernel has announced that
// nobody else changed anything since the snapshot, only the chains that the
// transaction touched are read, with iptables -S: in a table of ten thousand rules
// that is next to nothing.
func (t *transaction) readBack(ctx context.Context) (*rules.Ruleset, error) {
	if t.found != nil {
		return t.found, nil
	}
	if set, ok := t.readTouched(ctx); ok {
		return set, nil
	}
	return t.host.readAnew(ctx, t.programs)
}

// readTouched is false where it has to be read whole.
func (t *transaction) readTouched(ctx context.Context) (*rules.Ruleset, bool) {
	if t.commits == nil || t.commits.lost || t.before.Generation == 0 || t.programs.path == "" {
		return nil, false
	}
	t.commits.catchUp()
	at := t.before.Generation
	for _, k := range t.commits.seen {
		at++
		if k.generation != at || !t.ours(k) {
			return nil, false
		}
	}
	next := *t.before
	next.Tables = slices.Clone(t.before.Tables)
	read := map[string]bool{}
	for _, c := range t.script.changes {
		if read[c.Table+" "+c.Chain] {
			continue
		}
		read[c.Table+" "+c.Chain] = true
		if c.Op == rules.DeleteChain || c.Op == rules.NewChain || !t.readChain(ctx, &next, c.Table, c.Chain) {
			return nil, false
		}
	}
	if now, err := nfnetlink.Generation(); err != nil || now != at {
		return nil, false
	}
	next.Generation = at
	t.host.recent.Lock()
	t.host.latest[t.programs.variant] = latest{set: &next, begun: time.Now()}
	t.host.recent.Unlock()
	return &next, true
}

// readChain puts a chain into the set as it is now. Its rules have the counters of
// those that they are meant to be.
func (t *transaction) readChain(ctx context.Context, set *rules.Ruleset, table, name string) bool {
	var out bytes.Buffer
	var complaint words
	cmd := command(ctx, t.programs.path, "-t", table, "-S", name)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if cmd.Run() != nil || complaint.cut > 0 || len(complaint.kept) > 0 {
		return false
	}
	meant, ok := t.want.Chain(table, name)
	if !ok {
		return false
	}
	chain := rules.Chain{Name: name, Policy: "-", Counters: meant.Counters}
	for _, line := range rules.SavedLines(out.String()) {
		if policy, ok := strings.CutPrefix(line, "-P "+name+" "); ok {
			chain.Policy = policy
			continue
		}
		if line == "-N "+name {
			continue
		}
		r, err := rules.Parse(line)
		if err != nil || r.Chain != name {
			return false
		}
		if i := len(chain.Rules); i < len(meant.Rules) && meant.Rules[i].Same(r) {
			r = meant.Rules[i]
		}
		chain.Rules = append(chain.Rules, r)
	}
	return putChain(set, table, chain)
}

// putChain puts a chain in place of the one of its name, behind the others where
// there is none; false where the table is not there.
func putChain(set *rules.Ruleset, table string, chain rules.Chain) bool {
	for ti := range set.Tables {
		t := &set.Tables[ti]
		if t.Name != table {
			continue
		}
		t.Chains = slices.Clone(t.Chains)
		i := slices.IndexFunc(t.Chains, func(c rules.Chain) bool { return c.Name == chain.Name })
		if i < 0 {
			return false // iptables-save tells where it stands
		}
		t.Chains[i] = chain
		return true
	}
	return false
}

// countersLost lists the tables of a transaction in which rules that stayed have counted less than before. Policies are
// left out: they count anew where their chain is changed.
// On legacy a table is replaced by one whose counters are 0, and its own are added afterwards: a program that is
// killed in between loses them all (iptables.c, TC_COMMIT).
func (t *transaction) countersLost(got *rules.Ruleset, changes []rules.Change) []string {
	if got.Backend != rules.Legacy || t.ended == nil { // a program that ended well has set them
		return nil
	}
	changed := map[chainLine]bool{} // equal rules that come and go count anew
	for _, c := range changes {
		changed[chainLine{c.Chain, c.Rule.String()}], changed[chainLine{c.Chain, c.Old.String()}] = true, true
	}
	return slices.DeleteFunc(touched(changes), func(name string) bool {
		before, after := countsOf(t.before, name), countsOf(got, name)
		for line, was := range before {
			if now, there := after[line]; there && !changed[line] && now.rules == was.rules && now.packets < was.packets {
				return false
			}
		}
		return true
	})
}

// count is what equal rules of a chain have counted together.
type count struct {
	rules   int
	packets uint64
}

// countsOf adds up the counters of a table's lines.
func countsOf(s *rules.Ruleset, table string) map[chainLine]count {
	all := map[chainLine]count{}
	t, ok := s.Table(table)
	if !ok {
		return all
	}
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			n := all[chainLine{c.Name, r.String()}]
			all[chainLine{c.Name, r.String()}] = count{n.rules + 1, n.packets + r.Counters.Packets}
		}
	}
	return all
}
