package doctor

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"nattui/rules/nft"
)

// goneLinks tells of native rules that ask for an interface by a number which none has any more. nft notes the number that
// iif, oif and sets of interfaces stand for when they are made (nft(8), "iface_index"); an interface that is made again has
// another, and the text of the rule shows a bare number. Rules that translate, and those of programs, are told of elsewhere.
func goneLinks(x *Examination) (list []Finding) {
	set := x.Native.Ruleset()
	if set == nil || len(set.Links) == 0 {
		return nil
	}
	const most = 8
	for _, t := range set.Tables {
		if t.Dormant {
			continue
		}
		translates := translating(t)
		for _, c := range t.Chains {
			for i, r := range c.Rules {
				gone, some := linksAskedFor(r, t, set.Links)
				if len(gone) > 0 && !translates[c] && strangerOf(c, r) == "" && len(list) < most {
					list = append(list, goneLink(fmt.Sprintf("%s %s %s %d", t.Family, t.Name, c.Name, i+1), r.Text(c, set.Links), gone, some))
				}
			}
		}
	}
	return list
}

// translating are the chains of a table that translate, with those they lead to.
func translating(t *nft.Table) map[*nft.Chain]bool {
	chains := map[*nft.Chain]bool{}
	for _, c := range t.Chains {
		if c.Type == "nat" {
			chains[c] = true
			for _, led := range c.Led() {
				chains[led] = true
			}
		}
	}
	return chains
}

// goneLink is the finding of a rule that asks for gone interfaces, and for some that are there.
func goneLink(subject, text string, gone []string, some bool) Finding {
	f := Finding{
		Check: "interface-missing", Severity: SeverityWarning, Subject: subject,
		Evidence: []string{text, "numbers that no interface has: " + strings.Join(gone, ", ")},
		Sentence: "The rule asks for an interface by a number that none has any more, as after one was made again: it matches nothing. " +
			"iif and oif note the number when a rule is made; iifname and oifname ask for the name.",
	}
	if some {
		f.Severity = SeverityNote
		f.Sentence = "The rule asks for interfaces by numbers, some of which none has any more, as after one was made again. " +
			"iif and oif note the number when a rule is made; iifname and oifname ask for the name."
	}
	return f
}

// linksAskedFor are the numbers of interfaces that a rule asks for and that are not there; some tells that it asks for others
// that are.
func linksAskedFor(r *nft.Rule, t *nft.Table, links nft.Links) (gone []string, some bool) {
	loaded := map[nft.Register]bool{}
	ask := func(number []byte) {
		if len(number) != 4 {
			return
		}
		n := binary.NativeEndian.Uint32(number)
		switch text := fmt.Sprint(n); {
		case n == 0: // none: what this host sends comes by no interface
		case links[n] != "":
			some = true
		case !slices.Contains(gone, text):
			gone = append(gone, text)
		}
	}
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case nft.Meta:
			loaded[e.Reg] = !e.Set && (e.Key == "iif" || e.Key == "oif")
		case nft.Payload:
			loaded[e.Into] = false
		case nft.Cmp:
			if loaded[e.Reg] && e.Op == "eq" {
				ask(e.Data)
			}
		case nft.Lookup:
			s := t.Set(e.Set)
			if s == nil || !loaded[e.Key] || e.Not || s.KeyLen != 4 {
				continue
			}
			for _, element := range s.Elements {
				ask(element.Key)
			}
		}
	}
	return gone, some
}
