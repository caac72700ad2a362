package doctor

import (
	"fmt"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// helped are protocols that need the kernel's help behind NAT, because they talk
// of addresses inside of their packets.
var helped = []struct {
	proto    rules.Protocol
	port     uint16
	name     string
	severity Severity
	why      string
}{
	{rules.TCP, 21, "ftp", SeverityWarning, "FTP opens a second connection for every transfer, which no rule forwards unless a helper listens to the first one"},
	{rules.UDP, 5060, "sip", SeverityNote, "SIP names addresses for the voice in its messages; without a helper one side may hear nothing, unless the telephone exchange is told its public address"},
	{rules.UDP, 69, "tftp", SeverityWarning, "TFTP answers from another port, which is let through only with a helper"},
	{rules.TCP, 1723, "pptp", SeverityWarning, "PPTP carries its data in GRE, which is translated only with a helper"},
}

// checkHelpers tells of forwards whose protocol needs one.
func checkHelpers(x *Examination) (list []Finding) {
	for i := range x.forwards {
		f := &x.forwards[i]
		if f.local || f.Owner != "" || x.Settings.ConntrackHelper == facts.SettingOn {
			continue
		}
		for _, h := range helped {
			if h.proto != f.Proto || h.port != f.Asked.Port() && h.port != f.Server.Port() || x.hasHelper(h.name) {
				continue
			}
			if f.via.dport != rules.Port(f.Asked.Port()) {
				continue // a wider range than just this
			}
			found := Finding{
				Check: "helper-missing", Severity: h.severity, Subject: ruleName(f.Rule), Evidence: []string{f.String(), "no rule of table raw gives it the helper " + h.name},
				Sentence: h.why + ".",
			}
			name := rules.ProtoName(f.Proto)
			line := fmt.Sprintf("-A %%s -d %s -p %s -m %s --dport %d -j CT --helper %s", whole(f.Asked.Addr()), name, name, f.Asked.Port(), h.name)
			if step, ok := x.insert(evaluate.RuleRef{Variant: f.Rule.Variant, Table: "raw", Chain: "PREROUTING"}, line, "kernels no longer choose helpers by port; a rule has to give them"); ok {
				found.Cure = rules.Plan{Title: "Give " + strings.ToUpper(h.name) + " its helper", Steps: []rules.Step{step}}
				found.Sentence += " The module nf_nat_" + h.name + " has to be loaded as well: modprobe nf_nat_" + h.name + "."
			}
			list = append(list, found)
		}
	}
	return list
}

func (t *trial) hasHelper(name string) bool {
	for _, p := range t.variants() {
		t, ok := t.sets[p].Table("raw")
		if !ok {
			continue
		}
		for i := range t.Chains {
			for j := range t.Chains[i].Rules {
				to := t.Chains[i].Rules[j].Target
				if at := slices.Index(to.Options, "--helper"); to.Name == "CT" && at >= 0 && at+1 < len(to.Options) && to.Options[at+1] == name {
					return true
				}
			}
		}
	}
	return false
}
