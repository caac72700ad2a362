package facts

import (
	"fmt"
	"net/netip"
)

// PortOf is the port of a bridge that a machine is behind, as far as the bridge has learned that; "" where it has not.
func (f *Facts) PortOf(bridge string, addr netip.Addr) string {
	for i := range f.Neighbours {
		n := &f.Neighbours[i]
		if n.Link != bridge || n.Addr != addr || n.MAC == "" {
			continue
		}
		for _, s := range f.Stations {
			if s.Bridge == bridge && s.MAC == n.MAC {
				return s.Port
			}
		}
	}
	return ""
}

// SentBack says why a bridge does not send a packet to dst that came from src by it, was translated there and would have
// to leave by the port that it came in (br_netfilter); "" where it does, or that is not known.
func (f *Facts) SentBack(bridge string, src, dst netip.Addr) string {
	port := f.PortOf(bridge, src)
	if port == "" || port != f.PortOf(bridge, dst) {
		return ""
	}
	if l, ok := f.LinkNamed(port); !ok || l.Hairpin {
		return ""
	}
	return fmt.Sprintf("it would have to leave %s by %s, where it came in, and hairpin mode is off there", bridge, port)
}
