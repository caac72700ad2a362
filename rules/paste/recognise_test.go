package paste

import "testing"

func TestHasCommands(t *testing.T) {
	for text, want := range map[string]bool{
		"iptables -A FORWARD -j ACCEPT":                      true,
		"$ sudo /usr/sbin/ip6tables-legacy -t nat -L":        true,
		"iptables -t nat \\\n  -A POSTROUTING -j MASQUERADE": true,
		"root@gw:~# iptables -t nat -S":                      true,
		"sh -c 'iptables -F'":                                true,
		"test -x /sbin/iptables && /sbin/iptables -F":        true,
		"*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT":             true,
		"  *nat\n  -A PREROUTING -j ACCEPT\n  COMMIT":        true,
		"-A PREROUTING -p tcp -j ACCEPT":                     true,
		"PostUp = iptables -A FORWARD -i %i -j ACCEPT":       true,
		"ExecStart=/sbin/iptables -A FORWARD -j ACCEPT":      true,
		"nft add rule ip nat prerouting accept":              true,
		"sudo nft -f - <<EOF\ntable ip nat { }\nEOF":         true,
		"table ip nat {\n}":                                  true,
		"table nat {\n}":                                     true,
		"#!/usr/sbin/nft -f\n\ndefine lan = 10.0.0.0/8":      true,
		"add rule inet nat postrouting masquerade":           true,
		"chain inet gw pre {\n}":                             true,
		"flush ruleset":                                      true,
		"firewall-cmd --add-masquerade":                      true,
		"ufw allow 80":                                       true,
		"echo hello\nexit 0":                                 false,
		"state=established":                                  false,
		"see you at ten":                                     false,
		"":                                                   false,
		"tcp dport 80":                                       false,
		"tcp dport 80 dnat to 192.168.0.2:80":                false,
		"add me to the list":                                 false,
		"insert coin":                                        false,
		"table for two":                                      false,
		"flush the toilet":                                   false,
		"delete this rule please":                            false,
		"I flushed iptables yesterday":                       false,
		"192.168.0.2:8080":                                   false,
		"dst 192.168.0.0/24 dport 80 nat dnat rate>1M":       false,
		"echo 1 > /proc/sys/net/ipv4/ip_forward":             true,
		"sysctl -w net.ipv4.ip_forward=1":                    true,
	} {
		if got := HasCommands(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
