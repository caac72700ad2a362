package rules_test

import (
	"strings"
	"testing"

	"nattui/rules"
)

// besides is what Docker and firewalld leave in the kernel's own chains without a name, among what is the
// administrator's although it looks much like it.
const besides = `*nat
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 81 -j MASQUERADE
-A POSTROUTING -s 192.168.7.10/32 -d 192.168.7.10/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.3/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A POSTROUTING -o docker0 -m addrtype --src-type LOCAL -j MASQUERADE
-A POSTROUTING -s 10.0.0.0/8 -o eth0 -j MASQUERADE
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:ufw-user-forward - [0:0]
:INPUT_direct - [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT
-A INPUT -j INPUT_direct
-A FORWARD -s 10.0.0.0/8 -j ACCEPT
-A FORWARD -j REJECT --reject-with icmp-host-prohibited
-A ufw-user-forward -s 10.0.0.0/8 -j ACCEPT
-A ufw-user-forward -s 10.1.0.0/16 -j ACCEPT
COMMIT
*mangle
:FORWARD ACCEPT [0:0]
-A FORWARD -i lo -j ACCEPT
COMMIT
`

func TestOwnersByFormAndFile(t *testing.T) {
	tables, err := rules.Read(strings.NewReader(besides))
	if err != nil {
		t.Fatal(err)
	}
	made := rules.Made{}
	made.Knows("filter", "ufw-user-forward", "ufw")
	file, _ := rules.Parse("-A ufw-user-forward -s 10.1.0.0/16 -j ACCEPT")
	made.Add("filter", file, "ufw")
	postUp, _ := rules.Parse("-A POSTROUTING -s 10.0.0.0/8 -o eth0 -j MASQUERADE")
	made.Add("nat", postUp, "wg-quick")
	owners := rules.OwnersIn(&rules.Ruleset{Tables: tables}, made)
	want := "docker - - - docker wg-quick docker firewalld firewalld - firewalld - ufw -"
	var got []string
	for _, table := range tables {
		for _, c := range table.Chains {
			for _, r := range c.Rules {
				by := owners.Of(table.Name, r)
				if by == "" {
					by = "-"
				}
				got = append(got, by)
			}
		}
	}
	if text := strings.Join(got, " "); text != want {
		t.Errorf("the owners are %s\nwant            %s", text, want)
	}
}
