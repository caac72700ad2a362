package nft

// rejections are what is answered to a packet that is refused, as iptables takes it behind --reject-with and nft behind reject
// with (extensions/libipt_REJECT.c and libip6t_REJECT.c; libnftables, icmp_code_type and icmpv6_code_type).
var rejections = map[string]string{
	"icmp-net-unreachable": "icmp net-unreachable", "icmp-host-unreachable": "icmp host-unreachable", "icmp-proto-unreachable": "icmp prot-unreachable",
	"icmp-port-unreachable": "icmp port-unreachable", "icmp-net-prohibited": "icmp net-prohibited", "icmp-host-prohibited": "icmp host-prohibited",
	"icmp-admin-prohibited": "icmp admin-prohibited",
	"icmp6-no-route":        "icmpv6 no-route", "icmp6-adm-prohibited": "icmpv6 admin-prohibited", "icmp6-addr-unreachable": "icmpv6 addr-unreachable",
	"icmp6-port-unreachable": "icmpv6 port-unreachable", "icmp6-policy-fail": "icmpv6 policy-fail", "icmp6-reject-route": "icmpv6 reject-route",
	"tcp-reset": "tcp reset",
}

// rejectOption is what iptables calls an answer of nft; "" where it has none.
func rejectOption(with string) string {
	for option, words := range rejections {
		if words == with {
			return option
		}
	}
	return ""
}
