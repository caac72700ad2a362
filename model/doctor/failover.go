package doctor

import (
	"fmt"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
)

// checkFailover tells whether another gateway could take over from this one: whether conntrackd runs and is in step with its peer, and
// which side is active by keepalived.
func checkFailover(x *Examination) (list []Finding) {
	if x.Failover == nil {
		return nil
	}
	if c := x.Failover.Conntrackd; c != nil {
		list = append(list, conntrackdFinding(c))
	}
	if k := x.Failover.Keepalived; k != nil {
		list = append(list, keepalivedFindings(k, x.Facts)...)
	}
	return list
}

func conntrackdFinding(c *facts.Conntrackd) Finding {
	f := Finding{Check: "conntrackd-sync", Severity: SeverityNote, Subject: "conntrackd"}
	switch {
	case !c.Running:
		f.Severity, f.Sentence = SeverityWarning, "conntrackd is configured and does not run: when another gateway takes over, connections through this one break."
		f.Evidence = []string{"no process conntrackd"}
		f.Commands = [][]string{{"systemctl", "status", "conntrackd"}}
		return f
	case c.Answer != "":
		f.Severity, f.Sentence = SeverityUnknown, "conntrackd runs and does not answer: whether it is in step with its peer is not known."
		f.Evidence = []string{c.Answer}
		return f
	case c.Received < 0 || c.Lost < 0 || c.Own < 0:
		f.Severity, f.Sentence = SeverityUnknown, "conntrackd runs; whether it is in step with its peer is not known, as it does not tell."
		f.Evidence = []string{"conntrackd -s has no counts of what came from the peer"}
		return f
	}
	f.Evidence = []string{
		fmt.Sprintf("%s of this gateway, %d of the peer", rules.Plural(c.Own, "connection"), c.Peers),
		fmt.Sprintf("%s received, %s lost, %d malformed; %s not kept, %s", rules.Plural(c.Received, "packet"), rules.Plural(c.Lost, "message"), c.Malformed, rules.Plural(c.Failed, "connection"), rules.Plural(c.Errors, "error")),
	}
	switch {
	case c.Received == 0:
		f.Severity, f.Sentence = SeverityWarning, "conntrackd has heard nothing of its peer since it started: neither gateway has the other's connections."
	case c.Lost+c.Malformed+c.Failed+c.Errors > 0:
		f.Severity, f.Sentence = SeverityWarning, "conntrackd has lost a part of what its peer tells since it started: some connections may break when this gateway takes over, unless both have been brought in step since."
		f.Commands = [][]string{{"conntrackd", "-n"}, {"conntrackd", "-B"}}
	default:
		f.Sentence = "conntrackd runs, and has lost nothing of what its peer tells."
	}
	return f
}

func keepalivedFindings(k *facts.Keepalived, here *facts.Facts) (list []Finding) {
	if !k.Running {
		return []Finding{{
			Check: "keepalived-state", Severity: SeverityWarning, Subject: "keepalived", Sentence: "keepalived is configured and does not run: this gateway takes over from no other.",
			Evidence: []string{"no process keepalived"}, Commands: [][]string{{"systemctl", "status", "keepalived"}},
		}}
	}
	if len(k.Instances) == 0 {
		why := k.Unread
		if why == "" {
			why = "the configuration names no vrrp_instance itself"
		}
		return []Finding{{Check: "keepalived-state", Severity: SeverityUnknown, Subject: "keepalived", Sentence: "keepalived runs; which gateway is active is not known.", Evidence: []string{why}}}
	}
	for i := range k.Instances {
		list = append(list, instanceFinding(&k.Instances[i], here))
	}
	return list
}

func instanceFinding(v *facts.VRRPInstance, here *facts.Facts) Finding {
	f := Finding{Check: "keepalived-state", Severity: SeverityNote, Subject: "keepalived " + v.Name}
	var names []string
	for _, a := range v.Addresses {
		names = append(names, a.String())
	}
	has := v.Here(here)
	f.Evidence = []string{fmt.Sprintf("%d of its addresses are here: %s", has, strings.Join(names, ", "))}
	switch {
	case len(names) == 0:
		f.Severity, f.Sentence = SeverityUnknown, "Whether this gateway is active by "+v.Name+" is not known: it has no addresses of its own in the configuration."
		f.Evidence = nil
	case has == len(names):
		f.Sentence = "This gateway is active: it has the addresses of " + v.Name + "."
	case has == 0:
		f.Sentence = "This gateway is not active: another one has the addresses of " + v.Name + ", or none."
	default:
		f.Severity, f.Sentence = SeverityWarning, "This gateway has some of the addresses of "+v.Name+" and not others."
	}
	return f
}
