package doctor_test

import (
	"strconv"
	"testing"
)

// oddFaults are faults of matches, targets, policies and native rules that are seldom met.
var oddFaults = []string{
	"iptables -t mangle -A PREROUTING -j TTL --ttl-set 1",
	"iptables -t mangle -A PREROUTING -i lan0 -j TTL --ttl-dec 63",
	"iptables -t mangle -A PREROUTING -i wan0 -j TTL --ttl-dec 255",
	"iptables -t mangle -A FORWARD -o wan0 -j TTL --ttl-set 0",
	"iptables -I FORWARD -m conntrack --ctstate NEW -j DROP",
	"iptables -I FORWARD -m conntrack --ctreplsrc 192.168.0.2 -j DROP",
	"iptables -I FORWARD -p tcp -m tcp --tcp-option 2 -j DROP",
	"iptables -I FORWARD -p tcp --tcp-flags SYN SYN -m tcpmss --mss 500:1500 -j DROP",
	"iptables -I FORWARD -m dscp --dscp 0 -j DROP",
	"iptables -I FORWARD -m pkttype --pkt-type unicast -j DROP",
	"iptables -I FORWARD -m quota --quota 0 -j ACCEPT\niptables -A FORWARD -j DROP",
	"iptables -I FORWARD -m policy --dir in --pol none -j DROP",
	"iptables -I FORWARD -m hashlimit --hashlimit-above 1/hour --hashlimit-burst 1 --hashlimit-mode dstip --hashlimit-name x -j DROP",
	"iptables -I FORWARD -m u32 --u32 0>>22&0x3C@0&0xFFFF=8080 -j DROP",
	"iptables -t raw -A PREROUTING -i wan0 -j CT --zone 5",
	"iptables -t raw -A PREROUTING -i lan0 -j CT --zone 6",
	"iptables -t mangle -A PREROUTING -i wan0 -p tcp --dport 80 -j TPROXY --on-port 9 --tproxy-mark 1",
	"iptables -t nat -I PREROUTING -p tcp --dport 80 -m statistic --mode nth --every 1 --packet 0 -j REDIRECT --to-ports 9",
	"iptables -t nat -I POSTROUTING -d 192.168.0.2 -j SNAT --to-source 10.77.0.1",
	"ip rule add to 192.168.0.2 lookup 55\nip route add blackhole default table 55",
	"ip rule add ipproto tcp dport 8080 blackhole",
	"ip xfrm policy add dir fwd src 0.0.0.0/0 dst 192.168.0.0/24 action block", // what arrives is for another address
	"ip xfrm policy add dir fwd src 0.0.0.0/0 dst 203.0.113.1/32 action block",
	"ip xfrm policy add dir fwd src 192.168.0.0/24 dst 0.0.0.0/0 action block",
	"ip xfrm policy add dir out src 192.168.0.0/24 dst 0.0.0.0/0 action block",
	"ip xfrm policy add dir out src 0.0.0.0/0 dst 192.168.0.2/32 tmpl proto esp mode transport",
	"ip xfrm policy add dir fwd src 192.168.0.2/32 dst 0.0.0.0/0 tmpl proto esp mode transport",
	"nft add table inet n1\nnft add chain inet n1 fwd { type filter hook forward priority 1 ; policy accept ; }\nnft add rule inet n1 fwd ct status dnat drop",
	"nft add table inet n2\nnft add chain inet n2 pre { type filter hook prerouting priority -310 ; policy accept ; }\nnft add rule inet n2 pre fib daddr type local tcp dport 80 drop",
	"nft add table inet n3\nnft add chain inet n3 pre { type filter hook prerouting priority -310 ; policy accept ; }\nnft add rule inet n3 pre iifname wan0 ct zone set 7",
	"nft add table ip n5\nnft add map ip n5 m { type inet_service : ipv4_addr ; }\nnft add element ip n5 m { 80 : 192.168.0.3 }\nnft add chain ip n5 pre { type nat hook prerouting priority -110 ; policy accept ; }\nnft add rule ip n5 pre iifname wan0 dnat to tcp dport map @m",
	"nft add table ip n6\nnft add chain ip n6 pre { type nat hook prerouting priority -110 ; policy accept ; }\nnft add rule ip n6 pre tcp dport 80 redirect to 9",
	"nft add table inet n7\nnft add chain inet n7 fwd { type filter hook forward priority 1 ; policy drop ; }\nnft add rule inet n7 fwd ct state established accept\nnft add rule inet n7 fwd meta mark 7 accept",
	"nft add table inet n9\nnft add chain inet n9 fwd { type filter hook forward priority 1 ; policy accept ; }\nnft add rule inet n9 fwd @nh,72,8 6 drop",
	"nft add table inet n10\nnft add chain inet n10 fwd { type filter hook forward priority 1 ; policy accept ; }\nnft add rule inet n10 fwd ct count over 0 drop",
	"nft add table inet n12\nnft add chain inet n12 pre { type filter hook prerouting priority -150 ; policy accept ; }\nnft add rule inet n12 pre iifname wan0 meta mark set 0x9\nip rule add fwmark 9 prohibit",
	"nft add table netdev n16\nnft add chain netdev n16 out { type filter hook egress device lan0 priority 0 ; policy accept ; }\nnft add rule netdev n16 out ip daddr 192.168.0.2 drop",
	"nft add table ip n17\nnft add chain ip n17 pre { type filter hook prerouting priority -150 ; policy accept ; }\nnft add rule ip n17 pre iifname wan0 tcp dport 80 ip daddr set 192.168.0.3",
	"nft add table inet n19 { flags dormant ; }\nnft add chain inet n19 fwd { type filter hook forward priority 1 ; policy drop ; }",
	"ip addr del 192.168.0.1/24 dev lan0",
}

// TestDoctorsWordHoldsOnOddFaults is TestDoctorsWordHolds of each of them alone.
func TestDoctorsWordHoldsOnOddFaults(t *testing.T) {
	for i, fault := range oddFaults {
		if testing.Short() && i%8 != 0 {
			continue
		}
		t.Run(strconv.Itoa(i), func(t *testing.T) { holdToWord(t, (*ward).base, []string{fault}) })
	}
}
