package ui

import (
	"fmt"
	"slices"
	"time"

	"nattui/rules"
	"nattui/ui/text"
)

// build makes the fields that the draft's kind needs.
func (f *form) build() {
	f.keepChain()
	list := []field{f.kindField(), f.chainField()}
	protocols := []string{"tcp", "udp", "icmp", "sctp", "gre"}
	if f.draft.Family == rules.IPv6 {
		protocols[2] = "ipv6-icmp"
	}
	protocol := f.input("Protocol", rules.FieldProtocol, &f.draft.Protocol, "any", protocols)
	source := f.input("From", rules.FieldSource, &f.draft.Source, "anywhere", f.networks())
	comment := f.input("Comment", rules.FieldComment, &f.draft.Comment, "", nil)
	port := f.input("Port", rules.FieldPorts, &f.draft.Ports, "any", nil)
	switch f.kind {
	case rules.DNAT, rules.Redirect:
		list = append(list, protocol)
		if f.draft.Chain != "OUTPUT" || f.draft.In != "" {
			list = append(list, f.input("Arrives on", rules.FieldIn, &f.draft.In, "any interface", f.links()))
		}
		if f.draft.Out != "" {
			list = append(list, f.input("Leaves by", rules.FieldOut, &f.draft.Out, "any interface", f.links()))
		}
		list = append(list, source,
			f.input("Asked for", rules.FieldDest, &f.draft.Dest, "any address", f.addresses()), port)
	default:
		list = append(list, source)
		if f.draft.Chain != "INPUT" || f.draft.Out != "" {
			list = append(list, f.input("Leaves by", rules.FieldOut, &f.draft.Out, "any interface", f.links()))
		}
		if f.draft.In != "" {
			list = append(list, f.input("Arrives on", rules.FieldIn, &f.draft.In, "any interface", f.links()))
		}
		list = append(list, protocol, f.input("Goes to", rules.FieldDest, &f.draft.Dest, "any address", f.hosts()), port)
	}
	if f.draft.SPorts != "" {
		list = append(list, f.input("From port", rules.FieldSPorts, &f.draft.SPorts, "any", nil))
	}
	switch f.kind {
	case rules.DNAT:
		list = append(list, f.input("Goes to", rules.FieldTo, &f.draft.To, "address[:port]", f.hosts()))
	case rules.SNAT:
		list = append(list, f.input("Seen as", rules.FieldTo, &f.draft.To, "address[:port]", f.addresses()))
	case rules.Redirect:
		list = append(list, f.input("To port", rules.FieldTo, &f.draft.To, "the same port", f.listening()))
	case rules.Masquerade:
		list = append(list, f.input("From ports", rules.FieldTo, &f.draft.To, "chosen by the kernel", nil))
	}
	list = append(list, comment)
	if f.old == nil {
		list = append(list, f.placeField())
	}
	if f.gw.Journal != nil {
		list = append(list, f.lastsField())
	}
	f.fields.ask(list)
}

// keepChain has a kind that is come back to go into the chain that was chosen for it.
func (f *form) keepChain() {
	if f.draft.Kind != f.kind && len(f.fields.list) > 0 {
		if f.chains == nil {
			f.chains = map[rules.Kind]string{}
		}
		f.chains[f.kind] = f.draft.Chain
		if chain, known := f.chains[f.draft.Kind]; known {
			f.draft.Chain = chain
		}
	}
	f.kind = f.draft.Kind
}

// labelWidth has room for the longest label of the form.
const labelWidth = 11

// fieldsWidth is how wide fields are with their frame where what they make stands beside them: narrow terminals leave most to
// that, wide ones have room for long values.
func fieldsWidth(width int) int { return max(45, min(width*9/20, 80)) }

// besideWidth is from what width on there is room for both.
const besideWidth = 78

// input is one line to type in, checked together with all the others.
func (f *form) input(title string, name rules.Field, value *string, hint string, suggestions []string) field {
	return newEntry(f.desk, string(name), title, hint, value, suggestions)
}

// wrong is what is wrong with one field; what others still lack does not count.
func (f *form) wrong(field string) string {
	_, problems := f.draft.Rule()
	for _, p := range problems {
		if string(p.Field) == field && !p.Warning {
			return p.Text
		}
	}
	return ""
}

// kindLabels say what each kind of rule is for.
var kindLabels = map[rules.Kind]string{
	rules.DNAT: "DNAT: publish a server", rules.SNAT: "SNAT: a fixed source",
	rules.Masquerade: "MASQUERADE: share", rules.Redirect: "REDIRECT: to this host",
}

func (f *form) kindField() field {
	var options []choiceOption
	for _, k := range rules.DraftKinds {
		options = append(options, choiceOption{kindLabels[k], k.Name()})
	}
	at := slices.Index(rules.DraftKinds[:], f.draft.Kind)
	return newChoice(f.desk, "kind", "Kind", options, at, func(i int) { f.draft.Kind = rules.DraftKinds[i] })
}

func (f *form) chainField() field {
	chains := slices.Clone(rules.ChainsFor(f.draft.Kind))
	if f.native != nil {
		chains = []string{f.old.Chain} // in which it stays
	} else if t, ok := f.set().Table("nat"); ok {
		for _, c := range t.Chains {
			if !c.BuiltIn() {
				chains = append(chains, c.Name)
			}
		}
	}
	if !slices.Contains(chains, f.draft.Chain) {
		f.draft.Chain = rules.DefaultChain(f.draft.Kind)
	}
	var options []choiceOption
	for _, c := range chains {
		options = append(options, choiceOption{text.Safe(c), c})
	}
	return newChoice(f.desk, "chain", "Chain", options, slices.Index(chains, f.draft.Chain), func(i int) { f.draft.Chain = chains[i] })
}

func (f *form) placeField() field {
	places := []string{placeEnd, placeFirst}
	options := []choiceOption{{"at the end", placeEnd}, {"first", placeFirst}}
	if f.beside.at > 0 {
		places = append(places, placeBefore)
		options = append(options, choiceOption{fmt.Sprintf("before rule %d", f.beside.at), placeBefore})
	}
	return newChoice(f.desk, "place", "Place", options, slices.Index(places, f.place), func(i int) { f.place = places[i] })
}

// lasting are the times that a rule can be made for.
var lasting = []struct {
	label string
	time  time.Duration
}{{"for good", 0}, {"10 minutes", 10 * time.Minute}, {"1 hour", time.Hour}, {"2 hours", 2 * time.Hour}, {"8 hours", 8 * time.Hour}, {"1 day", 24 * time.Hour}}

func (f *form) lastsField() field {
	var options []choiceOption
	at := 0
	for i, l := range lasting {
		options = append(options, choiceOption{l.label, l.label})
		if l.time == f.lasts {
			at = i
		}
	}
	return newChoice(f.desk, "lasts", "Lasts", options, at, func(i int) { f.lasts = lasting[i].time })
}
