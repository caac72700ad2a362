package commit

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"
	"unicode/utf8"

	"nattui/rules"
)

// text is a string that comes back from JSON byte for byte. Lines of the kernel
// need not be UTF-8; encoding/json would replace what is not.
type text string

func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(map[string][]byte{"base64": []byte(t)})
}

func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		var raw struct{ Base64 []byte }
		err := json.Unmarshal(b, &raw)
		*t = text(raw.Base64)
		return err
	}
	return json.Unmarshal(b, (*string)(t))
}

// mostText is how much is kept of what other programs say, in bytes.
const mostText = 4 << 10

// cut is a text of bounded length, for the journal.
func cut(s string) text {
	if len(s) <= mostText {
		return text(s)
	}
	end := mostText
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return text(fmt.Sprintf("%s … (%d bytes more)", s[:end], len(s)-end))
}

// record is one line of the journal: a whole entry, or what became of one.
type record struct {
	// N is the record's number, and After the checksum of the one before it.
	N        uint64     `json:"n,omitempty"`
	After    string     `json:"after,omitempty"`
	ID       string     `json:"id"`
	Kind     Kind       `json:"kind,omitempty"`
	At       time.Time  `json:"at"` // of the entry, or of this change of its state
	By       text       `json:"by,omitempty"`
	From     text       `json:"from,omitempty"`
	State    State      `json:"state"`
	Deadline *time.Time `json:"deadline,omitempty"`
	Until    *moment    `json:"until,omitempty"`
	Expires  *time.Time `json:"expires,omitempty"`
	Ends     *moment    `json:"ends,omitempty"`
	Begun    *moment    `json:"begun,omitempty"`
	Made     *moment    `json:"made,omitempty"`
	Terminal *terminal  `json:"terminal,omitempty"`
	// Operators are the addresses from which the change may have been made.
	Operators []netip.Addr `json:"operators,omitempty"`
	// Others are ways in beside those of the operators that the change may cut off.
	Others   []text `json:"others,omitempty"`
	Title    text   `json:"summary,omitempty"`
	Commands []text `json:"commands,omitempty"` // for people; not read back
	Steps    []step `json:"plan,omitempty"`
	Marks    []mark `json:"marks,omitempty"`
	Result   text   `json:"result,omitempty"`
	Leaving  text   `json:"leaving,omitempty"`
	Undoes   string `json:"undoes,omitempty"`
	Files    []File `json:"files,omitempty"`
	// Update marks a record that changes an entry's state and repeats only what changed.
	Update bool `json:"update,omitempty"`
}

// step is a rules.Step with stable names.
type step struct {
	Op        string `json:"op"` // a rules.Op, "sysctl", "order", "native" or "forget"
	Why       text   `json:"why,omitempty"`
	Family    string `json:"family,omitempty"`
	Backend   string `json:"backend,omitempty"`
	Table     string `json:"table,omitempty"`
	Chain     text   `json:"chain,omitempty"`
	At        int    `json:"at,omitempty"`
	To        int    `json:"to,omitempty"`
	Rule      text   `json:"rule,omitempty"`
	Old       text   `json:"old,omitempty"`
	Next      text   `json:"next,omitempty"`
	ByNumber  bool   `json:"by-number,omitempty"`
	Policy    string `json:"policy,omitempty"`
	OldPolicy string `json:"old-policy,omitempty"`
	Program   string `json:"program,omitempty"`

	Sysctl *rules.Sysctl       `json:"sysctl,omitempty"`
	Forget *rules.Forget       `json:"forget,omitempty"`
	Order  *rules.Order        `json:"order,omitempty"`
	Native *rules.NativeChange `json:"native,omitempty"`
}

func ruleText(r rules.Rule) text {
	if r.IsZero() {
		return ""
	}
	line := r.String()
	if r.Counters.Known {
		line = fmt.Sprintf("[%d:%d] %s", r.Counters.Packets, r.Counters.Bytes, line)
	}
	return text(line)
}

func (t text) rule() (rules.Rule, error) {
	if t == "" {
		return rules.Rule{}, nil
	}
	return rules.Parse(string(t))
}

func stepOf(s rules.Step) step {
	switch {
	case s.Sysctl != nil:
		return step{Op: "sysctl", Why: text(s.Why), Sysctl: s.Sysctl}
	case s.Forget != nil:
		return step{Op: "forget", Why: text(s.Why), Forget: s.Forget}
	case s.Order != nil:
		return step{Op: "order", Why: text(s.Why), Order: s.Order}
	case s.Native != nil:
		return step{Op: "native", Why: text(s.Why), Native: s.Native}
	case s.Change == nil:
		return step{Op: "nothing", Why: text(s.Why)}
	}
	c := s.Change
	return step{
		Op: c.Op.String(), Why: text(s.Why), Family: c.Family.String(), Backend: c.Backend.String(), Table: c.Table, Chain: text(c.Chain),
		At: c.At, To: c.To, Rule: ruleText(c.Rule), Old: ruleText(c.Old), Next: text(c.Next), ByNumber: c.ByNumber,
		Policy: c.Policy, OldPolicy: c.OldPolicy, Program: c.Program,
	}
}

