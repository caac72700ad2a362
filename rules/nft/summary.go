package nft

import (
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
)

// ends are a rule's conditions by what they are about.
type ends struct {
	protocol, from, fromPorts, to, toPorts, in, out string
	rest                                            []Ask
}

// sort puts the conditions where they belong.
func (r Reading) sort() ends {
	var e ends
	for _, a := range r.Asks {
		place := e.place(a)
		if place == nil || *place != "" && a.What != "meta l4proto" {
			if !a.Implied {
				e.rest = append(e.rest, a)
			}
			continue
		}
		*place = a.short()
	}
	return e
}

// place is where a condition belongs; nil for what stands apart.
func (e *ends) place(a Ask) *string {
	if strings.ContainsAny(a.What, "&.^|") || strings.Contains(a.Values, " / ") || a.Op != "" && a.Op != "!=" {
		return nil
	}
	switch a.What {
	case "meta l4proto", "ip protocol", "ip6 nexthdr":
		return &e.protocol
	case "ip saddr", "ip6 saddr":
		return &e.from
	case "ip daddr", "ip6 daddr":
		return &e.to
	case "iifname", "iif":
		return &e.in
	case "oifname", "oif":
		return &e.out
	}
	header, name, _ := strings.Cut(a.What, " ")
	if _, ports := fields[header]; ports {
		switch name {
		case "sport":
			return &e.fromPorts
		case "dport":
			return &e.toPorts
		}
	}
	return nil
}

// short are the values of a condition for a column: !a,b.
func (a Ask) short() string {
	values := strings.NewReplacer("{ ", "", " }", "", ", ", ",", `"`, "").Replace(a.Values)
	if a.Op == "!=" {
		return "!" + values
	}
	return values
}

// MatchText is the rule's conditions for a column: short, in the order a reader asks for them (what, from where, to where),
// everything that restricts it said.
func (r Reading) MatchText() string {
	e := r.sort()
	var w []string
	if e.protocol != "" {
		w = append(w, e.protocol)
	}
	switch {
	case e.from != "":
		w = append(w, "from "+rules.EndText(e.from, e.fromPorts))
	case e.fromPorts != "":
		w = append(w, "from port "+e.fromPorts)
	}
	switch {
	case e.to != "":
		w = append(w, "to "+rules.EndText(e.to, e.toPorts))
	case e.toPorts != "":
		w = append(w, ":"+e.toPorts)
	}
	if e.in != "" {
		w = append(w, "in "+e.in)
	}
	if e.out != "" {
		w = append(w, "out "+e.out)
	}
	for _, a := range e.rest {
		w = append(w, a.apart())
	}
	if len(w) == 0 {
		return "everything"
	}
	return strings.Join(w, " ")
}

// apart is a condition that belongs to no end, in a word or two.
func (a Ask) apart() string {
	what := strings.TrimPrefix(a.What, "meta ")
	switch what {
	case "ct state", "nfproto":
		return a.short()
	case "fib daddr type":
		return "dst " + a.short()
	case "fib saddr type":
		return "src " + a.short()
	}
	if a.Op == "" || a.Op == "!=" {
		return optional(what, a.short())
	}
	return optional(what, a.Op, a.Values)
}

// Main is what the rule is there for: to translate, else to decide, else whatever it does that is more than counting.
func (r Reading) Main() (Deed, bool) {
	rank := map[DeedKind]int{Translates: 6, Masquerades: 6, Redirects: 6, Proxies: 5, Decides: 4, Marks: 3, Other: 2, Logs: 1}
	var best Deed
	for _, d := range r.Does {
		if rank[d.Kind] > rank[best.Kind] || best.Text == "" && rank[d.Kind] > 0 {
			best = d
		}
	}
	return best, best.Text != ""
}

// Translates tells whether the rule translates a connection.
func (r Reading) Translates() bool {
	d, ok := r.Main()
	return ok && (d.Kind == Translates || d.Kind == Masquerades || d.Kind == Redirects)
}

