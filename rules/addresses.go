package rules

import (
	"strings"
)

// IPRange is a match on ranges of addresses that need not be networks (xt_iprange).
type IPRange struct {
	Source, Dest *AddrsMatch
}

// AddrsMatch is a range of addresses with its negation.
type AddrsMatch struct {
	Not bool
	Addrs
}

func (m IPRange) Module() string { return "iprange" }
func (m IPRange) options() (o []Option) {
	if m.Source != nil {
		o = append(o, NewOption(m.Source.Not, "--src-range", AddrText(m.Source.Lo)+"-"+AddrText(m.Source.Hi)))
	}
	if m.Dest != nil {
		o = append(o, NewOption(m.Dest.Not, "--dst-range", AddrText(m.Dest.Lo)+"-"+AddrText(m.Dest.Hi)))
	}
	return o
}

func parseIPRange(_ string, opts []Option) (Match, bool) {
	var m IPRange
	for _, o := range opts {
		text, _ := o.single()
		r, ok := ParseAddrs(text)
		if !ok {
			return nil, false
		}
		switch o.Name {
		case "--src-range":
			m.Source = &AddrsMatch{o.Not, r}
		case "--dst-range":
			m.Dest = &AddrsMatch{o.Not, r}
		default:
			return nil, false
		}
	}
	return m, true
}

// AddrType is a match on what the routing table says an address is (xt_addrtype).
type AddrType struct {
	Source, Dest *TypesMatch
	LimitIn      bool // look only at addresses of the interface the packet came in by
	LimitOut     bool // … leaves by
}

// TypesMatch is a list of route types (LOCAL, UNICAST, …) with its negation.
type TypesMatch struct {
	Not   bool
	Types []string
}

func (m AddrType) Module() string { return "addrtype" }
func (m AddrType) options() (o []Option) {
	if m.Source != nil {
		o = append(o, NewOption(m.Source.Not, "--src-type", strings.Join(m.Source.Types, ",")))
	}
	if m.Dest != nil {
		o = append(o, NewOption(m.Dest.Not, "--dst-type", strings.Join(m.Dest.Types, ",")))
	}
	if m.LimitIn {
		o = append(o, NewOption(false, "--limit-iface-in"))
	}
	if m.LimitOut {
		o = append(o, NewOption(false, "--limit-iface-out"))
	}
	return o
}

func parseAddrType(_ string, opts []Option) (Match, bool) {
	var m AddrType
	for _, o := range opts {
		switch o.Name {
		case "--src-type", "--dst-type":
			text, ok := o.single()
			if !ok {
				return nil, false
			}
			t := &TypesMatch{o.Not, strings.Split(text, ",")}
			if o.Name == "--src-type" {
				m.Source = t
			} else {
				m.Dest = t
			}
		case "--limit-iface-in":
			m.LimitIn = true
		case "--limit-iface-out":
			m.LimitOut = true
		default:
			return nil, false
		}
	}
	return m, true
}

// MAC is a match on the Ethernet source address.
type MAC struct {
	Not     bool
	Address string // as printed: six hex bytes
}

func (m MAC) Module() string    { return "mac" }
func (m MAC) options() []Option { return []Option{NewOption(m.Not, "--mac-source", m.Address)} }

func parseMAC(_ string, opts []Option) (Match, bool) {
	text, not, ok := onlyOption(opts, "--mac-source")
	return MAC{not, text}, ok
}
