package commit

import (
	"strings"
	"testing"
)

// TestLogNamesWhatWasSaved has the log say something of a change without commands.
func TestLogNamesWhatWasSaved(t *testing.T) {
	e := &Entry{ID: "7", Kind: KindSave, State: Applied, By: "root"}
	e.Plan.Title = "Save the rules for boot."
	for range 20 {
		e.Files = append(e.Files, File{Path: "/etc/iptables/rules.v4"})
	}
	got := sentenceOf(e)
	if !strings.Contains(got, "change 7 by root is applied: Save the rules for boot. /etc/iptables/rules.v4") || !strings.HasSuffix(got, "and 12 more files") {
		t.Errorf("%q", got)
	}
}
