package paste

import (
	"strings"
	"testing"

	"nattui/rules"
)

// A long option with one dash is told as that, also where it is cut short or the letter in front is an option of its own.
func TestLongOptionsWithOneDash(t *testing.T) {
	ground := Ground{Backend: rules.NFT, AnyChain: true}
	for line, want := range map[string]string{
		"iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT -to 192.168.0.2:80":                      "iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:80",
		"iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT -to=192.168.0.2:80":                      "iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:80",
		"iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT -to-dest 192.168.0.2":                    "iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2",
		"iptables -t nat -A PREROUTING -p tcp -dport 80 -j DNAT -to-destination 192.168.0.2:80":           "iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:80",
		"iptables -t nat -A POSTROUTING -s 10.0.0.0/8 -out wan0 -j SNAT -to 203.0.113.1":                  "iptables -t nat -A POSTROUTING -s 10.0.0.0/8 --out-interface wan0 -j SNAT --to-source 203.0.113.1",
		"iptables -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT -to 81":                              "iptables -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 81",
		"iptables -t nat -A PREROUTING -d 203.0.113.0/24 -j NETMAP -to 10.0.0.0/24":                       "iptables -t nat -A PREROUTING -d 203.0.113.0/24 -j NETMAP --to 10.0.0.0/24",
		"iptables -A FORWARD -p tcp -dp 80 -j ACCEPT":                                                     "iptables -A FORWARD -p tcp --dport 80 -j ACCEPT",
		"iptables -A FORWARD -p tcp -dest 80 -j ACCEPT":                                                   "iptables -A FORWARD -p tcp --destination-port 80 -j ACCEPT",
		"iptables -A FORWARD -dest 10.0.0.1 -j ACCEPT":                                                    "iptables -A FORWARD --destination 10.0.0.1 -j ACCEPT",
		"iptables -A FORWARD -p tcp -m multiport -dports 80,81 -j ACCEPT":                                 "iptables -A FORWARD -p tcp -m multiport --dports 80,81 -j ACCEPT",
		"iptables -A FORWARD -m conntrack -cts NEW -j ACCEPT":                                             "iptables -A FORWARD -m conntrack --ctstate NEW -j ACCEPT",
		"iptables -t nat -A PREROUTING -i wan0 -p tcp -d 203.0.113.1 -dport 80 -jDNAT -to 192.168.0.2:80": "iptables -t nat -A PREROUTING -i wan0 -p tcp -d 203.0.113.1 --dport 80 -j DNAT --to-destination 192.168.0.2:80",
	} {
		im := Read(line, ground)
		told := 0
		for _, r := range im.Remarks {
			if r.Text == "long options begin with two dashes" {
				told++
			}
		}
		if got := strings.Join(im.Corrected, "\n"); got != want || told == 0 {
			t.Errorf("%s\nbecomes %s\nwant    %s\n%v", line, got, want, im.Remarks)
		}
		if again := Read(want, ground); again.InDoubt() {
			t.Errorf("%s\nis in doubt: %v", want, again.Remarks)
		}
	}
	for _, line := range []string{"iptables -tnat -A PREROUTING -s10.0.0.1 -d10.0.0.2 -mtcp -p tcp --dport 80 -jACCEPT", "iptables -A FORWARD -sfd.lan -j ACCEPT"} {
		for _, r := range Read(line, ground).Remarks {
			if r.Text == "long options begin with two dashes" {
				t.Errorf("%s: %v", line, r)
			}
		}
	}
}

// What is printed in place of refused lines is called corrected where it is.
func TestMended(t *testing.T) {
	for text, want := range map[string]struct {
		any  bool
		left int
	}{
		"iptables -A FORWARD -dport 80 -p tcp -j ACCEPT":                          {true, 0},
		"iptables -A FORWARD -s nosuch.lan -j ACCEPT":                             {false, 1},
		"iptables -A FORWARD ! ! -i wan0 -j ACCEPT":                               {true, 0},
		"iptables -A FORWARD -s a.lan -j ACCEPT\niptables -A FORWARD - -j ACCEPT": {true, 1},
		"iptables -F FORWARD":                                                     {false, 0},
	} {
		any, left := Read(text, Ground{Backend: rules.NFT}).Mended()
		if any != want.any || len(left) != want.left {
			t.Errorf("%s: corrected %v, left %v", text, any, left)
		}
	}
}
