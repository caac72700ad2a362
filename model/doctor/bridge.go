package doctor

import (
	"fmt"
	"slices"

	"nattui/model/facts"
	"nattui/rules"
)

// checkBridges tells that bridged packets meet the rules too.
func checkBridges(x *Examination) []Finding {
	if x.Settings.BridgeCallsIptables != facts.SettingOn {
		return nil
	}
	i := slices.IndexFunc(x.Links, func(l facts.Link) bool { return l.Kind == "bridge" && l.Up })
	if i < 0 {
		return nil
	}
	found := Finding{
		Check: "bridge-netfilter", Severity: SeverityNote, Subject: x.Links[i].Name, Evidence: []string{"net.bridge.bridge-nf-call-iptables = 1"},
		Sentence: fmt.Sprintf("br_netfilter sends what machines on the bridge %s say to each other through these rules too: it is tracked twice and may be translated or dropped.", x.Links[i].Name),
	}
	for _, needs := range []string{"docker", "kubernetes", "openstack"} {
		if _, ok := x.Present(needs); ok {
			found.Sentence += " " + needs + " wants it so."
			return []Finding{found}
		}
	}
	found.Cure = rules.Plan{Title: "Keep bridged packets out of iptables", Steps: []rules.Step{setting("net.bridge.bridge-nf-call-iptables", "1", "0", "what stays on the bridge is then left alone")}}
	return []Finding{found}
}
