package explain

import (
	"encoding/json"
	"strconv"
	"strings"

	"nattui/rules"
)

// AppendJSON appends the member "rule" of a flow's JSON object, nothing for a flow
// that no rule has made.
func (e Explanation) AppendJSON(b []byte) []byte {
	r := e.Rule()
	if r.IsZero() && e.Confidence < Ambiguous {
		return b
	}
	b = append(b, `"rule":{`...)
	if !r.IsZero() {
		b = append(append(append(b, `"backend":"`...), r.Backend.String()...), `",`...)
		table := r.Table
		if family, name, native := strings.Cut(table, " "); native && r.Backend == rules.Native {
			b = append(appendJSON(append(b, `"family":`...), family), ',')
			table = name
		}
		b = append(appendJSON(append(b, `"table":`...), table), `,"chain":`...)
		b = append(appendJSON(b, r.Chain), `,"position":`...)
		b = append(strconv.AppendInt(b, int64(r.Position), 10), ',')
		if r.Handle != 0 {
			b = append(strconv.AppendUint(append(b, `"handle":`...), r.Handle, 10), ',')
		}
	}
	b = append(append(append(b, `"confidence":"`...), e.Confidence.String()...), '"')
	if e.Older {
		b = append(b, `,"older":true`...)
	}
	if e.Unseen != "" {
		b = appendJSON(append(b, `,"unseen":`...), e.Unseen)
	}
	if e.Arrival != "" {
		b = appendJSON(append(b, `,"arrival":`...), e.Arrival)
	}
	return append(b, '}')
}

// appendJSON appends a text as JSON has it.
func appendJSON(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			text, _ := json.Marshal(s) // a string cannot fail
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
