package nftables

import (
	"os/exec"
	"strings"
	"testing"

	"nattui/model/lab"
)

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
			absent[:len(absent)-1] + " | delete table inet gone | there is no table inet gone",
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

// Each kind of what is not there is told by its name, in nft's own words and marks.
func TestRefusalNamesTheKind(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	made := "add table inet gw\nadd chain inet gw pre { type nat hook prerouting priority -100; }\nadd chain inet gw fw { type filter hook forward priority 0; }\n"
	if out, err := exec.Command("nft", made).CombinedOutput(); err != nil {
		t.Skipf("nft: %v: %s", err, out)
	}
	for command, want := range map[string]string{
		"add rule inet gw pre ip saddr @nosuch accept":                 "there is no set @nosuch in table inet gw; make it first",
		"insert rule inet gw pre ip saddr . tcp dport @nosuch accept":  "there is no set @nosuch in table inet gw; make it first",
		"add rule inet gw fw add @nosuch { ip saddr }":                 "there is no set @nosuch in table inet gw; make it first",
		"add rule inet gw pre dnat ip to tcp dport map @nosuch":        "there is no map @nosuch in table inet gw; make it first",
		"add rule inet gw pre ip protocol vmap @nosuch":                "there is no map @nosuch in table inet gw; make it first",
		"add rule inet gw fw flow add @nosuch":                         "there is no flowtable @nosuch in table inet gw; make it first",
		"add rule inet gw fw counter name \"nosuch\"":                  "there is no counter nosuch in table inet gw; make it first",
		"add rule inet gw fw quota name \"nosuch\"":                    "there is no quota nosuch in table inet gw; make it first",
		"add rule inet gw fw limit name \"nosuch\"":                    "there is no limit nosuch in table inet gw; make it first",
		"add rule inet gw fw ct helper set \"nosuch\"":                 "there is no ct helper nosuch in table inet gw; make it first",
		"add rule inet gw fw jump nosuch":                              "there is no chain nosuch in table inet gw; make it first",
		"add rule inet gw fw tcp dport vmap { 80 : goto nosuch }":      "",
		"add rule inet gw nosuch accept":                               "there is no chain nosuch in table inet gw; make it first",
		"add rule nosuch pre accept":                                   "there is no table ip nosuch; make it first: nft add table ip nosuch",
		"add element inet gw nosuch { 192.0.2.1 }":                     "there is no set or map nosuch in table inet gw; make it first",
		"delete chain inet gw nosuch":                                  "there is no chain nosuch in table inet gw",
		"delete table inet nosuch":                                     "there is no table inet nosuch",
		"delete rule inet gw pre handle 99":                            "there is no rule with the handle 99 in table inet gw",
		"add table inet gw { chain fw { ip saddr @nosuch accept; }; }": "there is no set @nosuch in table inet gw; make it first",
	} {
		nft := exec.Command("nft", "-f", "-")
		nft.Stdin = strings.NewReader(command + "\n")
		out, err := nft.CombinedOutput()
		if got := refusal(string(out), err); err == nil || want != "" && !strings.HasSuffix(got, want) && !strings.Contains(got, want+" |") {
			t.Errorf("%s\nsaid %s\nwant %s", command, got, want)
		} else if want == "" && strings.Contains(got, "no set") {
			t.Errorf("%s: %s", command, got)
		}
	}
}
