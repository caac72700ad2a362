package ui

import (
	"errors"
	"slices"
	"strings"

	"charm.land/huh/v2"
	"charm.land/lipgloss/v2"

	"nattui/rules"
	"nattui/rules/guide"
	"nattui/ui/text"
)

// answers are what was typed, for all intentions alike.
type answers struct {
	net, in, out, as, reach      string
	proto, at, port, to, comment string
	inside, thisHost, elsewhere  bool
	toPort, except               string
	outside, inner               string
	from                         string
}

// defaults are taken from the host itself: its way out, its networks.
func (s *guideScreen) defaults() answers {
	a := answers{proto: "tcp", inside: true}
	host := s.facts.GuideHost(s.tables.Sets, s.desk.variant.Backend, nil)
	up := host.Uplinks[s.desk.variant.Family]
	a.out = up.Link
	if nets := s.networks(); len(nets) > 0 {
		a.net = nets[0]
	}
	for _, l := range s.facts.SuggestInterfaces() {
		link, _ := s.facts.LinkNamed(l.Value)
		if l.Value != up.Link && link.Kind != "loopback" && a.in == "" {
			a.in = l.Value
		}
		if slices.Contains([]string{"tun", "wireguard", "ppp"}, link.Kind) && l.Value != up.Link && s.asked != nil && s.asked.name == "Let a VPN out" {
			a.in = l.Value
			for _, addr := range s.facts.AddressesOn(l.Value) {
				a.net = addr.Prefix.Masked().String()
			}
		}
	}
	if up.Addr.IsValid() {
		a.at = up.Addr.String()
	}
	return a
}

// The intentions in the order they are offered.
var intentions = []*intention{
	{
		"Share a connection", "let machines inside use this address to reach the Internet",
		func(s *guideScreen) []huh.Field {
			return []huh.Field{
				s.input("Network", "net", &s.answers.net, "192.168.0.0/24", s.networks()),
				s.input("Uplink", "out", &s.answers.out, "interface", s.linkNames()),
				s.input("Seen as", "as", &s.answers.as, "its own address", s.ownAddresses()),
			}
		},
		func(s *guideScreen) guide.Recipe {
			return guide.Share{Net: s.answers.net, Out: s.answers.out, As: s.answers.as}
		},
	},
	{
		"Publish a service", "make a server inside reachable from outside",
		func(s *guideScreen) []huh.Field {
			return []huh.Field{
				s.choice("Protocol", "proto", []choiceOption{{"tcp", "tcp"}, {"udp", "udp"}, {"tcp and udp", "both"}}, s.answers.proto, func(v string) { s.answers.proto = v }),
				s.input("Public address", "at", &s.answers.at, "address", s.ownAddresses()),
				s.input("Port", "port", &s.answers.port, "80 or 8000-8010", nil),
				s.input("Server", "to", &s.answers.to, "address[:port]", s.hostNames()),
				s.yesNo("Also from the LAN", "inside", &s.answers.inside),
				s.yesNo("Also from this host", "this-host", &s.answers.thisHost),
				s.choice("Server's gateway", "way-back", []choiceOption{{"this gateway", "gateway"}, {"another, or unsure", "elsewhere"}}, "gateway", func(v string) { s.answers.elsewhere = v == "elsewhere" }),
				s.input("Comment", "comment", &s.answers.comment, "", nil),
			}
		},
		func(s *guideScreen) guide.Recipe {
			back := ""
			if s.answers.elsewhere {
				back = "elsewhere"
			}
			return guide.Publish{
				Protocol: s.answers.proto, At: s.answers.at, Port: s.answers.port, To: s.answers.to,
				Inside: s.answers.inside, ThisHost: s.answers.thisHost, WayBack: back, Comment: s.answers.comment,
			}
		},
	},
	{
		"Redirect to a proxy here", "send passing traffic to a proxy on this host",
		func(s *guideScreen) []huh.Field {
			return []huh.Field{
				s.input("Arrives on", "in", &s.answers.in, "interface", s.linkNames()),
				s.choice("Protocol", "proto", []choiceOption{{"tcp", "tcp"}, {"udp", "udp"}}, s.answers.proto, func(v string) { s.answers.proto = v }),
				s.input("Port", "port", &s.answers.port, "80", nil),
				s.input("To port", "to", &s.answers.toPort, "8888", s.listeningPorts()),
				s.input("But not to", "except", &s.answers.except, "no exception", s.networks()),
			}
		},
		func(s *guideScreen) guide.Recipe {
			return guide.Proxy{
				Family: s.desk.variant.Family, Protocol: s.answers.proto, In: s.answers.in, Port: s.answers.port, ToPort: s.answers.toPort, Except: s.answers.except,
			}
		},
	},
	{
		"Map one to one", "give a machine inside its own public address",
		func(s *guideScreen) []huh.Field {
			return []huh.Field{
				s.input("Outside", "outside", &s.answers.outside, "203.0.113.9 or a network", nil),
				s.input("Inside", "inside", &s.answers.inner, "192.168.0.9 or a network", s.hostNames()),
				s.input("Uplink", "out", &s.answers.out, "interface", s.linkNames()),
			}
		},
		func(s *guideScreen) guide.Recipe {
			return guide.OneToOne{Outside: s.answers.outside, Inside: s.answers.inner, Out: s.answers.out}
		},
	},
	{
		"Let a VPN out", "let machines of a VPN reach the Internet",
		func(s *guideScreen) []huh.Field {
			return []huh.Field{
				s.input("Network", "net", &s.answers.net, "10.8.0.0/24", s.networks()),
				s.input("Tunnel", "in", &s.answers.in, "interface", s.linkNames()),
				s.input("Uplink", "out", &s.answers.out, "interface", s.linkNames()),
				s.input("Also to", "reach", &s.answers.reach, "no network inside", s.networks()),
			}
		},
		func(s *guideScreen) guide.Recipe {
			return guide.Share{VPN: true, Net: s.answers.net, In: s.answers.in, Out: s.answers.out, Reach: s.answers.reach}
		},
	},
	{
		"Move a service", "send a published service to another server",
		func(s *guideScreen) []huh.Field {
			return []huh.Field{
				s.input("From", "from", &s.answers.from, "address[:port]", s.servers()),
				s.input("To", "to", &s.answers.to, "address[:port]", s.hostNames()),
			}
		},
		func(s *guideScreen) guide.Recipe { return guide.Move{From: s.answers.from, To: s.answers.to} },
	},
	{name: "Paste commands", what: "iptables lines, checked and corrected"},
}

