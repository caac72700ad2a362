package nft

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestCommon: what two lists are said to have in common is in both, in their order, and no shorter than what a simple search
// of one in the other finds.
func TestCommon(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 8)
		a, b := list.Draw(t, "a"), list.Draw(t, "b")
		pairs := common(a, b)
		last := [2]int{-1, -1}
		for _, p := range pairs {
			if p[0] <= last[0] || p[1] <= last[1] || a[p[0]] != b[p[1]] {
				t.Fatalf("%v of %v and %v", pairs, a, b)
			}
			last = p
		}
		if most := longestByTrying(a, b); len(pairs) != most {
			t.Errorf("%v of %v and %v, of which %d are common", pairs, a, b, most)
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
