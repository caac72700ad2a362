package doctor_test

import (
	"strconv"
	"strings"
	"testing"
)

// nativeFaults are what may befall a gateway whose rules are native nft.
var nativeFaults = []string{
	"nft flush chain ip gw post",
	"nft insert rule ip gw pre tcp dport 80 accept",
	"nft insert rule ip gw pre return",
	"nft insert rule ip gw post oifname wan0 return",
	"nft insert rule ip gw onward iifname wan0 drop",
	"nft insert rule ip gw onward iifname lan0 oifname wan0 ct state established drop",
	"nft insert rule ip gw onward tcp dport 8080 reject",
	"nft add table ip gw { flags dormant ; }",
	"nft flush chain ip gw onward",
	"nft add table inet other\nnft add chain inet other onward { type filter hook forward priority 10 ; policy drop ; }",
	"nft add table inet other\nnft add chain inet other onward { type filter hook forward priority -10 ; policy accept ; }\nnft add rule inet other onward ct status dnat drop",
	"nft add table ip early\nnft add chain ip early pre { type nat hook prerouting priority -110 ; policy accept ; }\nnft add rule ip early pre tcp dport 80 dnat to 192.168.0.3:81",
	"nft add table ip early\nnft add chain ip early pre { type filter hook prerouting priority -300 ; policy accept ; }\nnft add rule ip early pre tcp dport 80 notrack",
	"nft add table inet marks\nnft add chain inet marks pre { type filter hook prerouting priority -150 ; policy accept ; }\nnft add rule inet marks pre iifname lan0 meta mark set 9\nip rule add fwmark 9 blackhole",
	"nft add table inet dead\nnft add chain inet dead pre { type filter hook prerouting priority -310 ; policy accept ; }\nnft add rule inet dead pre fib daddr . iif type != local drop",
	"nft add element ip gw forwards { 81 : 192.168.0.3 . 82 }",
	"iptables -P FORWARD DROP",
	"iptables -I FORWARD -o lan0 -j DROP",
	"iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.168.0.3:81",
	"iptables-legacy -t nat -A POSTROUTING -o lan0 -j SNAT --to-source 192.168.0.77",
	"iptables -t raw -A PREROUTING -i wan0 -p tcp --dport 80 -j DROP",
}

// nativeBase is a gateway that publishes a web server and shares its address, by native nft alone.
func (w *ward) nativeBase() {
	w.sysctl("net/ipv4/ip_forward", "1")
	w.serve(w.Server2, "tcp", "192.168.0.2:8080")
	w.serve(w.Client, "tcp", "198.51.100.7:80")
	w.nft(`table ip gw {
		map forwards { type inet_service : ipv4_addr . inet_service; elements = { 80 : 192.168.0.2 . 8080 } }
		chain pre { type nat hook prerouting priority dstnat; ip daddr 203.0.113.1 counter dnat ip addr . port to tcp dport map @forwards; }
		chain post { type nat hook postrouting priority srcnat; oifname "wan0" ip saddr 192.168.0.0/24 counter masquerade; }
		chain onward { type filter hook forward priority filter; policy drop; ct state established,related accept; iifname "lan0" accept; ct status dnat accept; }
	}`)
}

// TestDoctorsWordHoldsNative is TestDoctorsWordHolds on a gateway of native nft.
func TestDoctorsWordHoldsNative(t *testing.T) {
	faults := append([]string{}, nativeFaults...)
	for i, f := range commonFaults() {
		if i%3 == 0 {
			faults = append(faults, f)
		}
	}
	if testing.Short() {
		faults = faults[:4]
	}
	for seed, fault := range faults {
		t.Run(strconv.Itoa(seed), func(t *testing.T) { holdToWord(t, (*ward).nativeBase, []string{fault}) })
	}
}

// commonFaults are those that need no rules of iptables.
func commonFaults() (list []string) {
	for _, f := range faults {
		if !strings.Contains(f, "iptables") && !strings.Contains(f, "nft ") {
			list = append(list, f)
		}
	}
	return list
}
