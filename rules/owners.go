package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Made are rules that some program makes from a file of its own, by "table line" as iptables-save prints the line;
// the value is the program.
type Made map[string]string

// Add notes a rule of a table.
func (m Made) Add(table string, r Rule, by string) { m[table+" "+r.String()] = by }

// AddChain notes a chain of a table.
func (m Made) AddChain(table, chain, by string) { m[table+" :"+chain] = by }

// Owners tells who made the rules of one rule set: by name, as OwnerOf does, and also by the form of a rule beside
// the others of its table, and by the files that programs restore rules from.
type Owners struct {
	made      Made
	firewalld map[string]bool // tables in which firewalld has chains
	published map[string]bool // where Docker's chain leads, as "protocol address:port"
}

// OwnersIn looks at a rule set; made may be nil.
func OwnersIn(s *Ruleset, made Made) Owners {
	o := Owners{made: made, firewalld: map[string]bool{}, published: map[string]bool{}}
	for _, t := range s.Tables {
		for _, c := range t.Chains {
			switch {
			case c.Name == "INPUT_direct" || c.Name == "PREROUTING_direct":
				o.firewalld[t.Name] = true
			case t.Name == "nat" && c.Name == "DOCKER":
				o.addPublished(c)
			}
		}
	}
	return o
}

func (o Owners) addPublished(docker Chain) {
	for _, r := range docker.Rules {
		if to, ok := r.Target.To.AddrPort(); ok && r.Target.Kind == DNAT {
			o.published[r.Protocol.Name+" "+to.String()] = true
		}
	}
}

// Of names the program that made a rule of a table and may make it again; "" is the administrator's own.
func (o Owners) Of(table string, r Rule) string {
	if by := o.made[table+" "+r.String()]; by != "" {
		return by
	}
	if UserChain(r.Chain) && o.made[table+" "+r.Chain] != "" {
		return commentOwner(r.Comment()) // what the program's file does not say was put there by hand
	}
	if by := OwnerOf(r); by != "" {
		return by
	}
	_, form, _ := strings.Cut(strings.TrimPrefix(r.String(), "-A "), " ")
	switch {
	case o.firewalld[table] && slices.Contains(firewalldForms, form):
		return "firewalld"
	case table == "nat" && r.Chain == "POSTROUTING" && o.hairpin(r):
		return "docker"
	}
	return ""
}

// Chain names the program that made a chain of a table; "" is the administrator's own.
func (o Owners) Chain(table, chain string) string {
	if by := o.made[table+" :"+chain]; by != "" {
		return by
	}
	return ChainOwner(chain)
}

// Knows notes that a program's file tells every rule which that program puts into a chain.
func (m Made) Knows(table, chain, by string) { m[table+" "+chain] = by }

// UserChain reports a chain that another program makes and leaves rules of the administrator's own in, until it
// makes its chains anew: ufw's for the rules of its users. DockerUser is left alone even then.
func UserChain(name string) bool {
	switch strings.Replace(name, "ufw6-", "ufw-", 1) {
	case "ufw-user-input", "ufw-user-output", "ufw-user-forward":
		return true
	}
	return false
}

// firewalldForms are the rules that firewalld puts into the kernel's own chains with FirewallBackend=iptables and that
// name no chain of its own, behind -A CHAIN (firewalld, src/firewall/core/ipXtables.py, build_default_rules).
var firewalldForms = []string{
	"-m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT",
	"-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
	"-m conntrack --ctstate INVALID -j DROP",
	`-m conntrack --ctstate INVALID -j LOG --log-prefix "STATE_INVALID_DROP: "`,
	"-i lo -j ACCEPT",
	"-o lo -j ACCEPT",
	"-j REJECT --reject-with icmp-host-prohibited",
	"-j REJECT --reject-with icmp6-adm-prohibited",
	`-j LOG --log-prefix "FINAL_REJECT: "`,
	"-m rpfilter --validmark --invert -j DROP",
	`-m rpfilter --validmark --invert -j LOG --log-prefix "rpfilter_DROP: "`,
	"-p ipv6-icmp -m icmp6 --icmpv6-type 134 -j ACCEPT",
	"-p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT",
}

// hairpin reports the rule that Docker makes for each published port, so that a container can reach itself by it: from
// a container's address to the same, at a port that its chain leads to.
func (o Owners) hairpin(r Rule) bool {
	words := strings.Fields(r.String()) // -A POSTROUTING -s X/32 -d X/32 -p tcp -m tcp --dport N -j MASQUERADE
	if len(words) != 14 {
		return false
	}
	host, err := netip.ParsePrefix(words[3])
	port, _ := strconv.ParseUint(words[11], 10, 16)
	shape := []string{"-A", "POSTROUTING", "-s", words[3], "-d", words[3], "-p", words[7], "-m", words[7], "--dport", words[11], "-j", "MASQUERADE"}
	return err == nil && host.IsSingleIP() && slices.Equal(words, shape) &&
		o.published[words[7]+" "+netip.AddrPortFrom(host.Addr(), uint16(port)).String()]
}

// Trespasses say of each rule of another program that a plan deletes, changes or moves, whose it is: that program may make it
// again, or fail without it.
func Trespasses(p Plan) (all []string) {
	for _, c := range p.Changes() {
		rule := c.Rule
		switch c.Op {
		case Delete, Move:
		case Replace:
			rule = c.Old
		default:
			continue
		}
		rule.Chain = c.Chain
		if o := OwnerOf(rule); o != "" {
			all = append(all, fmt.Sprintf("by its name %s %s %d is %s's: %s may make it again as it was, or fail without it", c.Table, c.Chain, c.At, o, o))
		}
	}
	return all
}
