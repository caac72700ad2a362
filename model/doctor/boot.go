package doctor

import (
	"fmt"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
)

// checkBoot tells how the host would be after it was started again.
func checkBoot(x *Examination) (list []Finding) {
	if x.Saved == nil && x.BootSettings == nil {
		return nil
	}
	for _, family := range rules.Families {
		list = append(list, savedRules(x, family)...)
	}
	switch {
	case x.Drift == nil:
	case x.Drift.Nothing && len(x.Drift.Gone)+len(x.Drift.Chains) > 0:
		lost, evidence := rules.Plural(len(x.Drift.Gone), "rule"), x.Drift.Gone
		if len(evidence) == 0 {
			lost, evidence = "the policy or the whole of "+rules.Plural(len(x.Drift.Chains), "chain"), x.Drift.Chains
		}
		found := Finding{
			Check: "not-saved", Severity: SeverityNote, Subject: x.Drift.By, Evidence: evidence[:min(3, len(evidence))],
			Sentence: fmt.Sprintf("Nothing is saved for reboot: %s would be lost.", lost), Commands: [][]string{{"nattui", "save"}},
		}
		if len(x.Drift.Others) > 0 {
			found.Severity, found.Evidence = SeverityUnknown, x.Drift.Others
			found.Sentence = fmt.Sprintf("Whether %s would be lost at a reboot is not known: nattui has saved none, and another file restores rules.", lost)
		}
		list = append(list, found)
	case !x.Drift.Nothing:
		list = append(list, drifted(x.Drift.By, *x.Drift)...)
	}
	if x.Drift != nil && len(x.Drift.Idle) > 0 {
		list = append(list, Finding{
			Check: "not-restored", Severity: SeverityWarning, Subject: x.Drift.By, Evidence: x.Drift.Idle[:min(3, len(x.Drift.Idle))],
			Sentence: "Rules are saved that would not come back at boot, as far as is known here.", Commands: [][]string{{"nattui", "save", "--dry-run"}},
		})
	}
	if x.Drift != nil && x.Drift.Unwatched > 0 {
		list = append(list, Finding{
			Check: "lost-at-reload", Severity: SeverityNote, Subject: x.Drift.By, Evidence: []string{rules.Plural(x.Drift.Unwatched, "rule") + " in tables or chains that firewalld or ufw makes anew"},
			Sentence: fmt.Sprintf("firewalld or ufw may remove %s when it reloads.", rules.Plural(x.Drift.Unwatched, "rule")), Commands: [][]string{{"nattui", "save", "--watch"}},
		})
	}
	if x.Drift != nil && len(x.Drift.Elsewhere) > 0 {
		list = append(list, Finding{
			Check: "not-saved", Severity: SeverityNote, Subject: "native tables of other files", Evidence: x.Drift.Elsewhere[:min(3, len(x.Drift.Elsewhere))],
			Sentence: fmt.Sprintf("%s in native tables would be lost at a reboot, as nattui saves its own table only: write what is to stay to the file that loads them, such as /etc/nftables.conf.", rules.Plural(len(x.Drift.Elsewhere), "change")),
		})
	}
	return slices.Concat(list,
		bootSetting(x, "net.ipv4.ip_forward", x.Settings.Forwarding4, rules.IPv4),
		bootSetting(x, "net.ipv6.conf.all.forwarding", x.Settings.Forwarding6, rules.IPv6))
}

// savedRules compares the administrator's NAT rules with those that are loaded
// at boot.
func savedRules(x *Examination, family rules.Family) (list []Finding) {
	running := x.ownRules(family)
	i := slices.IndexFunc(x.Saved, func(s SavedRules) bool { return s.Family == family })
	if i < 0 {
		if x.Drift == nil && len(running) > 0 && !x.restored() {
			list = append(list, Finding{
				Check: "not-saved", Severity: SeverityNote, Subject: family.Title(), Evidence: []string{rules.Plural(len(running), "rule") + " of table nat, no file that is loaded at boot"},
				Sentence: "No file was found that restores the NAT rules at boot.",
			})
		}
		return list
	}
	file := &x.Saved[i]
	var saved, strange []string
	for j := range file.Tables {
		for k := range file.Tables[j].Chains {
			for _, r := range file.Tables[j].Chains[k].Rules {
				owner := rules.OwnerOf(r)
				switch {
				case owner != "" && owner != "fail2ban":
					strange = append(strange, owner)
				case file.Tables[j].Name == "nat":
					saved = append(saved, r.String())
				}
			}
		}
	}
	if len(strange) > 0 {
		list = append(list, Finding{
			Check: "saved-foreign-rules", Severity: SeverityWarning, Subject: file.Path, Evidence: []string{fmt.Sprintf("%s of %s", rules.Plural(len(strange), "rule"), strings.Join(distinct(strange), ", "))},
			Sentence: fmt.Sprintf("%s holds rules that %s makes by itself: at boot they come back stale, or twice.", file.Path, strings.Join(distinct(strange), " and ")),
		})
	}
	if x.Drift == nil {
		list = append(list, drifted(file.Path, BootDrift{Gone: missing(running, saved), Back: missing(saved, running)})...)
	}
	return list
}

