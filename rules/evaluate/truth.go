package evaluate

import (
	"nattui/rules"
)

// Truth is the answer of a match in a logic of three values: a match that the
// packet as given cannot decide is unknown.
type Truth uint8

// The three answers, so ordered that the smallest of several is their "and".
const (
	No Truth = iota
	Unknown
	Yes
)

var truths = [...]string{"no", "unknown", "match"}

// String is no, unknown or match, as in the JSON output.
func (t Truth) String() string { return truths[t] }

func truth(b bool) Truth {
	if b {
		return Yes
	}
	return No
}

func (t Truth) flip(not bool) Truth {
	if not {
		return Yes - t
	}
	return t
}

// within compares a set of possible ports with the ports a rule wants.
func within(have, want rules.Ports) Truth {
	switch {
	case want.Lo > want.Hi || have.Hi < want.Lo || have.Lo > want.Hi:
		return No
	case want.Lo <= have.Lo && have.Hi <= want.Hi:
		return Yes
	}
	return Unknown
}