// order are the keys of the fields in the order they stand.
func (s *guideScreen) order() []string {
	var order []string
	for _, f := range s.asked.fields(s) {
		order = append(order, f.GetKey())
	}
	return order
}

// guideLabelWidth has room for the longest label, "Also from this host".
const guideLabelWidth = 20

func guideLabel(title string) string { return text.Pad(title, guideLabelWidth, false) }

func (s *guideScreen) input(title, key string, value *string, hint string, suggestions []string) huh.Field {
	return huh.NewInput().Key(key).Title(guideLabel(title)).Inline(true).Prompt("").Value(value).
		Placeholder(hint).Suggestions(suggestions).Validate(func(string) error { return s.check(key) })
}

func (s *guideScreen) choice(title, key string, options []choiceOption, value string, chosen func(string)) huh.Field {
	at := slices.IndexFunc(options, func(o choiceOption) bool { return o.value == value })
	return newChoice(s.manner, key, guideLabel(title), options, at, func(i int) { chosen(options[i].value) })
}

func (s *guideScreen) yesNo(title, key string, value *bool) huh.Field {
	at := "no"
	if *value {
		at = "yes"
	}
	return s.choice(title, key, []choiceOption{{"yes", "yes"}, {"no", "no"}}, at, func(v string) { *value = v == "yes" })
}

// check is what the latest advice has against one answer.
func (s *guideScreen) check(field string) error {
	if s.running {
		return nil // it will be said once it is known
	}
	for _, p := range s.advice.Objections {
		if p.Field == field && !p.Warning {
			return errors.New(p.Text)
		}
	}
	return nil
}

func (s *guideScreen) networks() []string {
	return values(s.facts.SuggestNetworks(s.desk.variant.Family))
}

func (s *guideScreen) linkNames() []string { return values(s.facts.SuggestInterfaces()) }

func (s *guideScreen) ownAddresses() []string {
	return values(s.facts.SuggestAddresses(s.desk.variant.Family))
}

func (s *guideScreen) hostNames() []string {
	return values(s.facts.SuggestHosts(s.desk.variant.Family))
}

// listeningPorts are where something listens on this host.
func (s *guideScreen) listeningPorts() []string { return s.manner.listening() }

// servers are those that rules send to.
func (s *guideScreen) servers() []string {
	var list []string
	t, ok := s.set().Table("nat")
	if !ok {
		return nil
	}
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			if r.Target.Kind == rules.DNAT && rules.OwnerOf(r) == "" && !slices.Contains(list, r.Target.To.String()) {
				list = append(list, r.Target.To.String())
			}
		}
	}
	return list
}

// planWriter writes the plan at a width.
type planWriter struct {
	width int
	lines []string
}

// add writes words that begin with first, and on further lines with rest.
func (w *planWriter) add(style lipgloss.Style, first, rest, words string, limit int) {
	for i, l := range text.Wrap(words, max(8, w.width-len([]rune(first))), limit) {
		if i > 0 {
			first = rest
		}
		w.lines = append(w.lines, style.Render(first+l))
	}
}

