package nft

import (
	"fmt"
	"slices"
	"strings"
)

// Sentence says the rule in words, as rules.Rule does: which packets, and what becomes of them. chain is that which it is in.
func (r Reading) Sentence(chain string) string {
	if slices.Contains(r.Unknown, Unread) {
		return "What this rule matches or does is not known: it cannot be read as nft prints it."
	}
	e := r.sort()
	text := e.subject(r) + e.conditions() + " " + r.outcome(chain, e)
	text = upper(text) + "."
	if len(r.Unknown) > 0 {
		text += " It also uses " + list(r.Unknown, "and") + ", which nattui does not understand."
	}
	return text
}

// upper is a sentence's beginning.
func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// subject names the packets by family and protocol.
func (e ends) subject(r Reading) string {
	family := ""
	for _, a := range r.Asks {
		if a.What == "meta nfproto" && a.Op == "" && !a.Implied {
			family = map[string]string{"ipv4": "IPv4", "ipv6": "IPv6"}[a.Values]
		}
	}
	if family == "" && r.untold && slices.ContainsFunc(r.Does, func(d Deed) bool { return d.Map != nil }) {
		family = map[Family]string{IPv4: "IPv4", IPv6: "IPv6"}[r.Family] // else the address says it
	}
	names, not := strings.CutPrefix(e.protocol, "!")
	if names == "" {
		if family != "" {
			return "everything of " + family
		}
		return "everything"
	}
	var all []string
	for _, name := range strings.Split(names, ",") {
		all = append(all, protocolTitle(name))
	}
	text := list(all, "or")
	if not {
		text = "everything but " + text
	}
	if family != "" {
		text += " of " + family
	}
	return text
}

func protocolTitle(name string) string {
	switch name {
	case "tcp", "udp", "sctp", "dccp", "gre", "esp", "ah", "icmp":
		return strings.ToUpper(name)
	case "ipv6-icmp":
		return "ICMPv6"
	}
	return "protocol " + name
}

// conditions are the parts of the rule that restrict it, in words.
func (e ends) conditions() string {
	var b strings.Builder
	say := func(parts ...string) { b.WriteString(" " + optional(parts...)) }
	if e.in != "" {
		say("that", verb(e.in, "arrives on", "does not arrive on"), interfaces(e.in))
	}
	var from, to, rest []string
	from, to = appendText(from, addresses(e.from)), appendText(to, addresses(e.to))
	for _, a := range e.rest {
		switch a.What {
		case "fib saddr type":
			from = append(from, kindOfAddress(a))
		case "fib daddr type":
			to = append(to, kindOfAddress(a))
		case "ether saddr":
			from = append(from, hardware(a))
		case "meta nfproto":
			if a.Op != "" || strings.HasPrefix(a.Values, "{") {
				rest = append(rest, "of family "+values(a.short()))
			}
		default:
			rest = append(rest, a.phrase())
		}
	}
	if text := optional(list(from, "and"), ports(e.fromPorts)); text != "" {
		say("from", text)
	}
	if text := optional(list(to, "and"), ports(e.toPorts)); text != "" {
		say("to", text)
	}
	if e.out != "" {
		say("that", verb(e.out, "leaves by", "does not leave by"), interfaces(e.out))
	}
	if len(rest) > 0 {
		say(strings.Join(rest, ", "))
	}
	return b.String()
}

func appendText(all []string, text string) []string {
	if text == "" {
		return all
	}
	return append(all, text)
}

func hardware(a Ask) string {
	names, not := strings.CutPrefix(a.short(), "!")
	if set, ok := strings.CutPrefix(names, "@"); ok {
		names = "a hardware address of the set " + set
	} else {
		names = "hardware address " + values(names)
	}
	if not {
		return "anything but " + names
	}
	return names
}

func verb(values, yes, no string) string {
	if strings.HasPrefix(values, "!") {
		return no
	}
	return yes
}

func interfaces(text string) string {
	names := strings.Split(strings.TrimPrefix(text, "!"), ",")
	for i, name := range names {
		if stem, ok := strings.CutSuffix(name, "*"); ok {
			names[i] = "an interface named " + stem + "…"
		} else if set, ok := strings.CutPrefix(name, "@"); ok {
			names[i] = "an interface of the set " + set
		}
	}
	return list(names, "or")
}

// addresses are the values of a condition on an address.
func addresses(text string) string {
	names, not := strings.CutPrefix(text, "!")
	if set, ok := strings.CutPrefix(names, "@"); ok {
		names = "an address of the set " + set
	} else {
		names = values(names)
	}
	if not {
		return "anything but " + names
	}
	return names
}

