package rules

import (
	"fmt"
	"strings"
)

// MatchText is the rule's conditions for a column: short, in the order a reader
// asks for them (what, from where, to where), everything that restricts it said.
func (r Rule) MatchText() string {
	if r.unparseable != nil {
		return strings.TrimPrefix(r.raw, "-A "+r.Chain+" ")
	}
	var w []string
	if r.Protocol.Name != "" {
		w = append(w, bang(r.Protocol.Not)+r.Protocol.Name)
	}
	src, dst := netText(r.Source), netText(r.Dest)
	sports, dports, rest := matchTexts(r.Matches)
	if end := EndText(src, sports); end != "" {
		if !strings.HasPrefix(end, ":") || dst != "" || dports != "" {
			end = "from " + end
		} else {
			end = "from port " + end[1:]
		}
		w = append(w, end)
	}
	if end := EndText(dst, dports); end != "" {
		if dst != "" {
			end = "to " + end
		}
		w = append(w, end)
	}
	if !r.In.Any() {
		w = append(w, "in "+bang(r.In.Not)+r.In.Name)
	}
	if !r.Out.Any() {
		w = append(w, "out "+bang(r.Out.Not)+r.Out.Name)
	}
	switch r.Fragment {
	case LaterOnly:
		w = append(w, "fragments")
	case NotLaterOnly:
		w = append(w, "!fragments")
	}
	w = append(w, rest...)
	if len(w) == 0 {
		return "everything"
	}
	return strings.Join(w, " ")
}

// matchTexts are a rule's matches in a word or two each: the ports of either end, and what does not
// belong to an end.
func matchTexts(matches []Match) (sports, dports string, rest []string) {
	for _, m := range matches {
		switch m := m.(type) {
		case Transport:
			if m.Source != nil {
				sports = bang(m.Source.Not) + m.Source.Text("-")
			}
			if m.Dest != nil {
				dports = bang(m.Dest.Not) + m.Dest.Text("-")
			}
			if m.Flags != nil {
				rest = append(rest, "flags "+bang(m.Flags.Not)+FlagNames(m.Flags.Mask)+"="+FlagNames(m.Flags.Comp))
			}
			if m.Option != nil {
				rest = append(rest, fmt.Sprintf("option %s%d", bang(m.Option.Not), m.Option.Number))
			}
		case Multiport:
			list := bang(m.Not) + strings.ReplaceAll(portList(m.List), ", ", ",")
			switch {
			case m.Side == SourceSide && sports == "":
				sports = list
			case m.Side == DestSide && dports == "":
				dports = list
			default:
				rest = append(rest, "ports "+list)
			}
		default:
			if text := matchText(m); text != "" {
				rest = append(rest, text)
			}
		}
	}
	return sports, dports, rest
}

func bang(not bool) string {
	if not {
		return "!"
	}
	return ""
}

func netText(n Net) string {
	if n.Any() {
		return ""
	}
	return bang(n.Not) + netWords(n)
}

// EndText is one end of a packet for a column: an address, ports, or both.
func EndText(addr, ports string) string {
	switch {
	case ports == "":
		return addr
	case strings.Contains(addr, ":"):
		return "[" + addr + "]:" + ports
	}
	return addr + ":" + ports
}

// matchText is a match in a word or two; "" for a comment.
func matchText(m Match) string {
	switch m := m.(type) {
	case Comment:
		return ""
	case Opaque:
		return strings.TrimSpace(m.Name + " " + strings.Join(m.Words, " "))
	case CTState:
		return bang(m.Not) + strings.Join(m.States, ",")
	case Mark:
		if m.Conn {
			return "connmark " + bang(m.Not) + m.Text(0xffffffff)
		}
		return "mark " + bang(m.Not) + m.Text(0xffffffff)
	case AddrType:
		var w []string
		if m.Source != nil {
			w = append(w, "src "+bang(m.Source.Not)+strings.ToLower(strings.Join(m.Source.Types, ",")))
		}
		if m.Dest != nil {
			w = append(w, "dst "+bang(m.Dest.Not)+strings.ToLower(strings.Join(m.Dest.Types, ",")))
		}
		return strings.Join(w, " ")
	}
	var w []string
	for _, o := range m.options() {
		w = append(w, strings.TrimSpace(bang(o.Not)+strings.TrimPrefix(strings.TrimPrefix(o.Name, "--"), "ct")+" "+strings.Join(o.Args, " ")))
	}
	return strings.Join(w, " ")
}

// Becomes is what the rule turns packets into, for a column: a new place for
// DNAT, "from …" for SNAT and MASQUERADE, "this host" for REDIRECT, else the
// target. It is "" for a rule that only counts. Table nat leaves alone what it accepts; elsewhere that is a verdict.
func (r Rule) Becomes(table string) string {
	t := r.Target
	switch t.Kind {
	case DNAT:
		return t.To.String()
	case SNAT:
		return "from " + t.To.String()
	case Masquerade:
		whose := "outgoing address"
		if !r.Out.Any() && !r.Out.Not && !strings.HasSuffix(r.Out.Name, "+") {
			whose = r.Out.Name + "'s address"
		}
		if t.To.HasPorts {
			whose += " :" + t.To.Ports.Text("-")
		}
		return "from " + whose
	case Redirect:
		if t.To.HasPorts {
			return "this host :" + t.To.Ports.Text("-")
		}
		return "this host"
	case Netmap:
		if r.Chain == "POSTROUTING" || r.Chain == "INPUT" {
			return "from " + t.To.Net.String()
		}
		return t.To.Net.String()
	case Accept:
		if table != "nat" {
			return t.Name
		}
		return "untouched"
	case SetMark, SetConnMark:
		return "mark " + t.Mark.text()
	case NoTarget:
		return ""
	case Other:
		return strings.TrimSpace(t.Name + " " + Join(t.Options))
	}
	return t.Name
}

func (m MarkChange) text() string {
	switch {
	case m.Save:
		return "saved"
	case m.Restore:
		return "restored"
	}
	return m.Set.Text(0xffffffff)
}
