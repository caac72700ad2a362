package rules

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestEditsOf: what stays of two lists is in both, in their order, and no less than the most that they have in common; what goes
// and comes is all of the rest.
func TestEditsOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 8)
		a, b := list.Draw(t, "a"), list.Draw(t, "b")
		var rest, made []string
		stays := 0
		for _, e := range EditsOf(len(a), len(b), func(i, j int) bool { return a[i] == b[j] }) {
			switch e.Sign {
			case '-':
				rest = append(rest, a[e.At-1])
			case '+':
				made = append(made, b[e.At-1])
			default:
				rest, made, stays = append(rest, b[e.At-1]), append(made, b[e.At-1]), stays+1
			}
		}
		if !slices.Equal(rest, a) || !slices.Equal(made, b) {
			t.Fatalf("of %v and %v they tell %v and %v", a, b, rest, made)
		}
		if most := longestByTrying(a, b); stays != most {
			t.Errorf("%d of %v and %v stay, of which %d are common", stays, a, b, most)
		}
	})
}

// longestByTrying tries every part of one list.
func longestByTrying(a, b []string) (most int) {
	for chosen := range 1 << len(a) {
		var part []string
		for i, x := range a {
			if chosen>>i&1 == 1 {
				part = append(part, x)
			}
		}
		rest, found := b, 0
		for _, x := range part {
			at := slices.Index(rest, x)
			if at < 0 {
				break
			}
			rest, found = rest[at+1:], found+1
		}
		if found == len(part) {
			most = max(most, found)
		}
	}
	return most
}
