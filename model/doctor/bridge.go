package doctor

import (
	"fmt"
	"slices"

	"nattui/model/facts"
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
	found.Sentence += " Docker and Kubernetes want it so, for what a machine on a bridge sends to a published port of its neighbour; where nothing of the kind is needed, net.bridge.bridge-nf-call-iptables = 0 leaves alone what stays on the bridge."
	return []Finding{found}
}
