package doctor

import "nattui/rules"

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

func checkManagers(x *Examination) (list []Finding) {
	for _, p := range x.Presences {
		what, ok := makers[p.Name]
		if !ok {
			continue
		}
		count := 0
		for _, s := range x.sets {
			for i := range s.Tables {
				for j := range s.Tables[i].Chains {
					c := &s.Tables[i].Chains[j]
					if rules.ChainOwner(c.Name) == p.Name {
						count += len(c.Rules)
					}
				}
			}
		}
		list = append(list, Finding{Check: "managed-by-" + p.Name, Severity: SeverityNote, Subject: p.Name, Evidence: []string{p.Evidence, rules.Plural(count, "rule")}, Sentence: what})
	}
	return list
}