// Target is what the rule does, by the name that iptables has for it; the chain that is jumped to; "" where it only counts.
func (r Reading) Target() string {
	d, ok := r.Main()
	if !ok {
		return ""
	}
	switch d.Kind {
	case Translates:
		if d.Source {
			return "SNAT"
		}
		return "DNAT"
	case Masquerades:
		return "MASQUERADE"
	case Redirects:
		return "REDIRECT"
	case Proxies:
		return "TPROXY"
	case Marks:
		return "MARK"
	case Decides:
		if d.Map != nil {
			return "vmap"
		}
		if d.To != "" {
			return d.To
		}
	}
	word, _, _ := strings.Cut(d.Text, " ")
	return strings.ToUpper(word)
}

// verdict is the word of a decision: accept, drop, reject, jump, goto, return …; "" for others.
func (d Deed) verdict() string {
	if d.Kind != Decides || d.Map != nil {
		return ""
	}
	word, _, _ := strings.Cut(d.Text, " ")
	return word
}

// Becomes is what the rule turns packets into, for a column, as rules.Rule has it: a new place for dnat, "from …" for snat and
// masquerade, "this host" for redirect, else what it does. It is "" for a rule that only counts.
func (r Reading) Becomes(links Links) string {
	d, ok := r.Main()
	if !ok {
		return ""
	}
	to := d.place(links)
	switch d.Kind {
	case Translates:
		if d.Source {
			return "from " + to
		}
		return to
	case Masquerades:
		whose := "outgoing address"
		if out := r.sort().out; out != "" && !strings.ContainsAny(out, "!,@*") {
			whose = out + "'s address"
		}
		if d.To != "" {
			whose += " :" + d.To
		}
		return "from " + whose
	case Redirects:
		if to != "" {
			return "this host :" + to
		}
		return "this host"
	case Proxies:
		return "proxy " + d.To
	case Marks:
		what, value, _ := strings.Cut(d.Text, " set ")
		return optional(strings.TrimPrefix(what, "meta "), strings.TrimPrefix(value, what+" "))
	case Decides:
		switch {
		case d.Map != nil:
			return to
		case d.To != "":
			return d.To
		}
		accepted := "accepted"
		if d.verdict() == "accept" && r.chain.translates() {
			accepted = "untouched"
		}
		return map[string]string{"accept": accepted, "drop": "dropped", "return": "RETURN", "continue": ""}[d.verdict()] + rejection(d)
	}
	return d.Text
}

// translates tells whether a chain is one of nat, or one that such a chain leads to.
func (c *Chain) translates() bool {
	if c.IsBase() {
		return c.Type == "nat"
	}
	return slices.ContainsFunc(c.Table.Chains, func(b *Chain) bool { return b.IsBase() && b.Type == "nat" && slices.Contains(b.Led(), c) })
}

// rejection is what a refused packet is told.
func rejection(d Deed) string {
	if d.verdict() != "reject" {
		return ""
	}
	return "rejected" + strings.TrimPrefix(d.Text, "reject")
}

// place is where a deed leads, in a few words where a map tells it.
func (d Deed) place(links Links) string {
	if d.Map == nil {
		return d.To
	}
	places := d.places(links)
	switch {
	case d.Chance != "" && len(places) <= 2:
		return strings.Join(places, " or ")
	case d.Chance != "":
		return fmt.Sprintf("one of %d", len(places))
	case d.Map.Flags&SetAnonymous != 0:
		return "by " + d.Key
	}
	return "@" + d.Map.Name + " by " + d.Key
}

// places are where the elements of a deed's map lead.
func (d Deed) places(links Links) []string {
	var places []string
	for _, e := range d.Map.Entries(links) {
		places = append(places, d.Place(e))
	}
	return places
}

// Place is where a deed leads by an element of its map.
func (d Deed) Place(e Entry) string {
	if v := e.Element.Verdict; v != nil && v.Chain != "" {
		return v.Chain
	}
	value := strings.Replace(e.Value, " . ", ":", 1)
	if addr, port, both := strings.Cut(e.Value, " . "); both && strings.Contains(addr, ":") {
		value = "[" + addr + "]:" + port
	} else if d.After != "" && strings.Contains(value, ":") {
		value = "[" + value + "]"
	}
	return d.Before + value + d.After
}
