package guide

import (
	"slices"
	"strings"

	"nattui/rules"
)

// forwarding turns the switches on, now and at boot: that of all links, and those of links that packets arrive by.
func (b *builder) forwarding(links ...string) {
	if b.Forwards == nil {
		return
	}
	on, known := b.Forwards(b.family)
	name := map[rules.Family]string{rules.IPv4: "net.ipv4.ip_forward", rules.IPv6: "net.ipv6.conf.all.forwarding"}[b.family]
	if on && known {
		if b.Lasting != nil && !b.Lasting(b.family) {
			b.plan.Steps = append(b.plan.Steps, rules.Step{Sysctl: &rules.Sysctl{Name: name, Value: "1", Old: "1", Boot: true}, Why: "Forwarding is on now, and no file has that set at boot."})
		}
		b.forwardingFrom(links...)
		return
	}
	why := "Linux does not forward packets by default: without this nothing passes from one interface to another. It is also set at boot."
	if b.family == rules.IPv6 {
		if up := b.Uplinks[rules.IPv6]; up.Link != "" && up.Dynamic {
			b.plan.Steps = append(b.plan.Steps, rules.Step{
				Sysctl: &rules.Sysctl{Name: "net.ipv6.conf." + strings.ReplaceAll(up.Link, ".", "/") + ".accept_ra", Value: "2", Boot: true},
				Why:    "A host that forwards ignores router advertisements by default, and would lose its own address and route on " + up.Link + "; 2 makes it accept them anyway.",
			})
		}
	}
	old := ""
	if known {
		old = "0"
	}
	b.plan.Steps = append(b.plan.Steps, rules.Step{Sysctl: &rules.Sysctl{Name: name, Value: "1", Old: old, Boot: true}, Why: why})
}

// forwardingFrom turns on the switches of single links that are off while that of all is on, which sets them too.
func (b *builder) forwardingFrom(links ...string) {
	if b.ForwardsFrom == nil {
		return
	}
	for i, name := range links {
		if on, known := b.ForwardsFrom(name, b.family); name == "" || on || !known || slices.Contains(links[:i], name) {
			continue
		}
		b.plan.Steps = append(b.plan.Steps, rules.Step{
			Sysctl: &rules.Sysctl{Name: "net.ipv4.conf." + strings.ReplaceAll(name, ".", "/") + ".forwarding", Value: "1", Old: "0", Boot: true},
			Why:    "Forwarding is on and " + name + " alone is exempt: without this nothing that arrives there passes through this host. It is also set at boot.",
		})
	}
}