// part writes lines that belong together, after a blank one.
func (w *planWriter) part(lines []string) {
	if len(lines) > 0 {
		w.lines = append(append(w.lines, ""), lines...)
	}
}

// planLines are what speaks against the answers, then the steps, each with its
// commands and, once all is answered, its reason.
func (s *guideScreen) planLines(width int) []string {
	w := &planWriter{width: width}
	s.writeState(w)
	if !s.known {
		w.add(s.look.Faint, "", "", "the plan is being made…", 1)
		return w.lines
	}
	s.writeProblems(w)
	switch {
	case !s.advice.Wrong():
		s.writeSteps(w)
	case len(w.lines) == 0:
		w.add(s.look.Faint, "", "", "The commands and why they are needed appear here as you answer.", 3)
	}
	s.suggestLine(w.add)
	return w.lines
}

// writeState says what can be done with the plan now.
func (s *guideScreen) writeState(w *planWriter) {
	look := s.look
	switch {
	case s.sending:
		w.add(look.Attention, "", "", "checking with the kernel…", 1)
	case s.ready && !s.advice.Wrong() && len(s.advice.Plan.Steps) > 0:
		w.add(look.Good.Bold(true), "", "", "enter applies it, esc goes back", 1)
	case s.ready && !s.advice.Wrong():
		w.add(look.Good.Bold(true), "", "", "nothing to do; enter waits for a packet", 2)
	}
	if s.refused != "" {
		w.add(look.Broken, "", "", "refused: "+text.Safe(s.refused), 6)
	}
}

func (s *guideScreen) writeProblems(w *planWriter) {
	for _, p := range s.advice.Objections {
		if !s.shows(p) {
			continue
		}
		mark, style := s.look.Glyphs.Cross+" ", s.look.Broken
		if p.Warning {
			mark, style = "! ", s.look.Attention
		}
		words := text.Safe(p.Text)
		if p.Nearest != "" {
			words += "; this would work: " + text.Safe(p.Nearest)
		}
		w.add(style, mark, "  ", words, 6)
	}
}

// writeSteps writes the steps and, once all is answered, what else they would touch.
func (s *guideScreen) writeSteps(w *planWriter) {
	look := s.look
	if s.ready {
		w.lines = append(w.lines, s.impact.safety(s.chosen, keyCountdown.Help().Key, w.width)...)
	}
	for n, step := range s.advice.Plan.Steps {
		if s.ready && (n > 0 || len(w.lines) > 1) {
			w.lines = append(w.lines, "")
		}
		if s.ready {
			w.add(look.Text, "", "", text.Safe(step.Why), 0)
		}
		for _, argv := range step.Commands() {
			w.add(look.Strong, "$ ", "  ", text.Safe(rules.ShellLine(argv)), 0)
		}
	}
	for _, note := range s.advice.Notes {
		if s.ready {
			w.lines = append(w.lines, "")
		}
		w.add(look.Faint, look.Glyphs.Dot+" ", "  ", text.Safe(note), 0)
	}
	if s.ready {
		w.part(s.impact.flowLines(w.width))
		w.part(s.impact.diffLines(w.width))
	}
}

func (s *guideScreen) suggestLine(add func(style lipgloss.Style, first, rest, words string, limit int)) {
	if s.ready {
		return
	}
	known := map[string][]string{"net": s.networks(), "reach": s.networks(), "out": s.linkNames(), "in": s.linkNames(), "at": s.ownAddresses(), "as": s.ownAddresses(), "from": s.servers()}
	field := s.fields.GetFocusedField().GetKey()
	list := known[field]
	if field == "to" || field == "inside" {
		list = s.hostNames()
		if s.asked.name == "Redirect to a proxy here" {
			list = s.listeningPorts()
		}
	}
	if len(list) > 0 {
		add(s.look.Faint, "", "", "known here: "+text.Safe(strings.Join(list, "  ")), 2)
	}
}

// shows tells whether a problem is to be said already: not that a field is empty
// which nobody has come to yet.
func (s *guideScreen) shows(p guide.Objection) bool {
	if p.Warning || s.ready {
		return true
	}
	typed := map[string]string{
		"net": s.answers.net, "in": s.answers.in, "out": s.answers.out, "as": s.answers.as, "reach": s.answers.reach, "at": s.answers.at,
		"port": s.answers.port, "to": s.answers.to + s.answers.toPort, "except": s.answers.except, "outside": s.answers.outside, "inside": s.answers.inner, "from": s.answers.from,
	}
	if value, ok := typed[p.Field]; ok && strings.TrimSpace(value) == "" {
		f := s.fields.GetFocusedField()
		return f.GetKey() == p.Field && f.Error() != nil
	}
	return true
}
