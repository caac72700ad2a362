package doctor

import "fmt"

// checkUplinkAddress tells that the way to the Internet has no public address.
func checkUplinkAddress(x *Examination) []Finding {
	wan, ok := x.WAN()
	if !ok || !wan.IPv4.Prefix.IsValid() || !isInner(wan.IPv4.Prefix.Addr()) {
		return nil
	}
	a := wan.IPv4.Prefix.Addr()
	sentence := fmt.Sprintf("%s has the private address %s: another router translates once more, and from the Internet only what that one forwards arrives here.", wan.Link, a)
	if shared.Contains(a) {
		sentence = fmt.Sprintf("%s has %s, an address of the provider's own NAT (RFC 6598): nobody on the Internet can open a connection to this host over IPv4.", wan.Link, a)
	}
	return []Finding{{Check: "cgnat", Severity: SeverityNote, Subject: wan.Link, spare: true, Evidence: []string{wan.Link + " has " + wan.IPv4.Prefix.String()}, Sentence: sentence}}
}
