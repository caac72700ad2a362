package rules

import (
	"fmt"
	"net/netip"
)

// Family is the address family a table belongs to.
type Family uint8

// The two families that have NAT tables.
const (
	IPv4 Family = iota
	IPv6
)

// Families lists both families in the order they are shown.
var Families = [...]Family{IPv4, IPv6}

// FamilyOf is the family of an address. One of IPv4 that is mapped into IPv6 belongs to IPv6.
func FamilyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

// String returns the name used in JSON and on the command line: ipv4 or ipv6.
func (f Family) String() string {
	if f == IPv6 {
		return "ipv6"
	}
	return "ipv4"
}

// Title returns the name as people write it: IPv4 or IPv6.
func (f Family) Title() string {
	if f == IPv6 {
		return "IPv6"
	}
	return "IPv4"
}

// Other is the other family.
func (f Family) Other() Family {
	if f == IPv6 {
		return IPv4
	}
	return IPv6
}

// Bits is the length of an address of the family, 32 or 128.
func (f Family) Bits() int {
	if f == IPv6 {
		return 128
	}
	return 32
}

// Whole is the network of all addresses of the family, as a default route has it.
func (f Family) Whole() netip.Prefix {
	if f == IPv6 {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
}

// Holds reports whether the address belongs to the family.
func (f Family) Holds(a netip.Addr) bool {
	return a.IsValid() && (a.Is4() == (f == IPv4))
}

// NFT is nft's word for the family: ip or ip6.
func (f Family) NFT() string {
	if f == IPv6 {
		return "ip6"
	}
	return "ip"
}

// Command is the program that changes tables of the family.
func (f Family) Command() string {
	if f == IPv6 {
		return "ip6tables"
	}
	return "iptables"
}

// ParseFamily reads ipv4 or ipv6; the short forms 4 and 6 are understood too.
func ParseFamily(s string) (Family, error) {
	switch s {
	case "ipv4", "IPv4", "4", "ip4", "inet":
		return IPv4, nil
	case "ipv6", "IPv6", "6", "ip6", "inet6":
		return IPv6, nil
	}
	return IPv4, fmt.Errorf("unknown family %q: use ipv4 or ipv6", s)
}

// Backend is the kernel interface that holds a rule set. All may be in use on
// one host at the same time; each has rules that the others' programs do not show.
type Backend uint8

// The two backends of iptables, what is native to nftables and no rule of iptables, and that of rules of iptables of which a
// text does not tell which of the two held them.
const (
	NFT Backend = iota
	Legacy
	Native
	Untold
)

// Backends lists both backends of iptables in the order they are shown.
var Backends = [...]Backend{NFT, Legacy}

// Holders lists all that a rule set of iptables may be of, in the order they are shown.
var Holders = [...]Backend{NFT, Legacy, Untold}

// String returns the name used in JSON and on the command line: nft, legacy or native; unknown is of no command.
func (b Backend) String() string {
	switch b {
	case Legacy:
		return "legacy"
	case Native:
		return "native"
	case Untold:
		return "unknown"
	}
	return "nft"
}

// IPTables is iptables with its backend, as far as that is known: iptables nft.
func (b Backend) IPTables() string {
	if b == Untold {
		return "iptables"
	}
	return "iptables " + b.String()
}

// ParseBackend reads nft or legacy.
func ParseBackend(s string) (Backend, error) {
	switch s {
	case "nft", "nf_tables":
		return NFT, nil
	case "legacy", "xtables":
		return Legacy, nil
	}
	return NFT, fmt.Errorf("unknown backend %q: use nft or legacy", s)
}
