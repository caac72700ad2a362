package commit

import (
	"bufio"
	"bytes"
	"slices"
	"strings"

	"nattui/rules"
)

// anchorMark begins the comment, in a saved file, that names the rule of another program before which the rules that
// follow the comment stand.
const anchorMark = "# before "

// endMark begins those that stand behind every such rule of their chain.
const endMark = "# at the end"

// anchors are the rules of other programs before which a rule of the administrator stands, by table and line; "" is none
// that comes back by itself as it is.
type anchors map[string]string

// anchorsIn looks for each rule's anchor: the next rule of another program that jumps or matches everything, or that
// firewalld makes in any case. The others come and go with what that program serves.
func anchorsIn(s *rules.Ruleset, owners rules.Owners) anchors {
	all := anchors{}
	for _, t := range s.Tables {
		for _, c := range t.Chains {
			next := ""
			for _, r := range slices.Backward(c.Rules) {
				jumps := r.Target.Kind == rules.Jump || r.Target.Kind == rules.Goto
				switch owner := owners.Of(t.Name, r); {
				case r.Restorable() != nil: // it would not be one line of the file
				case owner == "" && next != "":
					all[t.Name+" "+r.String()] = next
				case owner == "firewalld", owner != "" && owner != "fail2ban" && (jumps || unconditional(r)):
					next = r.String()
				}
			}
		}
	}
	return all
}

// savedText is what iptables-restore --noflush reads, with the anchors as comments.
func savedText(tables []rules.Table, at anchors) []byte {
	var plain, b bytes.Buffer
	b.WriteString("# Saved by nattui: the administrator's own rules. Rules of Docker, Kubernetes and\n# other programs are not here; they add their own.\n")
	_ = rules.Save(&plain, tables) // a buffer takes everything
	table, last := "", ""
	for line := range strings.Lines(plain.String()) {
		switch {
		case strings.HasPrefix(line, "*"):
			table, last = strings.TrimSpace(line[1:]), ""
		case strings.HasPrefix(line, "-A "):
			anchor := at[table+" "+strings.TrimSuffix(line, "\n")]
			chain, _, _ := strings.Cut(line[len("-A "):], " ")
			switch key := chain + " " + anchor; {
			case key == last:
			case anchor != "":
				b.WriteString(anchorMark + anchor + "\n")
				last = key
			case strings.HasPrefix(last, chain+" -"):
				b.WriteString(endMark + "\n")
				last = key
			}
		}
		b.WriteString(line)
	}
	return b.Bytes()
}

// readAnchors reads the comments that savedText writes: the anchor of each line, by table and line.
func readAnchors(text []byte) anchors {
	all, table, chain, anchor := anchors{}, "", "", ""
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "*"):
			table, chain, anchor = line[1:], "", ""
		case strings.HasPrefix(line, anchorMark):
			anchor = line[len(anchorMark):]
			chain = chainOf(anchor)
		case line == endMark:
			anchor = ""
		case strings.HasPrefix(line, "-A ") && anchor != "" && chainOf(line) == chain:
			all[table+" "+line] = anchor
		}
	}
	return all
}

// chainOf is the chain of a rule's line.
func chainOf(line string) string {
	chain, _, _ := strings.Cut(strings.TrimPrefix(line, "-A "), " ")
	return chain
}

// unconditional reports a rule that has a target and nothing else.
func unconditional(r rules.Rule) bool {
	return strings.HasPrefix(r.String(), "-A "+r.Chain+" -j ")
}

// neededSettings are the switches without which the rules do nothing: forwarding, where they translate or let pass what
// is forwarded, and the route to 127.0.0.0/8, where they lead there from outside.
func neededSettings(own map[rules.Variant][]rules.Table) []string {
	var names []string
	for variant, tables := range own {
		forwarding := forwardingOf[variant.Family]
		for _, t := range tables {
			for _, c := range t.Chains {
				for _, r := range c.Rules {
					switch {
					case !r.Target.Kind.Translates() && !(t.Name == "filter" && c.Name == "FORWARD"), r.Target.Kind == rules.Redirect:
					case r.Target.Kind == rules.DNAT && r.Target.To.Addrs.Lo.IsLoopback():
						names = append(names, "net.ipv4.conf.all.route_localnet")
						if !r.In.Any() && !r.In.Not {
							names = append(names, "net.ipv4.conf."+strings.ReplaceAll(r.In.Name, ".", "/")+".route_localnet")
						}
					default:
						names = append(names, forwarding)
					}
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
