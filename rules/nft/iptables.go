package nft

import (
	"slices"
	"strings"

	"nattui/rules"
)

// mostLines is up to how many rules of iptables one rule is said in: sets have many elements.
const mostLines = 256

// IPTables says a rule in the words of iptables, for one family: rules of the chain's name, several where a set or map
// has several elements, none where packets of the family never meet it. What iptables cannot say stands as a match nft.
func (r *Rule) IPTables(c *Chain, f rules.Family, links Links) []rules.Rule {
	x := sayer{family: f, links: links, words: [][]string{nil}}
	read := r.Read(c, links)
	for _, a := range read.Asks {
		x.ask(a)
	}
	for _, name := range read.Unknown {
		x.other(name)
	}
	for _, e := range r.Exprs {
		if n, ok := e.(NAT); ok && n.Family != INet && n.Family.String() != f.NFT() {
			x.never = true // packets of the other family pass it
		}
	}
	deed, ok := read.Main()
	if !ok || x.never {
		return nil
	}
	x.deed(deed)
	var list []rules.Rule
	for _, words := range x.words {
		words = withoutTwice(words)
		said, err := rules.Parse(line(append([]string{"-A", c.Name}, words...)))
		if err != nil || said.Unparseable() != nil {
			continue
		}
		said.Handle = r.Handle
		for _, e := range r.Exprs {
			if n, ok := e.(Counter); ok {
				said.Counters = rules.Counters{Known: true, Packets: n.Packets, Bytes: n.Bytes}
			}
		}
		list = append(list, said)
	}
	return list
}

// sayer gathers the words of rules that together say what one rule of nft says.
type sayer struct {
	family rules.Family
	links  Links
	words  [][]string
	never  bool // no packet of the family meets it
}

func (x *sayer) add(words ...string) {
	for i := range x.words {
		x.words[i] = append(x.words[i], words...)
	}
}

// either says one of several things, each in rules of its own.
func (x *sayer) either(options [][]string) {
	if len(options)*len(x.words) > mostLines {
		options = options[:max(1, mostLines/len(x.words))]
	}
	var all [][]string
	for _, words := range x.words {
		for _, o := range options {
			all = append(all, append(slices.Clone(words), o...))
		}
	}
	x.words = all
}

// other keeps a condition that iptables has no words for.
func (x *sayer) other(text string) { x.add("-m", "nft", "--ask", text) }

// ask says a condition.
func (x *sayer) ask(a Ask) {
	if a.What == "ct state" && a.Op == "==" {
		a.Op = "" // a packet has one of them
	}
	switch a.What {
	case "meta nfproto":
		x.never = x.never || (a.Op == "") != (a.Values == map[rules.Family]string{rules.IPv4: "ipv4", rules.IPv6: "ipv6"}[x.family])
		return
	case "meta protocol":
		x.never = x.never || (a.Op == "") != (a.Values == x.family.NFT())
		return
	}
	if header, _, _ := strings.Cut(a.What, " "); (header == "ip" || header == "ip6") && header != x.family.NFT() {
		x.never = true
		return
	}
	values := listed(a.Values)
	if a.Op != "" && a.Op != "!=" || a.Op == "!=" && len(values) > 1 || strings.HasPrefix(a.Values, "@") {
		x.other(strings.Join(strings.Fields(a.What+" "+a.Op+" "+a.Values), " "))
		return
	}
	var options [][]string
	for _, v := range values {
		words, ok := x.condition(a.What, v)
		if !ok {
			x.other(strings.Join(strings.Fields(a.What+" "+a.Op+" "+a.Values), " "))
			return
		}
		if a.Op == "!=" {
			words = negated(words)
		}
		options = append(options, words)
	}
	x.either(options)
}

// listed are the values of a condition.
func listed(text string) []string {
	inner, ok := strings.CutPrefix(text, "{ ")
	if !ok {
		return []string{text}
	}
	return strings.Split(strings.TrimSuffix(inner, " }"), ", ")
}

// negated puts ! before the last option.
func negated(words []string) []string {
	at := len(words) - 2
	return slices.Insert(slices.Clone(words), max(at, 0), "!")
}

