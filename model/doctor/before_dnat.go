package doctor

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// checkDroppedBefore tells of services that native rules translate for others, and that a verdict map drops when this
// host's own programs ask for them, before the translation that would serve them.
func checkDroppedBefore(x *Examination) (list []Finding) {
	set := x.Native.Ruleset()
	if set == nil {
		return nil
	}
	for _, table := range set.Tables {
		for _, c := range table.Chains {
			if table.Dormant || c.Hook != "output" || c.Type == "nat" || c.Priority >= translatesAt {
				continue
			}
			for _, m := range verdictMaps(c, set.Links) {
				for _, asked := range servicesIn(m, set.Links) {
					if found := x.droppedBefore(c, asked); found.Check != "" && len(list) < alike {
						list = append(list, found)
					}
				}
			}
		}
	}
	return list
}

// verdictMaps are the maps by which a chain, and those that it leads to, decide.
func verdictMaps(c *nft.Chain, links nft.Links) (list []nft.Deed) {
	for _, c := range append([]*nft.Chain{c}, c.Led()...) {
		for _, r := range c.Rules {
			for _, d := range r.Read(c, links).Does {
				if d.Kind == nft.Decides && d.Map != nil {
					list = append(list, d)
				}
			}
		}
	}
	return list
}

// service is what clients ask for.
type service struct {
	proto rules.Protocol
	at    netip.AddrPort
}

// servicesIn are the services that a verdict map has an element for: an address, a protocol and a port each.
func servicesIn(m nft.Deed, links nft.Links) (list []service) {
	fields := strings.Split(m.Key, " . ")
	for _, e := range m.Map.Entries(links) {
		values := strings.Split(e.Key, " . ")
		if len(values) != 3 || len(fields) != 3 || lastWord(fields[0]) != "daddr" || lastWord(fields[2]) != "dport" || len(list) >= mostListed {
			continue
		}
		proto, known := rules.ParseProtocol(values[1])
		a, err := netip.ParseAddr(values[0])
		port, bad := strconv.ParseUint(values[2], 10, 16)
		if known && proto.HasPorts() && err == nil && bad == nil {
			list = append(list, service{proto, netip.AddrPortFrom(a, uint16(port))})
		}
	}
	return list
}

// droppedBefore follows what this host's own programs ask of a service, and what machines inside do.
func (x *Examination) droppedBefore(c *nft.Chain, s service) Finding {
	src := x.ownSource(s.at.Addr())
	if !src.IsValid() {
		return Finding{}
	}
	way := x.fate(evaluate.Packet{Protocol: s.proto, Src: src, SrcPort: 51515, Dst: s.at.Addr(), DstPort: s.at.Port(), Local: true})
	o, blocked := way.blocked()
	if !blocked || o.DroppedBy.Backend != rules.Native {
		return Finding{}
	}
	if d, ok := way.nativeDropper(o.DroppedBy); !ok || d.hooked != c {
		return Finding{}
	}
	out, _ := x.uplink(rules.FamilyOf(s.at.Addr()))
	for _, link := range append(x.innerLinks(rules.FamilyOf(s.at.Addr()), out), out) {
		p, ok := x.askingBy(link, s.proto, s.at)
		if !ok || link == "" {
			continue
		}
		other := x.fate(p)
		if !other.passes() || !other.translates() || len(other.Outcomes) == 0 {
			continue
		}
		to := other.Outcomes[0].Dst.AddrPort()
		return Finding{
			Check: "dropped-before-translation", Severity: SeverityWarning, Subject: s.proto.String() + " " + s.at.String(),
			Evidence: []string{
				fmt.Sprintf("nft %s, chain %s: hook output, priority %d; translations come at %d", c.Table, c.Name, c.Priority, translatesAt), x.dropperText(o.DroppedBy),
				fmt.Sprintf("from %s by %s: translated to %s", p.Src, link, to),
			},
			Sentence: fmt.Sprintf("What this host's own programs ask of %s is dropped by %s, chain %s, before the translation that sends others to %s: the service is there, and this host alone does not reach it.", s.at, c.Table, c.Name, to),
		}
	}
	return Finding{}
}
