package paste

import (
	"fmt"
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
		{"one line of wg-quick", "PostUp = iptables -A FORWARD -i %i -j ACCEPT", nil, nil, []string{"%i"}},
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
@reboot iptables -A FORWARD -i wg0 -j ACCEPT
0 22 * * * root iptables -P FORWARD DROP
0 6 * * mon-fri iptables -D FORWARD -s 192.168.0.9 -j DROP
*/5 * * * * /usr/local/bin/check
@daily iptables -F
`, []string{share, forward}, []int{4, 5, 7}, nil},
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

// TestContainersSayAll takes what each kind of file runs, however it is written, and names what is not taken.
func TestContainersSayAll(t *testing.T) {
	for _, c := range []struct {
		name, text string
		plan       []string // nil where it is in doubt
		said       []string
	}{
		{"Compose entrypoint", "services:\n  gw:\n    entrypoint: [\"/bin/sh\",\"-c\",\"iptables -A FORWARD -i a -j DROP; iptables -A FORWARD -i b -j DROP\"]\n", []string{"-i a", "-i b"}, nil},
		{"Compose block list", "services:\n  gw:\n    entrypoint:\n      - /bin/sh\n      - -c\n      - iptables -A FORWARD -i a -j DROP; iptables -A FORWARD -i b -j DROP\n", []string{"-i a", "-i b"}, nil},
		{"Compose words in a list", "services:\n  gw:\n    command:\n      - iptables\n      - -A\n      - FORWARD\n      - \"-i\"\n      - a\n      - -j\n      - DROP\n", []string{"-i a"}, nil},
		{"Compose literal", "services:\n  gw:\n    command: |\n      iptables -A FORWARD -i a -j DROP\n      iptables -A FORWARD -i b -j DROP\n", []string{"-i a", "-i b"}, nil},
		{"Compose stop", "services:\n  gw:\n    environment:\n      WG_POST_UP: iptables -A FORWARD -i a -j DROP\n      WG_POST_DOWN: iptables -D FORWARD -i a -j DROP\n", []string{"-i a"}, []string{"5 note: the Compose file runs at the end"}},
		{"Kubernetes", "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: iptables\n    command: [\"/bin/sh\",\"-c\"]\n    args: [\"iptables -A FORWARD -i a -j DROP; iptables -A FORWARD -i b -j DROP\"]\n", []string{"-i a", "-i b"}, nil},
		{"Kubernetes block lists", "apiVersion: v1\nspec:\n  containers:\n  - command:\n    - sh\n    - -c\n    args:\n    - iptables -A FORWARD -i a -j DROP && iptables -A FORWARD -i b -j DROP\n", []string{"-i a", "-i b"}, nil},
		{"Ansible module", "- hosts: gw\n  tasks:\n  - name: drop by iptables\n    ansible.builtin.iptables:\n      chain: FORWARD\n      jump: DROP\n", nil, []string{"4 doubt: the Ansible playbook is not understood, and left out"}},
		{"Ansible short module", "- name: drop\n  iptables:\n    chain: FORWARD\n", nil, []string{"2 doubt: the Ansible playbook is not understood"}},
		{"Ansible shell", "- hosts: gw\n  tasks:\n  - ansible.builtin.shell: iptables -A FORWARD -i a -j DROP\n  - command: iptables -A FORWARD -i b -j DROP\n", []string{"-i a", "-i b"}, nil},
		{"a package", "#cloud-config\npackages:\n  - iptables\n  - curl\nruncmd:\n  - iptables -A FORWARD -i a -j DROP\n", []string{"-i a"}, nil},
		{"cloud-init shell list", "#cloud-config\nruncmd:\n  - [sh, -c, \"iptables -A FORWARD -i a -j DROP\"]\n  - cd /x && iptables -A FORWARD -i b -j DROP\n", nil, []string{"4 doubt: the cloud-init file is not understood"}},
		{"not understood", "[Interface]\nAddress = 10.0.0.1/24\n# iptables\nPostUp = iptables -A FORWARD -i a -j DROP\nPostStart = iptables -A FORWARD -i b -j DROP\n", nil, []string{"5 doubt: wg-quick is not understood"}},

		{"systemd reload", "[Service]\nExecStart=/sbin/iptables -A FORWARD -i a -j DROP\nExecReload=/sbin/iptables -A FORWARD -i b -j DROP\n", []string{"-i a"}, []string{"3 note: systemd runs at the reload"}},
		{"systemd is no shell", "[Service]\nExecStart=/sbin/iptables -A FORWARD -i a -j DROP && /sbin/iptables -A FORWARD -i b -j DROP\n", nil, []string{"2 error: systemd runs no shell, so && would be a word"}},
		{"systemd redirects nothing", "[Service]\nExecStart=/sbin/iptables -A FORWARD -i a -j DROP 2>/dev/null\n", nil, []string{"2 error: systemd runs no shell"}},
		{"systemd pipes nothing", "[Service]\nExecStart=/sbin/iptables -A FORWARD -i a -j DROP | true\n", nil, []string{"2 error: systemd runs no shell", "2 error: a pipe"}},
		{"systemd with a shell", "[Service]\nExecStart=/bin/sh -c 'iptables -A FORWARD -i a -j DROP && iptables -A FORWARD -i b -j DROP'\n", []string{"-i a", "-i b"}, nil},
		{"systemd percent", "[Unit]\nDescription=iptables rules\n[Service]\nExecStart=/sbin/iptables -A FORWARD -i a -m comment --comment 5%% -j DROP\n", []string{"-i a -m comment --comment 5%"}, nil},
		{"cron percent", "@reboot root iptables -A FORWARD -i a -m comment --comment '5\\%' -j DROP\n", []string{"-i a -m comment --comment 5%"}, nil},

		{"ifupdown", "iface a inet static\n up iptables -A FORWARD -i $IFACE -j DROP\niface b inet dhcp\n up iptables -A FORWARD -i \"${IFACE}\" -j DROP\n", []string{"-i a", "-i b"}, nil},
		{"Markdown", "Put this in:\n\n```\n[Interface]\nPostUp = iptables -A FORWARD -i a -j DROP\n```\n", []string{"-i a"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			im := Read(c.text, ground())
			ok := len(im.Remarks) == len(c.said) && len(im.Questions) == 0 && im.InDoubt() == (c.plan == nil)
			for i := range min(len(im.Remarks), len(c.said)) {
				head, text, _ := strings.Cut(c.said[i], ": ")
				ok = ok && fmt.Sprintf("%d %s", im.Remarks[i].Line, im.Remarks[i].Level) == head && strings.Contains(im.Remarks[i].Text, text)
			}
			if got := short(im); !ok || !slices.Equal(got, c.plan) {
				t.Errorf("%s\ncomes to\n%s", c.text, describe(im))
			}
		})
	}
}

// TestInterfaceOfWgQuick asks for what wg-quick puts in for %i.
func TestInterfaceOfWgQuick(t *testing.T) {
	const text = "PostUp = iptables -A FORWARD -i %i -j DROP"
	if im := Read(text, ground()); len(im.Questions) != 1 || im.Questions[0].Name != "%i" || im.Questions[0].Suggestion != "wg0" {
		t.Errorf("comes to\n%s", describe(im))
	}
	for _, c := range []struct{ file, answer, text string }{
		{"", "wg1", text},
		{"/etc/wireguard/wg1.conf", "", text},
		{"wg0.conf", "wg1", text},
		{"wg1.conf", "", "PostUp = sh -c 'iptables -A FORWARD -i %i -j DROP'"},
		{"wg1.conf", "", "PostUp = iptables -A FORWARD -i '%i' -j DROP"},
		{"nat@wg1.service", "", "[Service]\nExecStart=/sbin/iptables -A FORWARD -i %i -j DROP"},
	} {
		g := ground()
		g.File = c.file
		if c.answer != "" {
			g.Answers = map[string]string{"%i": c.answer}
		}
		if im := Read(c.text, g); !slices.Equal(short(im), []string{"-i wg1"}) {
			t.Errorf("%+v comes to\n%s", c, describe(im))
		}
	}
}

// TestPrefixesOfSystemd takes what may fail, and a name that the program is only told to have.
func TestPrefixesOfSystemd(t *testing.T) {
	for _, c := range []struct {
		line  string
		doubt bool
	}{
		{"ExecStartPre=-/sbin/iptables -D FORWARD -i a -j DROP", false},
		{"ExecStartPre=/sbin/iptables -D FORWARD -i a -j DROP", true},
		{"ExecStartPre=-+iptables -D FORWARD -i a \\\n  -j DROP", false},
		{"ExecStartPre=!!-iptables -D FORWARD -i a -j DROP", false},
		{"ExecStartPre = :-@/sbin/iptables iptables -D FORWARD -i a -j DROP", false},
		{"ExecStartPre=-/bin/sh -c 'iptables -D FORWARD -i a -j DROP'", false},
	} {
		im := Read("[Service]\n"+c.line+"\nExecStart=@/sbin/iptables ipt -A FORWARD -i b -j DROP\n", ground())
		if im.InDoubt() != c.doubt || !c.doubt && !slices.Equal(short(im), []string{"-i b"}) {
			t.Errorf("%s comes to\n%s", c.line, describe(im))
		}
	}
}