// condition is one condition in the words of iptables.
func (x *sayer) condition(what, value string) ([]string, bool) {
	value = strings.Trim(value, `"`)
	if header, field, ok := strings.Cut(what, " "); ok && (field == "sport" || field == "dport") {
		ports := strings.Replace(value, "-", ":", 1)
		switch header {
		case "tcp", "udp", "sctp", "dccp", "udplite":
			return []string{"-p", header, "-m", header, "--" + field, ports}, true
		}
		return nil, false
	}
	switch what {
	case "iifname", "iif", "meta iifname", "meta iif":
		return []string{"-i", strings.Replace(value, "*", "+", 1)}, true
	case "oifname", "oif", "meta oifname", "meta oif":
		return []string{"-o", strings.Replace(value, "*", "+", 1)}, true
	case "meta l4proto", "ip protocol", "ip6 nexthdr":
		return []string{"-p", value}, true
	case "ip saddr", "ip6 saddr":
		return addressed("-s", "--src-range", value), true
	case "ip daddr", "ip6 daddr":
		return addressed("-d", "--dst-range", value), true
	case "ct state":
		return []string{"-m", "conntrack", "--ctstate", strings.ToUpper(value)}, true
	case "ct status":
		if value == "dnat" || value == "snat" {
			return []string{"-m", "conntrack", "--ctstate", strings.ToUpper(value)}, true
		}
	case "fib daddr type":
		return []string{"-m", "addrtype", "--dst-type", strings.ToUpper(value)}, true
	case "fib saddr type":
		return []string{"-m", "addrtype", "--src-type", strings.ToUpper(value)}, true
	case "meta mark":
		return []string{"-m", "mark", "--mark", value}, true
	case "icmp type":
		return []string{"-p", "icmp", "-m", "icmp", "--icmp-type", value}, true
	case "icmpv6 type":
		return []string{"-p", "ipv6-icmp", "-m", "icmp6", "--icmpv6-type", value}, true
	}
	return nil, false
}

func addressed(net, span, value string) []string {
	if strings.Contains(value, "-") {
		return []string{"-m", "iprange", span, value}
	}
	return []string{net, value}
}

// deed says what the rule does.
func (x *sayer) deed(d Deed) {
	if d.Map != nil {
		x.mapped(d)
		return
	}
	x.add(x.target(d, d.To)...)
}

// mapped says a deed that a map decides: a rule for each of its elements.
func (x *sayer) mapped(d Deed) {
	var options [][]string
	for _, e := range d.Map.Entries(x.links) {
		if len(options) == mostLines {
			break
		}
		if words, ok := x.element(d, e); ok {
			options = append(options, words)
		}
	}
	if len(options) == 0 {
		x.never = true
		x.words = nil
		return
	}
	x.either(options)
}

// element are the words of one element of a deed's map.
func (x *sayer) element(d Deed, e Entry) ([]string, bool) {
	var words []string
	if d.Chance != "" {
		words = append(words, "-m", "nft", "--ask", d.Chance)
	} else {
		keys, values := strings.Split(d.Key, " . "), strings.Split(e.Key, " . ")
		if len(keys) != len(values) {
			return nil, false
		}
		for i, k := range keys {
			if header, _, _ := strings.Cut(k, " "); (header == "ip" || header == "ip6") && header != x.family.NFT() {
				return nil, false
			}
			said, ok := x.condition(k, values[i])
			if !ok {
				said = []string{"-m", "nft", "--ask", k + " " + values[i]}
			}
			words = append(words, said...)
		}
	}
	if d.Kind == Decides {
		verdict, to, _ := strings.Cut(e.Value, " ")
		return append(words, x.target(Deed{Kind: Decides, Text: verdict, To: to}, to)...), true
	}
	return append(words, x.target(d, d.Place(e))...), true
}

// target are the words of what a rule does, and where that leads.
func (x *sayer) target(d Deed, to string) []string {
	var words []string
	switch d.Kind {
	case Translates:
		words = []string{"-j", "DNAT", "--to-destination", to}
		if d.Source {
			words = []string{"-j", "SNAT", "--to-source", to}
		}
		if d.Whole {
			words = []string{"-j", "NETMAP", "--to", to}
		}
	case Masquerades:
		words = []string{"-j", "MASQUERADE"}
		if to != "" {
			words = append(words, "--to-ports", to)
		}
	case Redirects:
		words = []string{"-j", "REDIRECT"}
		if to != "" {
			words = append(words, "--to-ports", strings.TrimPrefix(to, ":"))
		}
	case Decides:
		return decision(d, to)
	default:
		return nil
	}
	for flag, option := range map[NATFlags]string{NATProtoRandom: "--random", NATProtoRandomFully: "--random-fully", NATPersistent: "--persistent"} {
		if d.Flags&flag != 0 {
			words = append(words, option)
		}
	}
	return words
}

func decision(d Deed, to string) []string {
	verdict, _, _ := strings.Cut(d.Text, " ")
	switch verdict {
	case "accept", "drop", "return", "reject":
		return []string{"-j", strings.ToUpper(verdict)}
	case "jump":
		return []string{"-j", to}
	case "goto":
		return []string{"-g", to}
	}
	return nil
}

// withoutTwice leaves out a protocol that stands there already.
func withoutTwice(words []string) []string {
	var all []string
	for i := 0; i < len(words); i++ {
		if words[i] == "-p" && i+1 < len(words) && (i == 0 || words[i-1] != "!") {
			if at := slices.Index(all, "-p"); at >= 0 && all[at+1] == words[i+1] && (at == 0 || all[at-1] != "!") {
				i++
				continue
			}
		}
		all = append(all, words[i])
	}
	return all
}

// line puts words together as iptables-save prints them.
func line(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if w == "" || strings.ContainsAny(w, " \t\"'\\") {
			quoted[i] = rules.Quote(w)
		}
	}
	return strings.Join(quoted, " ")
}
