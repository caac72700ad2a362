package facts

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
)

// Suggestion is something to offer in a field, with what it is.
type Suggestion struct {
	Value, Note string
}

// SuggestInterfaces offers the links to choose from, the way to the Internet
// first, the loopback interface last.
func (f *Facts) SuggestInterfaces() []Suggestion {
	wan, _ := f.WAN()
	rank := func(l Link) int {
		switch {
		case l.Name == wan.Link:
			return 0
		case l.Kind == "loopback":
			return 3
		case !l.Up || l.Master != "":
			return 2
		}
		return 1
	}
	links := slices.Clone(f.Links)
	slices.SortStableFunc(links, func(a, b Link) int { return cmp.Compare(rank(a), rank(b)) })
	offered := make([]Suggestion, 0, len(links))
	for _, l := range links {
		var notes []string
		for _, a := range f.AddressesOn(l.Name) {
			if a.Scope == ScopeGlobal || a.Scope == ScopeHost {
				notes = append(notes, a.Prefix.String())
			}
		}
		if l.Name == wan.Link {
			notes = append(notes, "default route")
		}
		if !l.Up {
			notes = append(notes, "down")
		}
		offered = append(offered, Suggestion{l.Name, strings.Join(notes, ", ")})
	}
	return offered
}

// SuggestAddresses offers this host's own addresses of a family, those of the
// way to the Internet first; the loopback interface's are left out.
func (f *Facts) SuggestAddresses(family rules.Family) []Suggestion {
	wan, _ := f.WAN()
	var first, rest []Suggestion
	for _, a := range f.Addresses {
		addr := a.Prefix.Addr()
		if rules.FamilyOf(addr) != family || a.Scope != ScopeGlobal || a.Deprecated || a.Temporary {
			continue
		}
		note := "on " + a.Link
		if a.Dynamic {
			note += ", may change"
		}
		if a.Link == wan.Link {
			first = append(first, Suggestion{addr.String(), note})
		} else {
			rest = append(rest, Suggestion{addr.String(), note})
		}
	}
	return append(first, rest...)
}

// SuggestHosts offers the machines of a family that are known on networks other
// than the one to the Internet, those that answer first.
func (f *Facts) SuggestHosts(family rules.Family) []Suggestion {
	wan, _ := f.WAN()
	known := slices.DeleteFunc(slices.Clone(f.Neighbours), func(n Neighbour) bool {
		return rules.FamilyOf(n.Addr) != family || n.Link == wan.Link || n.MAC == "" || n.Addr.IsLinkLocalUnicast()
	})
	slices.SortFunc(known, func(a, b Neighbour) int {
		if a.Reachable != b.Reachable {
			if a.Reachable {
				return -1
			}
			return 1
		}
		return a.Addr.Compare(b.Addr)
	})
	offered := make([]Suggestion, 0, len(known))
	for _, n := range known {
		offered = append(offered, Suggestion{n.Addr.String(), "on " + n.Link + ", " + n.MAC})
	}
	return offered
}

// SuggestNetworks offers the networks of a family that are behind this host:
// those of its links, without the one to the Internet.
func (f *Facts) SuggestNetworks(family rules.Family) []Suggestion {
	wan, _ := f.WAN()
	var offered []Suggestion
	seen := map[netip.Prefix]bool{}
	for _, a := range f.Addresses {
		network := a.Prefix.Masked()
		wanted := rules.FamilyOf(a.Prefix.Addr()) == family && a.Scope == ScopeGlobal && a.Link != wan.Link && !a.Prefix.IsSingleIP()
		if wanted && !seen[network] {
			seen[network] = true
			offered = append(offered, Suggestion{network.String(), "on " + a.Link})
		}
	}
	return offered
}

// proxyPorts are where proxies wait by custom, transparent ones first: Squid (3129, 3128), tinyproxy (8888), mitmproxy and
// others (8080), Privoxy (8118), redsocks (12345), Tor (9040).
var proxyPorts = []uint16{3129, 3128, 8888, 8080, 8118, 12345, 9040}

// ProxyPort is a port of this host on which a proxy seems to wait for clients of a family, by what listens and where
// proxies do by custom; 0 where none does.
func (f *Facts) ProxyPort(family rules.Family) uint16 {
	for _, port := range proxyPorts {
		for i := range f.Listeners {
			l := &f.Listeners[i]
			at := l.Address.Addr()
			serves := rules.FamilyOf(at) == family || l.BothFamilies && family == rules.IPv4
			if l.Proto == rules.TCP && l.Address.Port() == port && serves && !at.IsLoopback() {
				return port
			}
		}
	}
	return 0
}