// drifted tells that other rules boot than run.
func drifted(by string, d BootDrift) []Finding {
	lost, back := d.Gone, d.Back
	if len(lost)+len(back)+len(d.Chains)+d.Orders == 0 {
		return nil
	}
	found := Finding{
		Check: "boot-drift", Severity: SeverityWarning, Subject: by,
		Sentence: fmt.Sprintf("At reboot the rules would change: %s would be lost, %s would come back.", rules.Plural(len(lost), "rule"), rules.Plural(len(back), "rule")),
	}
	chains, order := " %s would come, go or have another policy.", " In %s they would stand in another order."
	found.Evidence = append(found.Evidence, d.Others...)
	if len(d.Idle)+len(d.Others) > 0 { // what is saved is perhaps not restored: what a reboot does is not known
		found.Sentence = fmt.Sprintf("The saved rules differ from the running rules: %s not saved, %s saved and not running.", rules.Plural(len(lost), "rule"), rules.Plural(len(back), "rule"))
		chains, order = " %s saved in another way, or not saved.", " %s saved in another order."
	}
	if d.Orders > 0 {
		found.Sentence += fmt.Sprintf(order, rules.Plural(d.Orders, "chain"))
	}
	for _, l := range lost[:min(3, len(lost))] {
		found.Evidence = append(found.Evidence, "runs, not saved: "+l)
	}
	for _, l := range back[:min(3, len(back))] {
		found.Evidence = append(found.Evidence, "saved, does not run: "+l)
	}
	if len(d.Chains) > 0 {
		found.Sentence += fmt.Sprintf(chains, rules.Plural(len(d.Chains), "chain"))
		found.Evidence = append(found.Evidence, "chains: "+strings.Join(d.Chains[:min(3, len(d.Chains))], ", "))
	}
	// What is saved and missing was hardly meant to go, unless a change of nattui has removed it: saving would lose it.
	if len(back) > d.Removed {
		found.Commands = append(found.Commands, []string{"nattui", "restore"})
	}
	if len(lost)+len(d.Chains)+d.Orders+d.Removed > 0 {
		found.Commands = append(found.Commands, []string{"nattui", "save"})
	}
	return []Finding{found}
}

// restored tells that some program makes the host's rules at boot from files of
// its own.
func (n network) restored() bool {
	for _, name := range []string{"firewalld", "ufw", "openwrt", "nftables-service"} {
		if _, ok := n.Present(name); ok {
			return true
		}
	}
	return false
}

// ownRules are the administrator's rules of the nat tables.
func (t *trial) ownRules(family rules.Family) []string {
	var list []string
	for at, r := range t.rulesOf("nat") {
		if at.Family == family && rules.OwnerOf(*r) == "" {
			list = append(list, r.String())
		}
	}
	return list
}

// translates tells that there are NAT rules of a family, whoever made them.
func (t *trial) translates(family rules.Family) bool {
	return slices.ContainsFunc(t.variants(), func(p rules.Variant) bool {
		nat, ok := t.sets[p].Table("nat")
		return ok && p.Family == family && slices.ContainsFunc(nat.Chains, func(c rules.Chain) bool {
			return slices.ContainsFunc(c.Rules, func(r rules.Rule) bool { return r.Target.Kind.Translates() })
		})
	})
}

// missing lists what is in one list and not, or less often, in another.
func missing(in, from []string) []string {
	have := map[string]int{}
	for _, s := range from {
		have[s]++
	}
	var list []string
	for _, s := range in {
		if have[s]--; have[s] < 0 {
			list = append(list, s)
		}
	}
	return list
}

func distinct(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// bootSetting tells of a switch that NAT needs and that is not set at boot.
func bootSetting(x *Examination, name string, now facts.Setting, family rules.Family) []Finding {
	file, ok := x.BootSettings[name]
	switch {
	case x.BootSettings == nil, now != facts.SettingOn, ok && file.Value != "0":
		return nil
	case len(x.ownRules(family)) == 0 && !(ok && x.translates(family)):
		return nil // a program that translates switches it on as it starts, unless a file switches it off again
	}
	found := Finding{
		Check: "not-at-boot", Severity: SeverityNote, Subject: name, Evidence: []string{name + " = 1 now, and in no file"},
		Sentence: name + " is on now, and no file was found that switches it on at boot.",
	}
	if ok {
		found.Severity, found.Check = SeverityWarning, "boot-drift"
		found.Evidence = []string{fmt.Sprintf("%s sets %s = %s", file.Path, name, file.Value)}
		found.Sentence = fmt.Sprintf("%s is on now, but %s switches it off at boot.", name, file.Path)
	}
	found.Cure = rules.Plan{Title: "Set " + name + " at boot too", Steps: []rules.Step{setting(name, "1", "1", "the setting is lost at reboot otherwise")}}
	return []Finding{found}
}

// ParseSysctlFile adds the settings of a file such as /etc/sysctl.conf to those
// read before, which it overrides (sysctl.d(5)). Names are given with dots.
func ParseSysctlFile(text, path string, into map[string]BootSetting) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "-"), "=")
		if !ok {
			continue
		}
		name = strings.TrimSpace(name)
		if at := strings.IndexAny(name, "./"); at >= 0 && name[at] == '/' {
			name = strings.NewReplacer("/", ".", ".", "/").Replace(name)
		}
		into[name] = BootSetting{Value: strings.TrimSpace(value), Path: path}
		for one, other := range sameSetting { // the last of either counts
			switch name {
			case one:
				into[other] = into[name]
			case other:
				into[one] = into[name]
			}
		}
	}
}
