package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// ownService is a service that a gateway gives the networks inside.
type ownService struct {
	name     string
	port     uint16
	severity Severity // of what keeps all of them from it
	// programs are those that need INPUT to let the question in; none: all. Others read DHCP from the interface itself.
	programs []string
}

var ownServices = []ownService{
	{"DHCP", 67, SeverityWarning, []string{"dnsmasq", "systemd-network", "systemd-networkd", "udhcpd", "odhcpd"}},
	{"DNS", 53, SeverityNote, nil},
}

// checkOwnServices tells of services over UDP that programs of this host give, and that filters keep every network inside
// from.
func checkOwnServices(x *Examination) (list []Finding) {
	for _, s := range ownServices {
		for _, l := range x.Listeners {
			if l.Proto != rules.UDP || l.Address.Port() != s.port || l.Address.Addr().IsLoopback() || len(s.programs) > 0 && !slices.Contains(s.programs, l.Process) {
				continue
			}
			if found := x.closedToAll(s, l); found.Check != "" {
				list = append(list, found)
				break
			}
		}
	}
	return list
}

// closedToAll follows what machines inside ask of a service of this host, over IPv4: it is closed where none of them gets
// through, and the networks are there to be served.
func (x *Examination) closedToAll(s ownService, l facts.Listener) Finding {
	out, _ := x.wayToInternet(rules.IPv4)
	found := Finding{Check: "service-closed", Severity: s.severity, Subject: fmt.Sprintf("%s at %s", listenerName(l), l.Address), Evidence: []string{fmt.Sprintf("%s listens at %s", listenerName(l), l.Address)}}
	var links []string
	for _, link := range x.innerLinks(rules.IPv4, out) {
		p, ok := x.serviceQuestion(s, l, link)
		if !ok {
			continue
		}
		way := x.fate(p)
		o, blocked := way.blocked()
		if !blocked || o.DroppedBy.IsZero() || way.unseen != "" || way.unread != "" {
			return Finding{}
		}
		if links = append(links, link); len(links) == 1 {
			found.Evidence = append(found.Evidence, x.dropperText(o.DroppedBy))
			found.Sentence = fmt.Sprintf("%s drops", dropperName(o.DroppedBy, way.hook(o.DroppedBy)))
		}
	}
	if len(links) == 0 {
		return Finding{}
	}
	found.Sentence += fmt.Sprintf(" what machines at %s ask of %s, which gives %s here: nobody gets to it. Let udp port %d in from there.", strings.Join(links, ", "), listenerName(l), s.name, s.port)
	return found
}

// serviceQuestion is what a machine at a link asks of a service of this host; false if it is not for that link.
func (x *Examination) serviceQuestion(s ownService, l facts.Listener, link string) (evaluate.Packet, bool) {
	own, ok := x.ownAddr(link, netip.IPv4Unspecified())
	if at := l.Address.Addr(); !ok || !at.IsUnspecified() && at != own || at.IsUnspecified() && at.Is6() && !l.BothFamilies {
		return evaluate.Packet{}, false
	}
	if s.port == 67 { // of who has no address yet (RFC 2131)
		return evaluate.Packet{Protocol: rules.UDP, Src: netip.IPv4Unspecified(), SrcPort: 68, Dst: netip.AddrFrom4([4]byte{255, 255, 255, 255}), DstPort: 67, In: link}, true
	}
	return x.askingBy(link, rules.UDP, netip.AddrPortFrom(own, s.port))
}