func ports(text string) string {
	names, not := strings.CutPrefix(text, "!")
	switch {
	case names == "":
		return ""
	case strings.HasPrefix(names, "@"):
		names = "a port of the set " + names[1:]
	case strings.Contains(names, ","):
		names = "ports " + strings.ReplaceAll(names, ",", ", ")
	case strings.Contains(names, "-"):
		low, high, _ := strings.Cut(names, "-")
		names = "ports " + low + " to " + high
	default:
		names = "port " + names
	}
	if not {
		return "any but " + names
	}
	return names
}

// values are those of a condition in words.
func values(text string) string {
	names, not := strings.CutPrefix(text, "!")
	if set, ok := strings.CutPrefix(names, "@"); ok {
		names = "what the set " + set + " has"
	}
	names = list(strings.Split(names, ","), "or")
	if not {
		return "not " + names
	}
	return names
}

const manyWords = 6 // of a list that is written out

func list(names []string, last string) string {
	if n := len(names); n > manyWords {
		return strings.Join(names[:manyWords], ", ") + fmt.Sprintf(" or %d more", n-manyWords)
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " " + last + " " + names[n-1]
	}
	return strings.Join(names, "")
}

// addressKinds are the types of addresses that the routes know.
var addressKinds = map[string]string{
	"local": "an address of this host", "broadcast": "a broadcast address", "multicast": "a multicast address", "unicast": "a unicast address",
}

func kindOfAddress(a Ask) string {
	names := strings.Split(strings.TrimPrefix(a.short(), "!"), ",")
	for i, name := range names {
		if names[i] = addressKinds[name]; names[i] == "" {
			names[i] = "an address of type " + name
		}
	}
	if a.Op == "!=" {
		return "anything but " + list(names, "or")
	}
	return list(names, "or")
}

// phrase is a condition that belongs to no end, in words.
func (a Ask) phrase() string {
	if a.Op == "" || a.Op == "!=" || a.Op == "==" && a.What == "ct state" { // which a packet has one of
		switch a.What {
		case "ct state":
			return "in " + values(a.short()) + " connections"
		case "ct status":
			return "with connection status " + values(a.short())
		case "meta mark":
			return "with the mark " + values(a.short())
		case "ct mark":
			return "with the connection mark " + values(a.short())
		case "meta skuid":
			return "sent by user " + values(a.short())
		case "meta skgid":
			return "sent by group " + values(a.short())
		case "icmp type", "icmpv6 type":
			return "of type " + values(a.short())
		case "ct direction":
			return "in the direction " + values(a.short())
		case "meta pkttype":
			return "sent as " + values(a.short())
		}
	}
	switch {
	case strings.HasPrefix(a.What, "limit rate over "):
		return "beyond " + strings.TrimPrefix(a.What, "limit rate over ")
	case strings.HasPrefix(a.What, "limit rate "):
		return "at most " + strings.TrimPrefix(a.What, "limit rate ")
	}
	return "if " + optional(a.What, a.Op, a.Values)
}

// outcome says what becomes of the packets.
func (r Reading) outcome(chain string, e ends) string {
	var parts []string
	for _, d := range r.Does {
		if d.Kind == Logs {
			parts = append(parts, "is logged")
			break
		}
	}
	d, ok := r.Main()
	switch {
	case ok && d.Kind != Logs:
		for _, m := range r.Does {
			if m.Kind == Marks && m.Text != d.Text {
				parts = append(parts, m.words(chain, e))
			}
		}
		last := d.words(chain, e)
		if len(parts) > 0 {
			last = strings.TrimPrefix(last, "is ") // as the first part says
		}
		parts = append(parts, last)
	case len(parts) == 0:
		return "is counted"
	}
	return list(parts, "and")
}

