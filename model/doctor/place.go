package doctor

import (
	"fmt"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// table tells how the connection table is.
func (d *doctor) table() {
	if d.Health.Max == 0 && d.Health.Count == 0 && !d.Health.HasStats {
		return
	}
	for _, n := range d.Health.Notes(&d.Earlier) {
		found := Finding{Check: n.Name, Subject: "conntrack", Sentence: n.Sentence, Evidence: d.tableEvidence(n.Name)}
		found.Severity = SeverityNote + Severity(slices.Index([]string{"note", "warning", "error"}, n.Severity))
		for _, command := range n.Cure {
			d.curedBy(&found, command)
		}
		if n.Name == "table-full" || n.Name == "table-filling" {
			d.largerBuckets(&found)
			found.Evidence = append(found.Evidence, d.talkers()...)
		}
		d.add(found)
	}
}

func (d *doctor) tableEvidence(check string) []string {
	h := &d.Health
	switch check {
	case "accounting-off", "timestamps-off", "events-off", "not-tracking", "nothing-tracked":
		return nil
	}
	evidence := []string{fmt.Sprintf("nf_conntrack_count = %d, nf_conntrack_max = %d", h.Count, h.Max)}
	if h.HasStats {
		evidence = append(evidence, fmt.Sprintf("drop = %d, early_drop = %d, insert_failed = %d", h.Stats.Drop, h.Stats.EarlyDrop, h.Stats.InsertFailed))
	}
	return evidence
}

// curedBy makes a step of a command that sets a setting.
func (d *doctor) curedBy(f *Finding, command string) {
	name, value, ok := strings.Cut(strings.TrimPrefix(command, "sysctl -w "), "=")
	if !ok {
		return
	}
	old := ""
	s := &d.f.Settings
	if slices.Contains(s.Fixed, name) {
		f.Sentence += " It is one for the whole host: it is changed outside of this network namespace."
		f.Commands = append(f.Commands, []string{"nsenter", "-t", "1", "-n", "sysctl", "-w", name + "=" + value})
		return
	}
	switch {
	case strings.HasSuffix(name, "_max") && s.ConntrackMax >= 0:
		old = fmt.Sprint(s.ConntrackMax)
	case strings.HasSuffix(name, "_buckets") && s.ConntrackBuckets >= 0:
		old = fmt.Sprint(s.ConntrackBuckets)
	case strings.HasSuffix(name, "_acct"), strings.HasSuffix(name, "_timestamp"), strings.HasSuffix(name, "_events"):
		old = "0"
	}
	f.Cure.Title = "Set " + name + " to " + value
	f.Cure.Steps = append(f.Cure.Steps, d.set(name, old, value, f.Sentence))
}

// largerBuckets keeps a larger table as quick: two flows a bucket are usual.
func (d *doctor) largerBuckets(f *Finding) {
	h := &d.Health
	if h.Buckets <= 0 || h.Max <= h.Buckets || slices.Contains(d.f.Settings.Fixed, settingBuckets) {
		return
	}
	f.Cure.Steps = append(f.Cure.Steps, d.set("net.netfilter.nf_conntrack_buckets", fmt.Sprint(h.Buckets), fmt.Sprint(h.Max), "a larger table needs more hash buckets to stay quick"))
}

// talkers are the clients with the most flows.
func (d *doctor) talkers() []string {
	if d.Flows == nil {
		return nil
	}
	counts := map[[16]byte]int{}
	names := map[[16]byte]string{}
	seen := 0
	d.Flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
		if counts[f.Orig.Src]++; counts[f.Orig.Src] == 1 {
			names[f.Orig.Src] = f.Client().Addr().String()
		}
		seen++
		return seen < censusLimit
	})
	best, most := "", 0
	for a, n := range counts {
		if n > most || n == most && names[a] < best {
			best, most = names[a], n
		}
	}
	if most*4 < seen || most == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s has %d of them", best, most)}
}

// place tells of the host as a whole.
func (d *doctor) place() {
	d.exposed()
	d.backends()
	d.uplinkAddress()
	d.managers()
	d.segments()
	d.bridges()
	d.policies()
	for _, n := range d.Natives {
		d.add(Finding{
			Check: "native-nat", Severity: SeverityNote, Subject: n.Name, Evidence: n.Chains,
			Sentence: fmt.Sprintf("The nft %s translates too, and iptables does not show it: see  nft list %s.", n.Name, n.Name),
		})
	}
	for _, why := range d.Unseen {
		d.add(Finding{Check: "not-shown", Severity: SeverityNote, Subject: why, Sentence: "A part of the rules is not shown: " + why + "."})
	}
	for _, gap := range d.f.Gaps {
		d.add(Finding{Check: "not-known", Severity: SeverityNote, Subject: gap, Sentence: "Something could not be read, so nothing is said of it: " + gap + "."})
	}
}