func (w step) step() (rules.Step, error) {
	out := rules.Step{Why: string(w.Why), Sysctl: w.Sysctl, Forget: w.Forget, Order: w.Order, Native: w.Native}
	if w.Op == "sysctl" || w.Op == "order" || w.Op == "native" || w.Op == "forget" || w.Op == "nothing" {
		return out, nil
	}
	c := rules.Change{
		Table: w.Table, Chain: string(w.Chain), At: w.At, To: w.To, Next: string(w.Next), ByNumber: w.ByNumber,
		Policy: w.Policy, OldPolicy: w.OldPolicy, Program: w.Program,
	}
	var err error
	known := false
	for op := rules.Insert; op <= rules.DeleteChain; op++ {
		if op.String() == w.Op {
			c.Op, known = op, true
		}
	}
	if !known {
		return out, fmt.Errorf("unknown step %q", w.Op)
	}
	if c.Family, err = rules.ParseFamily(w.Family); err != nil {
		return out, err
	}
	if c.Backend, err = rules.ParseBackend(w.Backend); err != nil {
		return out, err
	}
	if c.Rule, err = w.Rule.rule(); err != nil {
		return out, err
	}
	if c.Old, err = w.Old.rule(); err != nil {
		return out, err
	}
	out.Change = &c
	return out, nil
}

// recordOf is the record of a whole entry.
func recordOf(e *Entry) record {
	r := updateOf(e)
	r.Update = false
	r.Kind, r.At, r.By, r.From, r.Undoes, r.Files = e.Kind, e.At, cut(e.By), cut(e.From), e.Undoes, e.Files
	r.Title = cut(e.Plan.Title)
	r.Begun, r.Operators = &e.begun, e.operators
	for _, other := range e.others {
		r.Others = append(r.Others, cut(other))
	}
	if e.terminal != (terminal{}) {
		r.Terminal = &e.terminal
	}
	r.setPlan(e)
	return r
}

// updateOf is the record of an entry's new state.
func updateOf(e *Entry) record {
	r := record{ID: e.ID, State: e.State, Result: cut(e.Result), Leaving: cut(e.leaving), Update: true}
	if !e.deadline.zero() {
		r.Deadline, r.Until = &e.Deadline, &e.deadline
	}
	if !e.expires.zero() {
		r.Expires, r.Ends = &e.Expires, &e.expires
	}
	if !e.made.zero() {
		r.Made = &e.made
	}
	return r
}

// withPlan is the record of an entry's new state and of its plan as it is now.
func withPlan(e *Entry) record {
	r := updateOf(e)
	r.setPlan(e)
	return r
}

func (r *record) setPlan(e *Entry) {
	for _, s := range e.Plan.Steps {
		r.Steps = append(r.Steps, stepOf(s))
	}
	for _, line := range e.Commands() {
		r.Commands = append(r.Commands, text(line))
	}
	r.Marks = e.marks
}

// take brings an entry up to the record.
func (e *Entry) take(r record) error {
	if !r.Update {
		*e = Entry{ID: r.ID, Kind: r.Kind, At: r.At, By: string(r.By), From: string(r.From), Undoes: r.Undoes, Files: r.Files, operators: r.Operators}
		e.Plan.Title = string(r.Title)
		for _, other := range r.Others {
			e.others = append(e.others, string(other))
		}
	}
	e.State, e.Result, e.leaving = r.State, string(r.Result), string(r.Leaving)
	if r.Begun != nil {
		e.begun = *r.Begun
	}
	if r.Made != nil {
		e.made = *r.Made
	}
	if r.Terminal != nil {
		e.terminal = *r.Terminal
	}
	e.Deadline, e.deadline = time.Time{}, moment{}
	if r.Until != nil && r.Deadline != nil {
		e.Deadline, e.deadline = *r.Deadline, *r.Until
	}
	e.Expires, e.expires = time.Time{}, moment{}
	if r.Ends != nil && r.Expires != nil {
		e.Expires, e.expires = *r.Expires, *r.Ends
	}
	if len(r.Steps) > 0 {
		e.Plan.Steps = nil
		for _, w := range r.Steps {
			s, err := w.step()
			if err != nil {
				return err
			}
			e.Plan.Steps = append(e.Plan.Steps, s)
		}
		e.marks = r.Marks
	}
	return nil
}
