package doctor

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"nattui/rules"
)

// Fills says which lists a plan's new rules put addresses into as packets come: what was listed meanwhile stays listed when
// the change is rolled back, and rules that ask for it go on to find it (xt_recent, ipset, sets of nft).
func Fills(p rules.Plan) (list []string) {
	note := func(name string) {
		why := fmt.Sprintf("it puts addresses into list %s as packets come: those stay in it after a rollback or undo", name)
		if !slices.Contains(list, why) {
			list = append(list, why)
		}
	}
	for _, c := range p.Changes() {
		if c.Op != rules.Insert && c.Op != rules.Replace {
			continue
		}
		for _, m := range recentList.FindAllStringSubmatch(c.Rule.String(), -1) {
			if strings.Contains(m[0], "--set") || strings.Contains(m[0], "--update") {
				name := "DEFAULT"
				if named := listName.FindStringSubmatch(m[0]); named != nil {
					name = named[1]
				}
				note(name)
			}
		}
		if m := addSet.FindStringSubmatch(c.Rule.String()); m != nil {
			note(m[1])
		}
	}
	for _, c := range p.Natives() {
		if c.What != rules.NativeRule || c.Gone {
			continue
		}
		for _, m := range addElement.FindAllStringSubmatch(c.Text, -1) {
			note(m[1])
		}
	}
	return list
}

var (
	recentList = regexp.MustCompile(`-m recent [^!]*?(?: -m | -j | -g |$)`)
	listName   = regexp.MustCompile(`--name (\S+)`)
	addSet     = regexp.MustCompile(`-j SET .*--add-set (\S+)`)
	addElement = regexp.MustCompile(`\b(?:add|update) @(\S+)`)
)
