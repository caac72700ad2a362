package commit

import (
	"fmt"
	"path/filepath"
	"slices"

	"nattui/rules"
	"nattui/rules/textfile"
)

// This file tells what is the administrator's own: rules, policies and settings.

// ownTables are the tables with nothing in them but what is the administrator's.
// A chain in which a program has rules that gives it a policy each time it starts has that policy left out here.
func ownTables(s *rules.Ruleset, owners rules.Owners, except map[string]int) (tables []rules.Table, kept int, left map[string]int) {
	left = map[string]int{}
	seen := map[string]int{}
	for _, t := range s.Tables {
		if _, foreign := s.Foreign[t.Name]; foreign {
			continue
		}
		own := rules.Table{Name: t.Name}
		something := false
		for _, c := range t.Chains {
			owner := owners.Chain(t.Name, c.Name)
			mine := rules.Chain{Name: c.Name, Policy: c.Policy}
			for _, r := range c.Rules {
				if by := owners.Of(t.Name, r); by != "" {
					left[by]++
					continue
				}
				key := t.Name + " " + r.String()
				if seen[key]++; seen[key] <= except[key] {
					continue
				}
				r.Counters = rules.Counters{}
				mine.Rules = append(mine.Rules, r)
			}
			switch {
			case (c.Name == rules.DockerUser || rules.UserChain(c.Name) || rules.ChainOwner(c.Name) == "") && len(mine.Rules) > 0:
				// Made before Docker starts, Docker's is taken as it is; ufw's is there before.
			case owner != "":
				continue
			}
			if policyOwner(t.Name, c, owners) != "" {
				mine.Policy = "-"
			}
			kept += len(mine.Rules)
			something = something || len(mine.Rules) > 0 || !c.BuiltIn() || mine.Policy == "DROP"
			if len(mine.Rules) > 0 || !c.BuiltIn() || mine.Policy != "-" {
				own.Chains = append(own.Chains, mine)
			}
		}
		if something {
			tables = append(tables, own)
		}
	}
	return tables, kept, left
}

// policyOwner is the program that sets the policy of one of the kernel's own chains each time it starts, told by the
// rules it has there; "" leaves it to the administrator.
func policyOwner(table string, c rules.Chain, owners rules.Owners) string {
	if !c.BuiltIn() {
		return ""
	}
	by := ""
	for _, r := range c.Rules {
		switch owner := owners.Of(table, r); {
		case owner == "ufw", owner == "firewalld":
			return owner
		case owner == "docker" && c.Name == "FORWARD":
			by = owner // unless one of the others has its rules there too
		}
	}
	return by
}

// forwardingOf are the switches of forwarding, by family.
var forwardingOf = map[rules.Family]string{rules.IPv4: "net.ipv4.ip_forward", rules.IPv6: "net.ipv6.conf.all.forwarding"}

// withForwardPolicy keeps the DROP of FORWARD that Docker has set. Docker sets it only where it switches forwarding on
// itself: where that is saved with the rules, or by the host, it is on already at boot, and FORWARD would be open. What
// ufw and firewalld set, they set at each start.
func withForwardPolicy(tables []rules.Table, s *rules.Ruleset, owners rules.Owners) []rules.Table {
	now, ok := s.Chain("filter", "FORWARD")
	if !ok || now.Policy != "DROP" || s.Foreign["filter"] != "" || policyOwner("filter", *now, owners) != "docker" {
		return tables
	}
	i := slices.IndexFunc(tables, func(t rules.Table) bool { return t.Name == "filter" })
	if i < 0 {
		return append(tables, rules.Table{Name: "filter", Chains: []rules.Chain{{Name: "FORWARD", Policy: "DROP"}}})
	}
	chains := slices.Clone(tables[i].Chains)
	at := slices.IndexFunc(chains, func(c rules.Chain) bool { return c.Name == "FORWARD" })
	if at < 0 {
		chains = append(chains, rules.Chain{Name: "FORWARD", Policy: "DROP"})
	} else if chains[at].Policy == "-" {
		chains[at].Policy = "DROP"
	}
	tables = slices.Clone(tables)
	tables[i].Chains = chains
	return tables
}

// changedSettings are those that nattui has changed, and that are still as it left them.
func (c *Committer) changedSettings() (map[string]string, error) {
	j, err := c.store.readJournal(false)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for _, e := range j.entries {
		if !e.Stands() || e.temporary() {
			continue
		}
		for _, step := range e.Plan.Steps {
			if w := step.Sysctl; w != nil && w.File == "" {
				if values[w.Name] = w.Value; e.Kind == KindUndo {
					delete(values, w.Name) // back to what the host itself says
				}
			}
		}
	}
	for name, value := range values {
		if now, err := c.kernel.Settings.Sysctl(name); err != nil || !sameValue(now, value) {
			delete(values, name)
		}
	}
	return values, nil
}

// addSettings has the settings kept that nattui has changed, and those that the rules need.
func (c *Committer) addSettings(s *Saving, own map[rules.Variant][]rules.Table, values map[string]string) error {
	for _, name := range neededSettings(own) {
		if now, err := c.kernel.Settings.Sysctl(name); err == nil && now == "1" {
			values[name] = now
		}
	}
	if len(values) == 0 {
		return nil
	}
	old, err := textfile.Read(filepath.Join("/", c.root, settingsFile))
	if err != nil && !missing(err) {
		return fmt.Errorf("read the saved rules: %w", err)
	}
	return s.add(c.root, settingsFile, withSettings(old, values), 0o644, false, true)
}
