package rules

import (
	"strings"
	"testing"
)

// TestCountsLess: counters that were cleared are seen by the rules that translate.
func TestCountsLess(t *testing.T) {
	read := func(packets string) *Ruleset {
		tables, err := Read(strings.NewReader("*nat\n:POSTROUTING ACCEPT [0:0]\n[" + packets + ":0] -A POSTROUTING -o wan0 -j MASQUERADE\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		return &Ruleset{Tables: tables}
	}
	for now, want := range map[string]bool{"6": true, "0": true, "7": false, "8": false} {
		if got := read(now).CountsLess(read("7")); got != want {
			t.Errorf("from 7 to %s: %v", now, got)
		}
	}
	if read("0").CountsLess(nil) || (*Ruleset)(nil).CountsLess(read("7")) {
		t.Error("without a set there is something to compare")
	}
}