// words say what one deed does with a packet.
func (d Deed) words(chain string, e ends) string {
	switch d.Kind {
	case Translates:
		return d.translated()
	case Masquerades:
		whose := "the outgoing interface's address"
		if e.out != "" && !strings.ContainsAny(e.out, "!,@*") {
			whose = e.out + "'s address"
		}
		if d.To != "" {
			whose += ", " + ports(d.To)
		}
		return "leaves as if from " + whose + d.flagWords()
	case Redirects:
		switch {
		case d.Map != nil:
			return "goes to this host, to the port " + d.mapWords()
		case d.To != "":
			return "goes to this host, " + ports(d.To) + d.flagWords()
		}
		return "goes to this host itself" + d.flagWords()
	case Proxies:
		return "is given to the proxy at " + d.To
	case Marks:
		what, value, _ := strings.Cut(d.Text, " set ")
		if key, from, ok := strings.Cut(value, " map "); ok { // of which what is not in it does not come here
			whose := map[bool]string{true: "has its connection marked with what ", false: "gets the mark that "}[what == "ct mark"]
			return whose + from + " has for its " + key + ", where it has one"
		}
		if what == "ct mark" {
			return "has its connection marked " + strings.Replace(value, "ct mark", "its mark", 1)
		}
		return "gets the mark " + strings.Replace(value, "meta mark", "its mark", 1)
	case Decides:
		return d.decision(chain)
	}
	switch {
	case d.Text == "notrack":
		return "is not tracked"
	case strings.HasPrefix(d.Text, "flow add"):
		return "is taken by the flowtable " + strings.TrimPrefix(d.Text, "flow add @")
	}
	return "is handed to " + d.Text
}

// decision says a verdict in words.
func (d Deed) decision(chain string) string {
	if d.Map != nil && d.Chance != "" {
		return "goes on in " + d.mapWords()
	}
	if d.Map != nil {
		return "goes where " + d.mapWords()
	}
	switch d.verdict() {
	case "accept":
		return "is let through as it is"
	case "drop":
		return "is dropped"
	case "return":
		return "is done with " + chain
	case "jump":
		return "is sent through " + d.To
	case "goto":
		return "goes on in " + d.To
	case "continue":
		return "goes on"
	case "reject":
		with := strings.TrimPrefix(strings.TrimPrefix(d.Text, "reject"), " with ")
		if with == "" {
			return "is rejected"
		}
		return "is rejected with " + with
	}
	return "is handed to " + d.Text
}

// translated says where dnat and snat lead.
func (d Deed) translated() string {
	lead, side := "goes to ", "destination"
	if d.Source {
		lead, side = "leaves as if from ", "source"
	}
	switch {
	case d.Whole && d.Map == nil:
		return "gets its " + side + " mapped one to one into " + d.To
	case d.Whole:
		return "gets its " + side + " mapped one to one, as " + strings.TrimPrefix(d.mapWords(), "it ")
	case d.Map == nil:
		return lead + placeWords(d.To) + d.flagWords()
	case d.Chance != "":
		return lead + d.mapWords() + d.flagWords()
	}
	return lead + "what " + d.mapWords() + d.flagWords()
}

// mapWords say which of a map's values it is.
func (d Deed) mapWords() string {
	if d.Chance != "" {
		places := d.places(nil)
		if len(places) == 1 {
			return places[0]
		}
		return "one of " + list(places, "or") + ", chosen " + d.Chance
	}
	if d.Map.Flags&SetAnonymous != 0 {
		return "the rule's map says for its " + keyWords(d.Key)
	}
	return "the map " + d.Map.Name + " says for its " + keyWords(d.Key)
}

// partWords are what maps are mostly asked for, in words.
var partWords = map[string]string{
	"meta l4proto": "protocol", "th dport": "port", "th sport": "source port", "tcp dport": "TCP port", "udp dport": "UDP port",
	"ip daddr": "destination address", "ip6 daddr": "destination address", "ip saddr": "source address", "ip6 saddr": "source address",
	"iifname": "incoming interface", "oifname": "outgoing interface", "iif": "incoming interface", "oif": "outgoing interface", "meta mark": "mark", "ct mark": "connection's mark",
}

// keyWords say for what a map is asked, in nft's words where there are no better ones.
func keyWords(key string) string {
	var parts []string
	for _, part := range strings.Split(key, " . ") {
		words, ok := partWords[part]
		if !ok {
			return key
		}
		parts = append(parts, words)
	}
	return list(parts, "and")
}

// placeWords say an address and port in words.
func placeWords(to string) string {
	addr, port := to, ""
	if at := strings.LastIndexByte(to, ':'); at >= 0 && (!strings.Contains(to[:at], ":") || strings.HasSuffix(to[:at], "]")) {
		addr, port = to[:at], to[at+1:]
	}
	addr = strings.NewReplacer("[", "", "]", "").Replace(addr)
	if low, high, ok := strings.Cut(addr, "-"); ok {
		addr = "one of " + low + " to " + high
	}
	return optional(addr, ports(port))
}

func (d Deed) flagWords() string {
	text := ""
	switch {
	case d.Flags&NATProtoRandomFully != 0:
		text += ", by a fully random port"
	case d.Flags&NATProtoRandom != 0:
		text += ", by a random port"
	}
	if d.Flags&NATPersistent != 0 {
		text += ", always the same for one client"
	}
	return text
}
