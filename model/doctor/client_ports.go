package doctor

import (
	"fmt"
	"strings"
)

// clientPorts are ports that clients ask from: Linux takes one of 32768 to 60999 (ip_local_port_range in ip-sysctl.rst), others
// one of 49152 to 65535 (RFC 6335), and behind another NAT it may be any from 1024 on.
var clientPorts = []uint16{1024, 20000, 32768, 45000, 60999}

// fromAnyPort is the answer that a forward is translated, or let through, as it is for all ports that a client may ask from:
// which one that is nobody chooses. holds tells of a packet's fate that it has the answer, too.
func (x *Examination) fromAnyPort(f *Forward, found Finding, holds func(*fate) bool) Finding {
	if found.Severity != SeverityOK || !f.Proto.HasPorts() {
		return found
	}
	p := f.packet
	for _, port := range clientPorts {
		p.SrcPort = port
		way := x.brief(p)
		if !way.known || way.Incomplete || len(way.Outcomes) != 1 || holds(&way) {
			continue
		}
		o := &way.Outcomes[0]
		by := f.rule.String()
		if !o.DroppedBy.IsZero() {
			by = dropperName(o.DroppedBy, way.hook(o.DroppedBy)) + ": " + x.dropperText(o.DroppedBy)
		}
		return unknown(fmt.Sprintf("%s, but not for every source port of a client: not for %d, for one. Which one a client takes is not known before.", strings.TrimSuffix(found.Sentence, "."), port), append(found.Evidence, by)...)
	}
	return found
}
