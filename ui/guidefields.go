package ui

import (
	"slices"
	"strconv"

	"nattui/rules"
	"nattui/rules/guide"
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
	if s.asked != nil && s.asked.name == proxyName {
		a.port = "80"
		if port := s.facts.ProxyPort(s.desk.variant.Family); port != 0 {
			a.toPort = strconv.Itoa(int(port))
		}
	}
	return a
}

// The intentions in the order they are offered.
var intentions = []*intention{
	{
		"Share a connection", "let machines inside use this address to reach the Internet",
		func(s *guideScreen) []field {
			return []field{
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
		publishName, "make a server inside reachable from outside",
		func(s *guideScreen) []field {
			return []field{
				s.choice("Protocol", "proto", []choiceOption{{"tcp", "tcp"}, {"udp", "udp"}, {"tcp and udp", "both"}}, s.answers.proto, func(v string) { s.answers.proto = v }),
				s.input("Public address", "at", &s.answers.at, "address", s.ownAddresses()),
				s.input("Port", "port", &s.answers.port, "80 or 8000-8010", nil),
				s.input("Server", "to", &s.answers.to, "address[:port]", s.hostNames()),
				s.yesNo("Also from the LAN", "inside", &s.answers.inside),
				s.yesNo("Also from this host", "this-host", &s.answers.thisHost),
				s.choice("Server's gateway", "way-back", []choiceOption{{"this gateway", "gateway"}, {"other, or unsure", "elsewhere"}}, map[bool]string{false: "gateway", true: "elsewhere"}[s.answers.elsewhere], func(v string) { s.answers.elsewhere = v == "elsewhere" }),
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
		proxyName, "send passing traffic to a proxy on this host",
		func(s *guideScreen) []field {
			return []field{
				s.input("Arrives on", "in", &s.answers.in, "interface", s.linkNames()),
				s.choice("Protocol", "proto", []choiceOption{{"tcp", "tcp"}, {"udp", "udp"}}, s.answers.proto, func(v string) { s.answers.proto = v }),
				s.input("Port", "port", &s.answers.port, "80", nil),
				s.input("To port", "to", &s.answers.toPort, "8888", s.listening()),
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
		func(s *guideScreen) []field {
			return []field{
				s.input("Outside", "outside", &s.answers.outside, "address[/length]", nil),
				s.input("Inside", "inside", &s.answers.inner, "address[/length]", s.hostNames()),
				s.input("Uplink", "out", &s.answers.out, "interface", s.linkNames()),
			}
		},
		func(s *guideScreen) guide.Recipe {
			return guide.OneToOne{Outside: s.answers.outside, Inside: s.answers.inner, Out: s.answers.out}
		},
	},
	{
		"Let a VPN out", "let machines of a VPN reach the Internet",
		func(s *guideScreen) []field {
			return []field{
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
		func(s *guideScreen) []field {
			return []field{
				s.input("From", "from", &s.answers.from, "address[:port]", s.servers()),
				s.input("To", "to", &s.answers.to, "address[:port]", s.hostNames()),
			}
		},
		func(s *guideScreen) guide.Recipe { return guide.Move{From: s.answers.from, To: s.answers.to} },
	},
	{name: "Paste commands", what: "iptables lines, checked and corrected"},
}

const proxyName = "Redirect to a proxy here"

// guideLabelWidth has room for the longest label, "Also from this host".
const guideLabelWidth = 20

func (s *guideScreen) input(title, key string, value *string, hint string, suggestions []string) field {
	return newEntry(s.desk, key, title, hint, value, suggestions)
}

func (s *guideScreen) choice(title, key string, options []choiceOption, value string, chosen func(string)) field {
	at := slices.IndexFunc(options, func(o choiceOption) bool { return o.value == value })
	return newChoice(s.desk, key, title, options, at, func(i int) { chosen(options[i].value) })
}

func (s *guideScreen) yesNo(title, key string, value *bool) field {
	at := "no"
	if *value {
		at = "yes"
	}
	return s.choice(title, key, []choiceOption{{"yes", "yes"}, {"no", "no"}}, at, func(v string) { *value = v == "yes" })
}

// wrong is what the latest advice has against one answer.
func (s *guideScreen) wrong(field string) string {
	for _, p := range s.advice.Objections {
		if p.Field == field && !p.Warning {
			return p.String()
		}
	}
	return ""
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
