package doctor

import (
	"fmt"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// reachLimit is how many findings of one kind are told for rules of other programs.
const reachLimit = 5

// reach tells of rules of the nat tables that no packet ever meets.
func (d *doctor) reach() {
	for _, p := range d.places() {
		told := map[string]int{}
		for _, r := range d.programs[d.sets[p]].Reach("nat") {
			d.unreached(r, told)
		}
	}
}

func (d *doctor) unreached(r evaluate.DeadRule, told map[string]int) {
	check := map[evaluate.DeadKind]string{
		evaluate.Shadowed: "shadowed-rule", evaluate.Duplicate: "duplicate-rule", evaluate.AfterAll: "rule-after-all", evaluate.Orphaned: "chain-unreached",
	}[r.Kind]
	owner := rules.ChainOwner(r.Chain)
	if r.Rule != nil && owner == "" {
		owner = rules.OwnerOf(*r.Rule)
	}
	found := Finding{Check: check, Severity: SeverityWarning, Subject: ruleName(r.RuleRef), Sentence: r.Sentence()}
	if r.Kind == evaluate.Orphaned {
		found.Subject, found.Severity = r.Chain+placeNote(r.Place), SeverityNote
	}
	if owner != "" {
		if told[owner+check]++; told[owner+check] > reachLimit {
			return
		}
		found.Severity = SeverityNote
		found.Sentence += " It is " + owner + "'s."
	}
	if r.ByRule != nil {
		found.Evidence = []string{fmt.Sprintf("%s: %s", ruleName(r.By), r.ByRule)}
	}
	if r.Rule != nil && r.Rule.Counters.Known {
		found.Evidence = append(found.Evidence, fmt.Sprintf("the rule has met %d packets", r.Rule.Counters.Packets))
	}
	if r.Rule != nil && owner == "" {
		switch {
		case r.Kind == evaluate.Duplicate:
			c := d.change(rules.Delete, r.RuleRef)
			c.Rule = *r.Rule
			found.Cure = rules.Plan{Title: fmt.Sprintf("Delete rule %d of %s, which is there twice", r.Position, r.Chain), Steps: []rules.Step{{Change: &c, Why: "the first of the two does all the work"}}}
		case r.By.Chain == r.Chain && r.ByRule != nil && r.Rule.Target.Kind.Translates():
			found.Cure = d.moveBefore(r.RuleRef, *r.Rule, r.By.Position, func(*trial) bool { return true })
		}
	}
	d.add(found)
}

// rules looks at each translating rule of the administrator's for itself.
func (d *doctor) rules() {
	for _, p := range d.places() {
		w := walker{doctor: d}
		w.walk(evaluate.RuleRef{Place: p, Table: "nat", Chain: "PREROUTING"}, sketch{family: p.Family}, func(at evaluate.RuleRef, r *rules.Rule, s sketch) {
			if ownerOf(r, s) == "" {
				d.catchesAll(at, r, s)
			}
		})
		d.neverMet(p)
		d.foreign(p)
	}
	d.helpers()
}

// catchesAll tells of a translation that takes what is meant for somebody else.
func (d *doctor) catchesAll(at evaluate.RuleRef, r *rules.Rule, s sketch) {
	if r.Target.Kind != rules.DNAT && r.Target.Kind != rules.Redirect || !s.dst.Any() || !s.in.Any() || s.toHost || s.marked || s.unsure || !s.src.Any() || len(s.notIn) > 0 {
		return
	}
	wan, ok := d.uplink(at.Family)
	if !ok {
		return
	}
	found := Finding{
		Check: "dnat-too-wide", Severity: SeverityWarning, Subject: ruleName(at), Evidence: []string{r.String()},
		Sentence: "The rule names neither an address nor an interface: it also takes what machines inside send to anybody in the world at that port.",
	}
	changed := *r
	if r.Target.Kind == rules.Redirect {
		found.Check = "redirect-too-wide"
		found.Sentence = "The rule names no interface: it also takes what comes from the world, so that everybody can use the local service."
		inner := d.innerLinks(at.Family, wan)
		if len(inner) == 1 {
			changed.In = rules.Iface{Name: inner[0]}
		} else {
			changed.In = rules.Iface{Not: true, Name: wan}
		}
	} else {
		changed.Matches = append(slices.Clone(changed.Matches), rules.AddrType{Dest: &rules.TypesMatch{Types: []string{"LOCAL"}}})
	}
	found.Cure = rules.Plan{
		Title: fmt.Sprintf("Let rule %d of %s take only what is meant for it", at.Position, at.Chain),
		Steps: []rules.Step{d.replace(at, *r, changed, "what is meant for others passes untouched")},
	}
	d.add(found)
}

// innerLinks are the links with networks inside.
func (d *doctor) innerLinks(family rules.Family, wan string) []string {
	var list []string
	for _, l := range d.f.Links {
		if l.Name == wan || l.Kind == "loopback" || !l.Up || d.outward(l.Name) {
			continue
		}
		if slices.ContainsFunc(d.f.AddressesOn(l.Name), func(a facts.Address) bool { return family.Holds(a.Prefix.Addr()) && a.Scope == facts.ScopeGlobal }) {
			list = append(list, l.Name)
		}
	}
	return list
}

// missingLink tells of a rule that names an interface which is not there.
func (d *doctor) missingLink(at evaluate.RuleRef, r *rules.Rule, name string) Finding {
	found := Finding{
		Check: "interface-missing", Severity: SeverityWarning, Subject: ruleName(at), Evidence: []string{r.String(), "interfaces: " + d.linkNames()},
		Sentence: fmt.Sprintf("There is no interface %s: the rule matches nothing.", name),
	}
	for _, comes := range [...]string{"ppp", "tun", "tap", "wg", "vpn"} {
		if strings.HasPrefix(name, comes) {
			found.Severity = SeverityNote
			found.Sentence = fmt.Sprintf("There is no interface %s now: the rule matches nothing until it comes up.", name)
			return found
		}
	}
	wan, ok := d.uplink(at.Family)
	if !ok || rules.OwnerOf(*r) != "" {
		return found
	}
	changed := *r
	if r.In.Name == name && r.Target.Kind == rules.DNAT {
		changed.In.Name = wan
	} else if r.Out.Name == name {
		changed.Out.Name = wan
	} else {
		return found
	}
	found.Cure = rules.Plan{
		Title: fmt.Sprintf("Let rule %d of %s name %s, the way to the world", at.Position, at.Chain, wan),
		Steps: []rules.Step{d.replace(at, *r, changed, "")},
	}
	return found
}

func (d *doctor) linkNames() string {
	var names []string
	for _, l := range d.f.Links {
		names = append(names, l.Name)
	}
	return strings.Join(names, ", ")
}

// neverMet tells, in one note, of the administrator's rules that no packet has met.
func (d *doctor) neverMet(p rules.Place) {
	t, ok := d.sets[p].Table("nat")
	if !ok {
		return
	}
	var idle []string
	met := false
	for i := range t.Chains {
		c := &t.Chains[i]
		for j := range c.Rules {
			r := &c.Rules[j]
			met = met || r.Counters.Packets > 0
			if r.Counters.Known && r.Counters.Packets == 0 && r.Target.Kind.Translates() && rules.OwnerOf(*r) == "" {
				idle = append(idle, fmt.Sprintf("%s %d", c.Name, j+1))
			}
		}
	}
	if len(idle) == 0 || !met {
		return // the counters have just begun
	}
	sentence := fmt.Sprintf("%s have met no packet since they were made or their counters set to zero.", rules.Plural(len(idle), "rule"))
	if len(idle) == 1 {
		sentence = "One rule has met no packet since it was made or its counter set to zero."
	}
	d.add(Finding{Check: "never-met", Severity: SeverityNote, Subject: "nat" + placeNote(p), Sentence: sentence, Evidence: []string{strings.Join(idle[:min(len(idle), 12)], ", ")}})
}

// foreign tells of tables that iptables cannot show whole.
func (d *doctor) foreign(p rules.Place) {
	for _, t := range []string{"nat", "filter", "mangle", "raw"} {
		if what := d.sets[p].Foreign[t]; what != "" {
			d.add(Finding{
				Check: "read-only-table", Severity: SeverityWarning, Subject: "table " + t + placeNote(p), Evidence: []string{what},
				Sentence: fmt.Sprintf("The table %s holds what iptables does not show (%s) and would delete with -F or a restore: nattui only reads it; change it with nft.", t, what),
			})
		}
	}
}

// helped are protocols that need the kernel's help behind NAT, because they talk
// of addresses inside of their packets.
var helped = []struct {
	proto    rules.Protocol
	port     uint16
	name     string
	severity Severity
	why      string
}{
	{rules.TCP, 21, "ftp", SeverityWarning, "FTP opens a second connection for every transfer, which no rule forwards unless a helper listens to the first one"},
	{rules.UDP, 5060, "sip", SeverityNote, "SIP names addresses for the voice in its messages; without a helper one side may hear nothing, unless the telephone exchange is told its public address"},
	{rules.UDP, 69, "tftp", SeverityWarning, "TFTP answers from another port, which is let through only with a helper"},
	{rules.TCP, 1723, "pptp", SeverityWarning, "PPTP carries its data in GRE, which is translated only with a helper"},
}

// helpers tells of forwards whose protocol needs one.
func (d *doctor) helpers() {
	for i := range d.all {
		f := &d.all[i]
		if f.local || f.Owner != "" || d.f.Settings.ConntrackHelper == facts.SettingOn {
			continue
		}
		for _, h := range helped {
			if h.proto != f.Proto || h.port != f.Asked.Port() && h.port != f.Server.Port() || d.hasHelper(h.name) {
				continue
			}
			if f.via.dport != rules.Port(f.Asked.Port()) {
				continue // a wider range than just this
			}
			found := Finding{
				Check: "helper-missing", Severity: h.severity, Subject: ruleName(f.Rule), Evidence: []string{f.String(), "no rule of table raw gives it the helper " + h.name},
				Sentence: h.why + ".",
			}
			name := rules.ProtoName(f.Proto)
			line := fmt.Sprintf("-A %%s -d %s -p %s -m %s --dport %d -j CT --helper %s", whole(f.Asked.Addr()), name, name, f.Asked.Port(), h.name)
			if step, ok := d.insert(evaluate.RuleRef{Place: f.Rule.Place, Table: "raw", Chain: "PREROUTING"}, line, "kernels no longer choose helpers by port; a rule has to give them"); ok {
				found.Cure = rules.Plan{Title: "Give " + strings.ToUpper(h.name) + " its helper", Steps: []rules.Step{step}}
				found.Sentence += " The module nf_nat_" + h.name + " has to be loaded as well: modprobe nf_nat_" + h.name + "."
			}
			d.add(found)
		}
	}
}

func (d *doctor) hasHelper(name string) bool {
	for _, p := range d.places() {
		t, ok := d.sets[p].Table("raw")
		if !ok {
			continue
		}
		for i := range t.Chains {
			for j := range t.Chains[i].Rules {
				to := t.Chains[i].Rules[j].Target
				if at := slices.Index(to.Options, "--helper"); to.Name == "CT" && at >= 0 && at+1 < len(to.Options) && to.Options[at+1] == name {
					return true
				}
			}
		}
	}
	return false
}

// exposed tells of ports that Docker publishes past rules of INPUT which seem to
// close them: what is forwarded never comes to INPUT.
func (d *doctor) exposed() {
	for i := range d.all {
		f := &d.all[i]
		if f.Owner != "docker" || f.local || f.Link == "" || !d.outward(f.Link) {
			continue
		}
		x := d.fate(f.packet)
		if !x.arrives() {
			continue
		}
		closer, policy, ok := d.closedByInput(f)
		if !ok {
			continue
		}
		found := Finding{
			Check: "published-past-input", Severity: SeverityWarning, Subject: fmt.Sprintf("%s %s", f.Proto, f.Asked), Evidence: []string{closer, f.String()},
			Sentence: fmt.Sprintf("Docker publishes port %d to the world although INPUT seems to close it: what Docker forwards never comes to INPUT.", f.Asked.Port()),
		}
		if policy {
			found.Severity = SeverityNote
		}
		name := rules.ProtoName(f.Proto)
		line := fmt.Sprintf("-A %%s -i %s -p %s -m conntrack --ctorigdstport %d --ctdir ORIGINAL -j DROP", f.Link, name, f.Asked.Port())
		for _, p := range d.places() {
			if _, ok := d.sets[p].Chain("filter", "DOCKER-USER"); !ok || p.Family != f.Rule.Family {
				continue
			}
			if step, ok := d.insert(evaluate.RuleRef{Place: p, Table: "filter", Chain: "DOCKER-USER", Position: 1}, line, "DOCKER-USER is where rules for published ports belong"); ok {
				found.Cure = rules.Plan{Title: fmt.Sprintf("Close port %d to what comes by %s", f.Asked.Port(), f.Link), Steps: []rules.Step{step}}
				break
			}
		}
		d.add(found)
	}
}

// closedByInput tells what would become of a published port if it were this
// host's own: whether a rule or the policy of INPUT drops it.
func (d *doctor) closedByInput(f *Forward) (by string, policy, closed bool) {
	bare := trial{facts: d.f, sets: map[rules.Place]*rules.Ruleset{}}
	for p, s := range d.sets {
		without := *s
		without.Tables = slices.DeleteFunc(slices.Clone(s.Tables), func(t rules.Table) bool { return t.Name == "nat" })
		bare.sets[p] = &without
	}
	bare = newTrial(bare.facts, bare.sets, nil)
	p := f.packet
	x := bare.fate(p)
	o, blocked := x.blocked()
	if !blocked || o.DroppedBy.IsZero() {
		return "", false, false
	}
	return ruleName(o.DroppedBy) + ": " + d.dropperText(o.DroppedBy), o.DroppedBy.Position == 0, true
}
