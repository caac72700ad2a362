package flow

import (
	"strings"

	"nattui/rules"
)

// TimeoutSetting names the setting of the kernel that the flow's timeout was set
// from when its last packet passed, such as nf_conntrack_tcp_timeout_established
// (Documentation/networking/nf_conntrack-sysctl.rst). It is false where another
// thing decides: a flow table that packets are offloaded to, or a timeout that was
// fixed. A timeout policy of the CT target may have given another value.
func (f *Flow) TimeoutSetting() (name string, ok bool) {
	if f.Status&(StatusFixedTimeout|StatusOffloaded|StatusHWOffloaded) != 0 {
		return "", false
	}
	streams := func(name string, stream bool) string {
		if stream {
			name += "_stream"
		}
		return name
	}
	switch f.Orig.Proto {
	case rules.TCP, rules.SCTP, rules.DCCP:
		state := f.State
		if f.Orig.Proto == rules.TCP && state == TCPSynSent2 {
			state = TCPSynSent
		}
		word := StateName(f.Orig.Proto, state)
		if state == 0 || word == "" || word == "?" {
			return "", false
		}
		name = f.Orig.Proto.String() + "_timeout_" + strings.ToLower(word)
	case rules.UDP, rules.UDPLite:
		name = streams("udp_timeout", f.Status&StatusAssured != 0)
	case rules.GRE:
		name = streams("gre_timeout", f.Status&StatusAssured != 0)
	case rules.ICMP, rules.ICMPv6:
		name = f.Orig.Proto.String() + "_timeout"
	default:
		name = "generic_timeout"
	}
	return "nf_conntrack_" + name, true
}