// backends tells of a host whose rules are in two places.
func (d *doctor) backends() {
	for _, family := range rules.Families {
		var evidence []string
		severity := SeverityNote
		nat := 0
		for _, b := range rules.Backends {
			p := rules.Place{Family: family, Backend: b}
			n, total := 0, 0
			for i := range setOf(d.sets, p) {
				t := &d.sets[p].Tables[i]
				total += t.Rules()
				if t.Name == "nat" {
					n = t.Rules()
				}
			}
			if total == 0 {
				continue
			}
			if n > 0 {
				nat++
			}
			evidence = append(evidence, fmt.Sprintf("%s: %s, %d of them in nat", b, rules.Plural(total, "rule"), n))
		}
		if len(evidence) < 2 {
			continue
		}
		sentence := family.Title() + " has rules on both backends, nft and legacy: packets meet both, and each program shows only its own."
		if nat == 2 {
			severity = SeverityWarning
			sentence = family.Title() + " has NAT rules on both backends, nft and legacy: packets meet both, the first that translates wins, and each program shows only its own."
		}
		d.add(Finding{Check: "both-backends", Severity: severity, Subject: family.Title(), Evidence: evidence, Sentence: sentence})
	}
}

func setOf(sets map[rules.Place]*rules.Ruleset, p rules.Place) []rules.Table {
	if sets[p] == nil {
		return nil
	}
	return sets[p].Tables
}

// uplinkAddress tells that the way to the world has no public address.
func (d *doctor) uplinkAddress() {
	wan, ok := d.f.WAN()
	if !ok || !wan.IPv4.Prefix.IsValid() || !isInner(wan.IPv4.Prefix.Addr()) || d.has("cgnat", wan.Link) {
		return
	}
	a := wan.IPv4.Prefix.Addr()
	sentence := fmt.Sprintf("%s has the private address %s: another router translates once more, and from the world only what that one forwards comes here.", wan.Link, a)
	if shared.Contains(a) {
		sentence = fmt.Sprintf("%s has %s, an address of the provider's own NAT (RFC 6598): nobody in the world can begin a connection to this host over IPv4.", wan.Link, a)
	}
	d.add(Finding{Check: "cgnat", Severity: SeverityNote, Subject: wan.Link, Evidence: []string{wan.Link + " has " + wan.IPv4.Prefix.String()}, Sentence: sentence})
}

// makers are programs that make rules of their own, and what that means for
// whoever changes rules beside them.
var makers = map[string]string{
	"docker":     "Docker makes its rules anew when it starts and sets FORWARD to DROP; rules of one's own belong into DOCKER-USER.",
	"firewalld":  "firewalld makes its rules anew on every reload; what is made beside it may be gone then.",
	"ufw":        "ufw makes its filter rules anew when it is switched on; forwards belong into  ufw route allow  and /etc/ufw/before.rules.",
	"kubernetes": "Kubernetes makes its rules anew all the time.",
	"libvirt":    "libvirt puts its own rules in front of others for its networks.",
	"openwrt":    "OpenWrt makes all its rules anew from /etc/config/firewall.",
	"tailscale":  "tailscale puts its own chains in front of others.",
	"miniupnpd":  "miniupnpd lets machines inside open ports by themselves.",
}

func (d *doctor) managers() {
	for _, p := range d.f.Presences {
		what, ok := makers[p.Name]
		if !ok {
			continue
		}
		count := 0
		for _, s := range d.sets {
			for i := range s.Tables {
				for j := range s.Tables[i].Chains {
					c := &s.Tables[i].Chains[j]
					if rules.ChainOwner(c.Name) == p.Name {
						count += len(c.Rules)
					}
				}
			}
		}
		d.add(Finding{Check: "managed-by-" + p.Name, Severity: SeverityNote, Subject: p.Name, Evidence: []string{p.Evidence, rules.Plural(count, "rule")}, Sentence: what})
	}
}

// narrow are kinds of links whose packets have to be smaller than Ethernet's.
func isTunnel(l facts.Link) bool {
	for _, prefix := range []string{"ppp", "tun", "wg", "gre", "vti", "ipip", "sit", "he-"} {
		if strings.HasPrefix(l.Name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"wireguard", "tun", "ppp", "gre", "ipip", "sit", "vti", "xfrm", "ip6tnl"}, l.Kind)
}

// segments tells of ways out on which large packets get lost, unless TCP is told
// to send smaller ones.
func (d *doctor) segments() {
	if d.clamps() || !d.passes() {
		return
	}
	for _, l := range d.f.Links {
		if !l.Up || l.Kind == "loopback" || !d.wayOut(l.Name) {
			continue
		}
		widest, from := 0, ""
		for _, other := range d.f.Links {
			if other.Name != l.Name && other.Up && other.Kind != "loopback" && other.Master == "" && len(d.f.AddressesOn(other.Name)) > 0 && other.MTU > widest {
				widest, from = other.MTU, other.Name
			}
		}
		if l.MTU <= 0 || l.MTU >= widest {
			continue
		}
		found := Finding{
			Check: "mss-clamp", Severity: SeverityNote, Subject: l.Name, Evidence: []string{fmt.Sprintf("MTU of %s is %d, of %s %d", l.Name, l.MTU, from, widest), "no rule has TCPMSS"},
			Sentence: fmt.Sprintf("Packets of %s do not fit through %s: where the message that says so gets lost, connections come up and then hang.", from, l.Name),
		}
		if isTunnel(l) {
			found.Severity = SeverityWarning
		}
		found.Cure = d.clamp(l.Name)
		d.add(found)
	}
}

