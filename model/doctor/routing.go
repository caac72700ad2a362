package doctor

import "fmt"

// checkPolicyRouting says that a host is not understood fully.
func checkPolicyRouting(x *Examination) (list []Finding) {
	var own []string
	for _, r := range x.PolicyRules {
		usual := r.Priority == 0 || r.Priority == 32766 || r.Priority == 32767 || r.L3Master
		if !usual {
			own = append(own, fmt.Sprintf("priority %d of %s", r.Priority, r.Family))
		}
	}
	if len(own) > 0 {
		list = append(list, Finding{
			Check: "policy-routing", Severity: SeverityNote, Subject: "ip rule", Evidence: own[:min(len(own), 6)],
			Sentence: "This host routes by more than the destination: where a route hangs on marks or ports, less can be said here for certain.",
		})
	}
	for _, l := range x.Links {
		if l.Kind == "vrf" {
			list = append(list, Finding{Check: "vrf", Severity: SeverityNote, Subject: l.Name, Sentence: fmt.Sprintf("%s is a VRF with routes of its own: of packets in it less can be said here for certain.", l.Name)})
		}
	}
	return list
}
