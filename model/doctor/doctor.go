package doctor

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// Severity is how much a finding matters.
type Severity uint8

// The severities. A note is worth knowing and wrong with nothing; a warning
// will hurt somebody, an error hurts now.
const (
	SeverityOK Severity = iota
	SeverityNote
	SeverityWarning
	SeverityError
)

var severityNames = []string{"ok", "note", "warning", "error"}

// String is ok, note, warning or error, as in the JSON output.
func (s Severity) String() string { return severityNames[s] }

// Finding is what one check of the doctor has found.
type Finding struct {
	// Check is the check's stable name, such as forwarding-off.
	Check    string
	Severity Severity
	// Subject is what it is about: a rule, an interface, a setting.
	Subject string
	// Sentence says what is wrong, or right, and what follows from it.
	Sentence string
	// Evidence are the facts that it rests on, with their figures.
	Evidence []string
	// Cure is a plan that was tried on the values and helps there; without
	// steps there is none.
	Cure rules.Plan
	// Commands cure what a plan cannot, such as a policy route. They are for
	// an operator to run.
	Commands [][]string
}

// CureCommands are the command lines that cure it, each as argv: those of the
// plan, then those for the operator.
func (f *Finding) CureCommands() [][]string { return append(f.Cure.Commands(), f.Commands...) }

// IsProblem tells a warning or an error.
func (f *Finding) IsProblem() bool { return f.Severity >= SeverityWarning }

// Gateway is everything that the doctor looks at: one moment of the gateway, as
// values. Of what is nil or unknown nothing is said.
type Gateway struct {
	Facts *facts.Facts
	Sets  map[rules.Place]*rules.Ruleset
	Flows *flow.Flows
	// Health is that of the connection table; Earlier is the same some seconds
	// before, to tell what happens from what has happened.
	Health, Earlier facts.Health
	Surroundings
	// Probes are answers of servers that were asked for a connection, by their
	// addresses; the doctor asks nobody itself.
	Probes map[netip.AddrPort]Probe
}

// Surroundings are what bears on NAT besides rules, flows and facts.
type Surroundings struct {
	// Natives are nft tables besides those of iptables that translate too.
	Natives []rules.NativeTable
	// Filters are the filter rules that were made with nft; nil if there are none.
	Filters *facts.Nftables
	// Unseen says of each family and backend that is not shown, why.
	Unseen []string
	// Saved are the rules that are loaded at boot, a file each.
	Saved []SavedRules
	// Drift is how what runs differs from what is kept for boot, where that was
	// compared already; nil has the doctor compare with Saved itself.
	Drift *BootDrift
	// BootSettings are the settings that files set at boot; nil if those were
	// not read.
	BootSettings map[string]BootSetting
	// ReversePathDrops is how many packets the reverse path filter has dropped
	// since the network namespace was made (TcpExtIPReversePathFilter); 0 if
	// that is not known.
	ReversePathDrops uint64
}

// SavedRules are the contents of a file that is loaded at boot.
type SavedRules struct {
	Path   string
	Family rules.Family
	Tables []rules.Table
}

// BootDrift is what differs between the rules that run and those kept for boot.
type BootDrift struct {
	// Gone are rules that run and would be gone after the next start, Back those
	// that are kept and do not run; Orders is how many chains stand in another order.
	Gone, Back []string
	Orders     int
	// Nothing is kept at all. By is what restores the rules.
	Nothing bool
	By      string
}

// BootSetting is a setting as a file has it.
type BootSetting struct{ Value, Path string }

// Probe is what came of asking a server for a connection from the gateway.
type Probe struct {
	Connected bool
	// Refused is set if the server's machine answered that nobody listens.
	Refused bool
	// Why is the error's text, if there was one.
	Why string
}

// Examine looks for everything that is wrong, risky or worth knowing about the
// gateway's NAT now: the worst first. It reads values only; with 10,000 rules
// and a million flows it takes some tenths of a second.
func Examine(g *Gateway) []Finding {
	d := newDoctor(g, Now(g))
	for _, check := range []func(){
		d.reach, d.forwards, d.shares, d.rules, d.flows, d.table, d.place, d.boot,
	} {
		check()
	}
	return d.sorted()
}

