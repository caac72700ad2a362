package paste

import (
	"slices"
	"strings"
	"testing"
)

// TestContainers takes the half that makes something out of the files of other programs, in its
// place, and names the half that takes it away again.
func TestContainers(t *testing.T) {
	const share, forward = "iptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o wan0 -j MASQUERADE", "iptables -t filter -A FORWARD -i wg0 -j ACCEPT"
	for _, c := range []struct {
		name, text string
		plan       []string
		left       []int // lines that are named as left out
		asked      []string
	}{
		{"wg-quick", `[Interface]
Address = 10.8.0.1/24
PrivateKey = x=
PostUp = iptables -A FORWARD -i wg0 -j ACCEPT; iptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o wan0 -j MASQUERADE
PostDown = iptables -D FORWARD -i wg0 -j ACCEPT; iptables -t nat -D POSTROUTING -s 10.8.0.0/24 -o wan0 -j MASQUERADE

[Peer]
AllowedIPs = 10.8.0.2/32
`, []string{forward, share}, []int{5}, nil},
		{"one line of wg-quick", "PostUp = iptables -A FORWARD -i %i -j ACCEPT", nil, nil, []string{"INTERFACE"}},
		{"systemd", `[Unit]
Description=NAT for the office
After=network.target
[Service]
Type=oneshot
ExecStart=/usr/sbin/iptables -t nat -A POSTROUTING -s 10.8.0.0/24 \
	-o wan0 -j MASQUERADE
ExecStartPost=-/bin/sh -c 'iptables -A FORWARD -i wg0 -j ACCEPT'
ExecStop=/usr/sbin/iptables -t nat -D POSTROUTING -s 10.8.0.0/24 \
	-o wan0 -j MASQUERADE
[Install]
WantedBy=multi-user.target
`, []string{share, forward}, []int{9}, nil},
		{"ifupdown", `auto lan0
iface lan0 inet static
	address 10.8.0.1/24
	# share
	post-up iptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o wan0 -j MASQUERADE
	up iptables -A FORWARD -i wg0 -j ACCEPT || true
	pre-down iptables -t nat -D POSTROUTING -s 10.8.0.0/24 -o wan0 -j MASQUERADE
`, []string{share, forward}, []int{7}, nil},
		{"cron", `SHELL=/bin/sh
@reboot root /usr/sbin/iptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o wan0 -j MASQUERADE
*/5 * * * * iptables -A FORWARD -i wg0 -j ACCEPT
`, []string{share, forward}, nil, nil},
		{"cloud-init", `#cloud-config
packages: [curl]
runcmd:
  - iptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o wan0 -j MASQUERADE
  - [ iptables, -A, FORWARD, -i, wg0, -j, ACCEPT ]
`, []string{share, forward}, nil, nil},
		{"cloud-init with quotes", `runcmd:
  - "iptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o wan0 -j MASQUERADE"
  - ["iptables", "-A", "FORWARD", "-i", "wg0", "-j", "ACCEPT"]
`, []string{share, forward}, nil, nil},
		{"Compose", `services:
  vpn:
    image: example/wg
    environment:
      - WG_HOST=vpn.example.org
      - WG_POST_UP=iptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o wan0 -j MASQUERADE; iptables -A FORWARD -i wg0 -j ACCEPT
      - WG_POST_DOWN=iptables -t nat -D POSTROUTING -s 10.8.0.0/24 -o wan0 -j MASQUERADE
`, []string{share, forward}, []int{7}, nil},
		{"Compose with a command", `services:
  nat:
    command: sh -c "iptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o wan0 -j MASQUERADE && iptables -A FORWARD -i wg0 -j ACCEPT"
`, []string{share, forward}, nil, nil},
		{"rc.local", "#!/bin/sh -e\n# rc.local\niptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o wan0 -j MASQUERADE\niptables -A FORWARD -i wg0 -j ACCEPT\nexit 0\n", []string{share, forward}, nil, nil},
		{"asked for, then added", "! iptables -C FORWARD -i wg0 -j ACCEPT && iptables -A FORWARD -i wg0 -j ACCEPT", []string{forward}, nil, nil},
		{"asked for, and there", "iptables -A FORWARD -i wg0 -j ACCEPT\n! iptables -C FORWARD -i wg0 -j ACCEPT && iptables -A FORWARD -i wg0 -j ACCEPT", []string{forward}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			im := Read(c.text, ground())
			var plan, asked []string
			for _, argv := range im.Plan.Commands() {
				plan = append(plan, strings.Join(argv, " "))
			}
			for _, q := range im.Questions {
				asked = append(asked, q.Name)
			}
			var left []int
			for _, r := range im.Remarks {
				if strings.Contains(r.Text, "is left out") {
					left = append(left, r.Line)
				} else if r.Level != Note {
					t.Errorf("said: %s", r)
				}
			}
			if !slices.Equal(plan, c.plan) || !slices.Equal(left, c.left) || !slices.Equal(asked, c.asked) {
				t.Errorf("got\n%s\nleft %d, asked %q", describe(im), left, asked)
			}
		})
	}
}

// TestUndoneByAnother names rules that do not do what they are for beside others.
func TestUndoneByAnother(t *testing.T) {
	const publish = "iptables -t nat -A PREROUTING -i wan0 -p udp --dport 53 -j DNAT --to-destination 192.168.0.2\n"
	for _, c := range []struct {
		text, said string
	}{
		{publish + "iptables -t raw -A PREROUTING -p udp --dport 53 -j NOTRACK", "note: what is not tracked is not translated"},
		{"iptables -t raw -A PREROUTING -p udp -j CT --notrack\n" + publish, "note: what is not tracked is not translated"},
		{publish + "iptables -t raw -A PREROUTING -p udp --dport 54 -j NOTRACK", ""},
		{publish + "iptables -t raw -A PREROUTING -p tcp -j NOTRACK", ""},
		{"iptables -t nat -A PREROUTING -i lan0 -j MARK --set-mark 2", "doubt: table nat is asked for a connection's first packet"},
		{"iptables -t mangle -A FORWARD -i lan0 -j MARK --set-mark 2", "note: in FORWARD the route is chosen already"},
		{"iptables -t mangle -A PREROUTING -i lan0 -j MARK --set-mark 2", ""},
	} {
		said := ""
		for _, r := range Read(c.text, ground()).Remarks {
			said += r.String() + "\n"
		}
		if (c.said == "") != (said == "") || !strings.Contains(said, c.said) {
			t.Errorf("%s\nsaid: %s\nwant: %s", c.text, said, c.said)
		}
	}
}
