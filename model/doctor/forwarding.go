package doctor

import (
	"fmt"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// stepForwarding asks whether the switches let packets pass through the host.
func stepForwarding(x *Examination, f *Forward) Finding {
	if f.local {
		return localnet(x, f)
	}
	if found := x.forwardingOff(f.Rule.Family, f.Link, fmt.Sprintf("%s: %s", ruleName(f.Rule), f)); found.Check != "" {
		return found
	}
	if found := answersNotForwarded(x, f); found.Check != "" {
		return found
	}
	if x.Settings.ForwardsFrom(f.Link, f.Rule.Family) != facts.SettingOn {
		return unknown(fmt.Sprintf("Whether forwarding is on for what arrives by %s is not known.", f.Link))
	}
	return Finding{Sentence: fmt.Sprintf("Forwarding is on for what arrives by %s.", f.Link)}
}

// answersNotForwarded tells that what arrives on the server's side is not forwarded: its answers end here.
func answersNotForwarded(x *Examination, f *Forward) Finding {
	p, ok := x.answer(f)
	if !ok || p.In == f.Link {
		return Finding{}
	}
	found := x.forwardingOff(f.Rule.Family, p.In, fmt.Sprintf("%s: %s", ruleName(f.Rule), f))
	if found.Check != "" {
		found.Sentence += fmt.Sprintf(" The answers of %s come by it.", f.Server.Addr())
	}
	return found
}

// forwardingOff finds the switch that keeps packets from passing. Zero: none does.
func (t *trial) forwardingOff(family rules.Family, link, who string) Finding {
	s := &t.Facts.Settings
	found := Finding{Check: "forwarding-off", Severity: SeverityError}
	switch {
	case family == rules.IPv6 && s.ForwardsFrom(link, rules.IPv6) == facts.SettingOff:
		found.Subject = "net.ipv6.conf.all.forwarding"
		found.Sentence = "IPv6 forwarding is off: nothing that arrives passes through this host, whatever the NAT rules say."
		found.Cure.Title = "Let IPv6 packets pass through this host"
		if step, ok := t.hearRouters(); ok {
			found.Cure.Steps = append(found.Cure.Steps, step)
		}
	case family == rules.IPv4 && s.Forwarding4 == facts.SettingOff:
		found.Subject = "net.ipv4.ip_forward"
		found.Sentence = "IPv4 forwarding is off: nothing that arrives passes through this host, whatever the NAT rules say."
		found.Cure.Title = "Let IPv4 packets pass through this host"
	case family == rules.IPv4 && link != "" && s.On(link).Forwarding4 == facts.SettingOff:
		found.Subject = facts.LinkSetting(link, "forwarding")
		found.Sentence = fmt.Sprintf("Forwarding is off for %s alone: what arrives there does not pass through this host.", link)
		found.Cure.Title = "Let packets from " + link + " pass"
	default:
		return Finding{}
	}
	found.Evidence = []string{found.Subject + " = 0", who}
	found.Cure.Steps = append(found.Cure.Steps, setting(found.Subject, "0", "1", "without it the kernel drops every packet that is not for this host itself"))
	return found
}

// hearRouters keeps a host that learns its default route from a router from
// losing it as it begins to forward (Documentation/networking/ip-sysctl.rst, accept_ra).
func (n network) hearRouters() (rules.Step, bool) {
	name, ok := n.DeafToRouters()
	if !ok {
		return rules.Step{}, false
	}
	return setting(name, "1", "2", "a host that forwards hears its own router only with 2, and would lose its default route"), true
}

// localnet asks whether what arrives may go to the loopback network.
func localnet(x *Examination, f *Forward) Finding {
	to := f.Server.Addr()
	if !to.IsLoopback() || !to.Is4() || f.Link == "" || f.Link == "lo" {
		return Finding{Sentence: "It is for this host itself: nothing needs to be forwarded."}
	}
	if x.Settings.RouteLocalnetOn(f.Link) == facts.SettingUnknown {
		return unknown(fmt.Sprintf("Whether what arrives by %s may go to the loopback network is not known.", f.Link))
	}
	if x.Settings.RouteLocalnetOn(f.Link) != facts.SettingOff {
		return Finding{Sentence: fmt.Sprintf("What arrives by %s may go to the loopback network.", f.Link)}
	}
	name := facts.LinkSetting(f.Link, "route_localnet")
	found := Finding{
		Check: "route-localnet", Severity: SeverityError, Subject: ruleName(f.Rule), Evidence: []string{name + " = 0", f.ruleCount()},
		Sentence: fmt.Sprintf("The kernel lets nothing that arrives by %s go to %s, unless route_localnet is on.", f.Link, to),
	}
	found.Cure = rules.Plan{Title: "Let what arrives by " + f.Link + " go to services on the loopback address", Steps: x.openLoopback(f.Rule.Variant, f.Link)}
	return found
}

// openLoopback lets rules send packets to the loopback network, and nobody else.
func (t *trial) openLoopback(p rules.Variant, link string) []rules.Step {
	steps := []rules.Step{setting(facts.LinkSetting(link, "route_localnet"), "0", "1", "without it the kernel drops what is bound for 127.0.0.0/8 and came from outside")}
	guard := fmt.Sprintf("-A %%s -d 127.0.0.0/8 -i %s -j DROP", link)
	at := evaluate.RuleRef{Variant: p, Table: "raw", Chain: "PREROUTING", Position: 1}
	if c, ok := t.sets[p].Chain("raw", "PREROUTING"); ok {
		for i := range c.Rules {
			if c.Rules[i].String() == strings.Replace(guard, "%s", "PREROUTING", 1) {
				return steps
			}
		}
	}
	if step, ok := t.insert(at, guard, "so that neighbours on "+link+" cannot reach other services of the loopback address themselves"); ok {
		steps = append(steps, step)
	}
	return steps
}
