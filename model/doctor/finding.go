package doctor

import (
	"cmp"
	"fmt"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// Severity is how much a finding matters.
type Severity uint8

// The severities. Unseen is what nothing speaks against and nobody has tried yet: it is not ok, and does not count for
// the gateway. Unknown is what could not be told, which is never ok either; a note is worth knowing and wrong with
// nothing; a warning will hurt somebody, an error hurts now.
const (
	SeverityOK Severity = iota
	SeverityUnseen
	SeverityUnknown
	SeverityNote
	SeverityWarning
	SeverityError
)

var severityNames = []string{"ok", "unseen", "unknown", "note", "warning", "error"}

// String is ok, unseen, unknown, note, warning or error, as in the JSON output.
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

	// narrows is a rule whose packets the cure is to keep from it, takesOver is set if the cure gives packets of
	// other forwards to this one.
	narrows   evaluate.RuleRef
	spares    bool // of these only what is asked of others' addresses
	takesOver bool
	// partly is set where it says for whom it does not hold.
	partly bool

	forward bool // told only to who asks for the forward: it is so of every rule of its kind
	spare   bool // told only where no other check has told the same of the subject
}

// CureCommands are the command lines that cure it, each as argv: those of the
// plan, then those for the operator.
func (f *Finding) CureCommands() [][]string { return append(f.Cure.Commands(), f.Commands...) }

// Mark is how a severity stands in lists: its name, and ? for what is not known.
func (s Severity) Mark() string {
	if s == SeverityUnknown {
		return "?"
	}
	return s.String()
}

// IsProblem tells a warning or an error.
func (f *Finding) IsProblem() bool { return f.Severity >= SeverityWarning }

// unknown is a finding that something could not be told, and why.
func unknown(sentence string, evidence ...string) Finding {
	return Finding{Severity: SeverityUnknown, Sentence: sentence, Evidence: evidence}
}

// Unseen tells that nobody has tried what some of the findings are about.
func Unseen(found []Finding) bool {
	return slices.ContainsFunc(found, func(f Finding) bool { return f.Severity == SeverityUnseen })
}

// Unknown is how many of the findings say that something could not be told.
func Unknown(found []Finding) (n int) {
	for i := range found {
		if found[i].Severity == SeverityUnknown {
			n++
		}
	}
	return n
}

// Worst is the highest severity among findings.
func Worst(found []Finding) Severity {
	worst := SeverityOK
	for i := range found {
		worst = max(worst, found[i].Severity)
	}
	return worst
}

// report collects the findings of all checks.
type report []Finding

// take adds findings. What has been found of a subject already is not told twice: new evidence is added to
// the first finding, and the more severe of the two is told.
func (r *report) take(found []Finding) {
	for _, f := range found {
		if f.Check != "" && f.Severity > SeverityUnseen {
			r.add(f)
		}
	}
}

func (r *report) add(f Finding) {
	i := slices.IndexFunc(*r, func(old Finding) bool { return old.Check == f.Check && old.Subject == f.Subject })
	if i < 0 {
		*r = append(*r, f)
		return
	}
	old := &(*r)[i]
	if f.spare {
		return
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
}

// alike is how many findings of one check are told; the last of them counts the rest.
const alike = 20

// sorted is what there is to tell, the worst first.
func (r report) sorted() []Finding {
	slices.SortStableFunc(r, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	counts, last := map[string]int{}, map[string]int{}
	var list []Finding
	for _, f := range r {
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
