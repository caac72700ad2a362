package nftables

import "testing"

// What nft only marks with carets is said in words.
func TestRefusalNamesWhatIsAbsent(t *testing.T) {
	const absent = "/dev/stdin:1:13-18: Error: Could not process rule: No such file or directory\n"
	for _, c := range []struct{ said, want string }{
		{
			absent + "add rule ip nosuch prerouting tcp dport 80 accept\n            ^^^^^^\n",
			absent[:len(absent)-1] + " | add rule ip nosuch prerouting tcp dport 80 accept | there is no table ip nosuch; make it first: nft add table ip nosuch",
		},
		{
			absent + "add rule ip nat pre tcp dport 80 accept\n                ^^^\n",
			absent[:len(absent)-1] + " | add rule ip nat pre tcp dport 80 accept | there is no chain pre in table ip nat; make it first",
		},
		{
			absent + "delete table inet gone\n                  ^^^^\n",
			absent[:len(absent)-1] + " | delete table inet gone | there is no gone",
		},
		{
			"/dev/stdin:1:1-3: Error: syntax error, unexpected string\nfoo bar\n^^^\n",
			"/dev/stdin:1:1-3: Error: syntax error, unexpected string | foo bar",
		},
		{absent + "short\n            ^^^^^^\n", absent[:len(absent)-1] + " | short"},
		{"^^^\n", ""},
	} {
		if got := refusal(c.said, nil); got != c.want {
			t.Errorf("%q:\n%q, not\n%q", c.said, got, c.want)
		}
	}
}
