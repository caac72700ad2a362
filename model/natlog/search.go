package natlog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"
	"time"
)

// Search looks through a log of JSON for who had an address, with a port or without, at a time. Lines may come in any
// order, from several files. What it keeps grows with what it finds, not with the log.
type Search struct {
	// Address is what is sought; port 0 is any port.
	Address netip.AddrPort
	// At is when; Within is by how much the clocks may differ.
	At     time.Time
	Within time.Duration

	needle []byte
	met    []line
	runs   []line // starts and stops
	losses []line
	latest time.Time // of any line
	// Malformed counts lines that are no records.
	Malformed int
}

// line is a line of a log, as far as the search needs it.
type line struct {
	Event string    `json:"event"`
	At    time.Time `json:"at"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	Proto string    `json:"proto"`
	Zone  uint16    `json:"zone"`
	ID    uint32    `json:"id"`
	NAT   string    `json:"nat"`
	Orig  ends      `json:"orig"`
	Reply ends      `json:"reply"`
	Found bool      `json:"found"`
	Count uint64    `json:"count"`
	Open  uint64    `json:"open"`
	text  []byte
}

type ends struct {
	Src   netip.Addr `json:"src"`
	SPort uint16     `json:"sport"`
	Dst   netip.Addr `json:"dst"`
	DPort uint16     `json:"dport"`
}

// Line looks at a line of the log.
func (s *Search) Line(text []byte) {
	if len(bytes.TrimSpace(text)) == 0 {
		return
	}
	if s.needle == nil {
		s.needle = []byte(`"` + s.Address.Addr().String() + `"`)
	}
	s.reaches(text)
	ours := bytes.Contains(text, s.needle)
	if !ours && (bytes.Contains(text, []byte(`"event":"begin"`)) || bytes.Contains(text, []byte(`"event":"end"`))) {
		return
	}
	var l line
	if err := json.Unmarshal(text, &l); err != nil || l.At.IsZero() {
		s.Malformed++
		return
	}
	switch l.Event {
	case "begin", "end":
		if s.role(&l) != "" {
			l.text = bytes.TrimSpace(bytes.Clone(text))
			s.met = append(s.met, l)
		}
	case "lost":
		s.losses = append(s.losses, l)
	case "start", "stop":
		s.runs = append(s.runs, l)
	}
}

// reaches notes up to when the log tells anything.
func (s *Search) reaches(text []byte) {
	const member = `"at":"`
	i := bytes.Index(text, []byte(member))
	if i < 0 {
		return
	}
	value, _, _ := bytes.Cut(text[i+len(member):], []byte(`"`))
	if at, err := time.Parse(time.RFC3339Nano, string(value)); err == nil && at.After(s.latest) {
		s.latest = at
	}
}

// role is what the address was to a connection: seen_as (the address that its client was given), asked (the one that the
// client asked for), client or server; "" if it was none of them.
func (s *Search) role(l *line) string {
	is := func(a netip.Addr, port uint16) bool {
		return a == s.Address.Addr() && (s.Address.Port() == 0 || port == s.Address.Port())
	}
	switch {
	case is(l.Reply.Dst, l.Reply.DPort):
		return "seen_as"
	case is(l.Orig.Dst, l.Orig.DPort):
		return "asked"
	case is(l.Orig.Src, l.Orig.SPort):
		return "client"
	case is(l.Reply.Src, l.Reply.SPort):
		return "server"
	}
	return ""
}

// Answer is a connection that had the address at the time.
type Answer struct {
	// As is what the address was to it: seen_as, asked, client or server.
	As string
	// Began and Ended are when; zero: not in the log.
	Began, Ended time.Time
	// Certain is false where the log does not tell that the connection was there at the time: its beginning or end is
	// missing, or was found later.
	Certain bool
	// Line is the last line of the log about it.
	Line []byte
}

// key is what the lines of one connection have in common.
type key struct {
	proto       string
	zone        uint16
	id          uint32
	orig, reply ends
}

// Answers are the connections that had the address at the time, the oldest first.
func (s *Search) Answers() (answers []Answer) {
	slices.SortStableFunc(s.met, func(a, b line) int { return a.At.Compare(b.At) })
	open := map[key]*Answer{}
	take := func(a *Answer) {
		if s.holds(a) {
			answers = append(answers, *a)
		}
	}
	for i := range s.met {
		l := &s.met[i]
		k := key{l.Proto, l.Zone, l.ID, l.Orig, l.Reply}
		a := open[k]
		if l.Event == "begin" {
			if a != nil {
				take(a) // its end is missing
			}
			open[k] = &Answer{As: s.role(l), Began: orTime(l.Start, l.At), Certain: !l.Found, Line: l.text}
			continue
		}
		if a == nil {
			a = &Answer{As: s.role(l), Began: l.Start, Certain: true}
		}
		a.Began, a.Ended, a.Line = orTime(l.Start, a.Began), orTime(l.End, l.At), l.text
		a.Certain = a.Certain && !l.Found
		take(a)
		delete(open, k)
	}
	for _, a := range open {
		take(a)
	}
	slices.SortFunc(answers, func(a, b Answer) int { return cmp.Or(a.Began.Compare(b.Began), bytes.Compare(a.Line, b.Line)) })
	return answers
}

// holds tells whether a connection was there at the time, and notes where that is not certain.
func (s *Search) holds(a *Answer) bool {
	if !a.Began.IsZero() && a.Began.After(s.At.Add(s.Within)) || !a.Ended.IsZero() && a.Ended.Before(s.At.Add(-s.Within)) {
		return false
	}
	if a.Began.IsZero() || a.Ended.IsZero() && s.interrupted(a.Began) {
		a.Certain = false
	}
	if !a.Began.IsZero() && a.Began.After(s.At) || !a.Ended.IsZero() && a.Ended.Before(s.At) {
		a.Certain = false // within the difference of the clocks only
	}
	return true
}

// interrupted tells whether an end between a beginning and the time could be missing: the log stopped, or lost something, or does
// not reach so far, or has lines that cannot be read.
func (s *Search) interrupted(began time.Time) bool {
	between := func(l line) bool { return l.At.After(began) && !l.At.After(s.At.Add(s.Within)) }
	return s.Malformed > 0 || s.At.After(s.latest.Add(s.Within)) || slices.ContainsFunc(s.runs, between) || slices.ContainsFunc(s.losses, between)
}

// Gaps says why an answer may be missing: how many events were lost up to the time, how many connections had begun before
// the log did and may not have ended by then, and whether the log covers the time at all.
func (s *Search) Gaps() (lost, before uint64, covered bool) {
	for i := range s.losses {
		if !s.losses[i].At.After(s.At.Add(s.Within)) {
			lost += s.losses[i].Count
		}
	}
	slices.SortStableFunc(s.runs, func(a, b line) int { return a.At.Compare(b.At) })
	for i := range s.runs {
		if r := &s.runs[i]; !r.At.After(s.At) {
			if covered = r.Event == "start"; covered {
				before = r.Open
			}
		}
	}
	return lost, before, covered && !s.At.After(s.latest.Add(s.Within))
}

// orTime is the first of two times that is known.
func orTime(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}
