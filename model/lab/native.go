package lab

// nativeRules are those of gateways without a rule of iptables. What they look like is what OpenWrt's fw4 and administrators write.
var nativeRules = map[string]string{
	"fw4": `
table inet fw4 {
	chain input {
		type filter hook input priority filter; policy accept;
		iif "lo" accept comment "!fw4: Accept traffic from loopback"
		ct state vmap { established : accept, related : accept } comment "!fw4: Handle inbound flows"
		iifname "lan0" jump input_lan comment "!fw4: Handle lan IPv4/IPv6 input traffic"
		iifname "wan0" jump input_wan comment "!fw4: Handle wan IPv4/IPv6 input traffic"
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state vmap { established : accept, related : accept } comment "!fw4: Handle forwarded flows"
		iifname "lan0" jump forward_lan comment "!fw4: Handle lan IPv4/IPv6 forward traffic"
		iifname "wan0" jump forward_wan comment "!fw4: Handle wan IPv4/IPv6 forward traffic"
		jump handle_reject
	}
	chain handle_reject {
		meta l4proto tcp reject with tcp reset comment "!fw4: Reject TCP traffic"
		reject comment "!fw4: Reject any other traffic"
	}
	chain input_lan {
		counter accept comment "!fw4: Accept lan IPv4/IPv6 traffic"
	}
	chain input_wan {
		meta l4proto { icmp, ipv6-icmp } counter accept comment "!fw4: Allow-Ping"
		ct status dnat accept comment "!fw4: Accept port redirections"
		jump handle_reject
	}
	chain forward_lan {
		oifname "wan0" counter accept comment "!fw4: Accept lan to wan forwarding"
		ct status dnat accept comment "!fw4: Accept port forwards"
	}
	chain forward_wan {
		ct status dnat accept comment "!fw4: Accept port forwards"
		jump handle_reject
	}
	chain dstnat {
		type nat hook prerouting priority dstnat; policy accept;
		iifname "lan0" jump dstnat_lan comment "!fw4: Handle lan IPv4/IPv6 dstnat traffic"
		iifname "wan0" jump dstnat_wan comment "!fw4: Handle wan IPv4/IPv6 dstnat traffic"
	}
	chain srcnat {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "lan0" jump srcnat_lan comment "!fw4: Handle lan IPv4/IPv6 srcnat traffic"
		oifname "wan0" jump srcnat_wan comment "!fw4: Handle wan IPv4/IPv6 srcnat traffic"
	}
	chain dstnat_lan {
		ip saddr 192.168.0.0/24 ip daddr 203.0.113.1 tcp dport 80 counter dnat ip to 192.168.0.2:8080 comment "!fw4: web (reflection)"
	}
	chain dstnat_wan {
		meta nfproto ipv4 tcp dport 80 counter dnat ip to 192.168.0.2:8080 comment "!fw4: web"
		meta nfproto ipv4 tcp dport 8443 counter dnat ip to 192.168.0.3:443 comment "!fw4: shop"
	}
	chain srcnat_lan {
		ip saddr 192.168.0.0/24 ip daddr 192.168.0.2 tcp dport 8080 counter snat ip to 192.168.0.1 comment "!fw4: web (reflection)"
	}
	chain srcnat_wan {
		meta nfproto ipv4 counter masquerade comment "!fw4: Masquerade IPv4 wan traffic"
	}
}
`,
	"native": `
table inet gw {
	map published {
		type inet_service : ipv4_addr . inet_service
		elements = { 80 : 192.168.0.2 . 8080, 8443 : 192.168.0.3 . 443 }
	}
	set inside {
		type ipv4_addr
		flags interval
		elements = { 192.168.0.0/24 }
	}
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		iifname "wan0" ip daddr 203.0.113.1 counter dnat ip addr . port to tcp dport map @published
		iifname "lan0" ip daddr 198.51.100.7 udp dport 53 counter redirect to :5353 comment "names are asked of the gateway"
	}
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr @inside oifname "wan0" counter masquerade
	}
}
table inet filter {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "lan0" oifname "wan0" counter accept
		ct status dnat counter accept
	}
}
`,
}