// Now is the moment at which a gateway was looked at, in nanoseconds since 1970.
func Now(g *Gateway) int64 {
	now := g.Health.At
	if g.Facts != nil {
		now = max(now, g.Facts.At)
	}
	return now
}

// Worst is the highest severity among findings.
func Worst(found []Finding) Severity {
	worst := SeverityOK
	for i := range found {
		worst = max(worst, found[i].Severity)
	}
	return worst
}

// doctor is one examination.
type doctor struct {
	*Gateway
	f   *facts.Facts
	now int64

	trial  // the gateway as it is
	all    []Forward
	census *census
	found  []Finding
}

func newDoctor(g *Gateway, now int64) *doctor {
	d := &doctor{Gateway: g, f: g.Facts, now: now}
	if d.f == nil {
		d.f = &facts.Facts{Settings: facts.UnknownSettings()}
	}
	d.trial = newTrial(d.f, g.Sets, nil)
	d.all = forwardsOf(d)
	d.census = takeCensus(d)
	return d
}

// add notes a finding, unless the same has been found already; evidence of
// further subjects is added to the first.
func (d *doctor) add(f Finding) {
	if f.Check == "" || f.Severity == SeverityOK {
		return
	}
	for i := range d.found {
		old := &d.found[i]
		if old.Check != f.Check || old.Subject != f.Subject {
			continue
		}
		for _, e := range f.Evidence {
			if !slices.Contains(old.Evidence, e) && len(old.Evidence) < 8 {
				old.Evidence = append(old.Evidence, e)
			}
		}
		if f.Severity > old.Severity {
			f.Evidence = old.Evidence
			*old = f
		}
		return
	}
	d.found = append(d.found, f)
}

// has tells whether a check has found something about a subject.
func (d *doctor) has(check, subject string) bool {
	return slices.ContainsFunc(d.found, func(f Finding) bool { return f.Check == check && f.Subject == subject })
}

// alike is how many findings of one check are told; the last of them counts the rest.
const alike = 20

func (d *doctor) sorted() []Finding {
	slices.SortStableFunc(d.found, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	counts, last := map[string]int{}, map[string]int{}
	var list []Finding
	for _, f := range d.found {
		if counts[f.Check]++; counts[f.Check] <= alike {
			last[f.Check] = len(list)
			list = append(list, f)
		}
	}
	for check, n := range counts {
		if more := n - alike; more > 0 {
			f := &list[last[check]]
			f.Evidence = append(slices.Clip(f.Evidence), fmt.Sprintf("and %d more like it", more))
		}
	}
	return list
}

// places lists the rule sets in a fixed order.
func (d *doctor) places() []rules.Place {
	var list []rules.Place
	for _, b := range rules.Backends {
		for _, f := range rules.Families {
			if p := (rules.Place{Family: f, Backend: b}); d.Sets[p] != nil {
				list = append(list, p)
			}
		}
	}
	return list
}

// ruleName names a rule as a person would, with its table and place only where
// they are not the usual ones.
func ruleName(r evaluate.RuleRef) string {
	name := r.Chain
	if r.Table != "nat" && !rules.IsBuiltIn("filter", r.Chain) || r.Table == "mangle" || r.Table == "raw" || r.Table == "security" {
		name = r.Table + " " + name
	}
	if r.Position == 0 {
		name += " policy"
	} else {
		name += fmt.Sprintf(" %d", r.Position)
	}
	return name + placeNote(r.Place)
}

// placeNote names a place where it is not IPv4 on nft.
func placeNote(p rules.Place) string {
	var parts []string
	if p.Family == rules.IPv6 {
		parts = append(parts, p.Family.Title())
	}
	if p.Backend == rules.Legacy {
		parts = append(parts, p.Backend.String())
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
