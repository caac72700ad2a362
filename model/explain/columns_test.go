package explain

import (
	"slices"
	"testing"

	"nattui/rules/evaluate"
)

// TestColumns: a table of text says no more of a rule than is known.
func TestColumns(t *testing.T) {
	first := evaluate.RuleRef{Chain: "PREROUTING", Position: 2}
	for _, c := range []struct {
		of   Explanation
		want [3]string
	}{
		{Explanation{DNAT: first, Confidence: Exact}, [3]string{"PREROUTING 2", "exact", "false"}},
		{Explanation{DNAT: first, Confidence: Inferred, Older: true}, [3]string{"PREROUTING 2", "inferred", "true"}},
		{Explanation{DNAT: first, Confidence: Ambiguous}, [3]string{"PREROUTING 2", "ambiguous", "false"}},
		{Explanation{Confidence: Exact}, [3]string{"none", "exact", "false"}},
		{Explanation{Confidence: Stale}, [3]string{"", "stale", "false"}},
		{Explanation{Confidence: Unknown}, [3]string{"", "unknown", "false"}},
	} {
		if got := c.of.Columns(); !slices.Equal(got[:], c.want[:]) {
			t.Errorf("%q, %q expected", got, c.want)
		}
	}
}