// clamp is the plan that has both ends of TCP connections choose segments that fit
// the narrower side of this host, in both directions.
func (d *doctor) clamp(link string) rules.Plan {
	plan := rules.Plan{Title: "Let TCP through " + link + " use smaller segments"}
	for _, family := range rules.Families {
		p, ok := d.usual(family)
		of := family
		if !ok || d.f.Settings.ForwardsFrom(link, of) != facts.SettingOn {
			continue
		}
		const line = "-A %s -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"
		if step, ok := d.insert(evaluate.RuleRef{Place: p, Table: "mangle", Chain: "FORWARD"}, line, "each side of a TCP connection then sends segments that fit"); ok {
			plan.Steps = append(plan.Steps, step)
		}
	}
	return plan
}

// clamps tells that some rule changes TCP's segment size already.
func (d *doctor) clamps() bool {
	for _, s := range d.sets {
		for i := range s.Tables {
			for j := range s.Tables[i].Chains {
				if slices.ContainsFunc(s.Tables[i].Chains[j].Rules, func(r rules.Rule) bool { return r.Target.Name == "TCPMSS" }) {
					return true
				}
			}
		}
	}
	return false
}

// passes tells that the host is a gateway: it forwards and translates.
func (d *doctor) passes() bool {
	return (d.f.Settings.Forwarding4 == facts.SettingOn || d.f.Settings.Forwarding6 == facts.SettingOn) && slices.ContainsFunc(d.places(), func(p rules.Place) bool {
		t, ok := d.sets[p].Table("nat")
		return ok && t.Rules() > 0
	})
}

// wayOut tells that a link leads to the world, or that a rule translates what
// leaves by it.
func (d *doctor) wayOut(link string) bool {
	for _, r := range d.f.Routes {
		if r.Dst.Bits() == 0 && r.Kind == facts.RouteUnicast && slices.ContainsFunc(r.Hops, func(h facts.Hop) bool { return h.Out == link }) {
			return true
		}
	}
	for _, p := range d.places() {
		if c, ok := d.sets[p].Chain("nat", "POSTROUTING"); ok && slices.ContainsFunc(c.Rules, func(r rules.Rule) bool {
			return r.Target.Kind.Translates() && !r.Out.Any() && !r.Out.Not && r.Out.Matches(link) && rules.OwnerOf(r) == ""
		}) {
			return true
		}
	}
	return false
}

// bridges tells that bridged packets meet the rules too.
func (d *doctor) bridges() {
	if d.f.Settings.BridgeCallsIptables != facts.SettingOn {
		return
	}
	i := slices.IndexFunc(d.f.Links, func(l facts.Link) bool { return l.Kind == "bridge" && l.Up })
	if i < 0 {
		return
	}
	found := Finding{
		Check: "bridge-netfilter", Severity: SeverityNote, Subject: d.f.Links[i].Name, Evidence: []string{"net.bridge.bridge-nf-call-iptables = 1"},
		Sentence: fmt.Sprintf("br_netfilter sends what machines on the bridge %s say to each other through these rules too: it is tracked twice and may be translated or dropped.", d.f.Links[i].Name),
	}
	for _, needs := range []string{"docker", "kubernetes", "openstack"} {
		if _, ok := d.f.Present(needs); ok {
			found.Sentence += " " + needs + " wants it so."
			d.add(found)
			return
		}
	}
	found.Cure = rules.Plan{Title: "Keep bridged packets out of iptables", Steps: []rules.Step{d.set("net.bridge.bridge-nf-call-iptables", "1", "0", "what stays on the bridge is then left alone")}}
	d.add(found)
}

// policies says that a host is not understood fully.
func (d *doctor) policies() {
	var own []string
	for _, r := range d.f.PolicyRules {
		usual := r.Priority == 0 || r.Priority == 32766 || r.Priority == 32767 || r.L3Master
		if !usual {
			own = append(own, fmt.Sprintf("priority %d of %s", r.Priority, r.Family))
		}
	}
	if len(own) > 0 {
		d.add(Finding{
			Check: "policy-routing", Severity: SeverityNote, Subject: "ip rule", Evidence: own[:min(len(own), 6)],
			Sentence: "This host routes by more than the destination: where a route hangs on marks or ports, less can be said here for certain.",
		})
	}
	for _, l := range d.f.Links {
		if l.Kind == "vrf" {
			d.add(Finding{Check: "vrf", Severity: SeverityNote, Subject: l.Name, Sentence: fmt.Sprintf("%s is a VRF with routes of its own: of packets in it less can be said here for certain.", l.Name)})
		}
	}
}
