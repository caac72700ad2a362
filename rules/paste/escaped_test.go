package paste

import (
	"fmt"
	"strings"
	"testing"

	"nattui/rules"
)

// TestEscapedWords: a word is read back as ShellWord writes it, and as a shell reads other escapes.
func TestEscapedWords(t *testing.T) {
	read := func(word string) string {
		t.Helper()
		im := Read("iptables -t nat -A PREROUTING -d 203.0.113.1 -p tcp --dport 80 -m comment --comment "+word+" -j DNAT --to-destination 192.168.0.2", ground())
		if len(im.Plan.Steps) != 1 || im.Plan.Steps[0].Change == nil {
			t.Fatalf("%s: %+v", word, im.Remarks)
		}
		return im.Plan.Steps[0].Change.Rule.Comment()
	}
	for _, want := range []string{"a\u202ez", "it's\u200b", "\u00ad\\n", "plain", "with space", "ü\u2066"} {
		if got := read(rules.ShellWord(want)); got != want {
			t.Errorf("%s is read as %q, not %q", rules.ShellWord(want), got, want)
		}
	}
	for word, want := range map[string]string{`$'\x41\102\u0043\U00000044'e`: "ABCDe", `$'\'"\\'`: `'"\`, `a$'b'"c"`: "abc", `$'\q'`: `\q`} {
		if got := read(word); got != want {
			t.Errorf("%s is read as %q, not %q", word, got, want)
		}
	}
	im := Read("iptables -A INPUT -m comment --comment $'open -j ACCEPT", ground())
	if len(im.Remarks) == 0 || !strings.Contains(fmt.Sprint(im.Remarks), "never closed") {
		t.Errorf("of a quote that is not closed it says %+v", im.Remarks)
	}
}
