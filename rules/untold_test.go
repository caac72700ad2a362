package rules

import (
	"strings"
	"testing"
)

// TestUntold: only what a rule's sentence does not tell is named as such.
func TestUntold(t *testing.T) {
	for line, want := range map[string]string{
		`-A X -p tcp -m tcp --dport 3001 -m limit --limit 1/sec -j ACCEPT`:                                                 "",
		`-A X -m limit --limit 1/sec --limit-burst 5 -j ACCEPT`:                                                            "",
		`-A X -m set ! --match-set allowed src -j DROP`:                                                                    "",
		`-A X -m connlimit --connlimit-above 20 --connlimit-mask 32 --connlimit-saddr -j REJECT`:                           "",
		`-A X -p tcp -m connlimit --connlimit-above 20 --connlimit-mask 24 --connlimit-saddr -j DROP`:                      "--connlimit-mask 24",
		`-A X -m hashlimit --hashlimit-above 5/sec --hashlimit-mode srcip --hashlimit-burst 20 --hashlimit-name n -j DROP`: "--hashlimit-burst 20",
		`-A X -m recent --rcheck --seconds 60 --hitcount 3 --name ssh --mask 255.255.255.255 --rsource -j DROP`:            "",
		`-A X -m string --string "abc" --algo bm --icase -j DROP`:                                                          "--icase",
		`-A X -m u32 --u32 "0x0=0x1" -j DROP`:                                                                              "u32",
		`-A X -m comment --comment limit -j DROP`:                                                                          "",
	} {
		r, err := Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(r.Untold(), ", "); got != want {
			t.Errorf("%s: %q is not told, want %q: %s", line, got, want, r.Sentence())
		}
	}
}
