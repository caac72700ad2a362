package doctor

import (
	"strings"
	"testing"

	"nattui/rules"
)

func TestFills(t *testing.T) {
	for line, want := range map[string]string{
		"-A PREROUTING -p tcp -m tcp --dport 22 -m recent --set --name b --mask 255.255.255.255 --rsource":                 "list b ",
		"-A PREROUTING -p tcp -m tcp --dport 22 -m recent --update --seconds 60 --name DEFAULT --rsource -j DROP":          "list DEFAULT ",
		"-A PREROUTING -p tcp -m tcp --dport 22 -m recent --rcheck --seconds 60 --name b --rsource -j DROP":                "",
		"-A PREROUTING -p tcp -m tcp --dport 22 -j SET --add-set seen src":                                                 "list seen ",
		"-A PREROUTING -m recent --rcheck --name a --rsource -m comment --comment \"--set\" -m recent --set --name c -j X": "list c ",
		"-A PREROUTING -p tcp -m tcp --dport 22 -j DNAT --to-destination 192.168.0.2":                                      "",
	} {
		r, err := rules.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		got := Fills(rules.Plan{Steps: []rules.Step{rules.StepOf(rules.Change{Op: rules.Insert, Table: "mangle", Chain: "PREROUTING", Rule: r})}})
		if (want == "") != (len(got) == 0) || want != "" && !strings.Contains(got[0], want) {
			t.Errorf("%s: %q", line, got)
		}
	}
	native := func(text string, gone bool) rules.Plan {
		return rules.Plan{Steps: []rules.Step{{Native: &rules.NativeChange{What: rules.NativeRule, Gone: gone, Text: text}}}}
	}
	if got := Fills(native("tcp dport 22 add @blk { ip saddr }", false)); len(got) != 1 || !strings.Contains(got[0], "list blk ") {
		t.Errorf("a native rule: %q", got)
	}
	if got := Fills(native("tcp dport 22 add @blk { ip saddr }", true)); len(got) != 0 {
		t.Errorf("one that is deleted: %q", got)
	}
}
