package paste

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// posted are lines as they stand in articles, questions and answers, right and
// wrong. Each has what is said of it with its place and correction, the lines as
// they should be, and whether all would be applied as given, which is the exit
// status of a dry run.
var posted = []struct {
	text      string
	applied   bool
	said      []string // LINE:COLUMN SEVERITY WORD => CORRECTION
	corrected []string
}{
	{
		text:    `iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:www`,
		applied: true,
		corrected: []string{
			`iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:www`,
		},
	},
	{
		text:    `ip6tables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination fd00::2:8080`,
		applied: false,
		said: []string{
			`1:83 doubt fd00::2:8080 => [fd00::2]:8080`,
		},
		corrected: []string{
			`ip6tables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination '[fd00::2]:8080'`,
		},
	},
	{
		text:    `ip6tables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination [fd00::2]:8080`,
		applied: true,
		corrected: []string{
			`ip6tables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination '[fd00::2]:8080'`,
		},
	},
	{
		text:    `ip6tables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination fd00::2:10`,
		applied: true,
		corrected: []string{
			`ip6tables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination fd00::2:10`,
		},
	},
	{
		text:    `ip6tables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination fd00::2:http`,
		applied: false,
		said: []string{
			`1:83 error fd00::2:http => [fd00::2]:80`,
		},
		corrected: []string{
			`ip6tables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination '[fd00::2]:80'`,
		},
	},
	{
		text:    `iptables -t nat -A PREROUTING -i eth0 -p tcp -d ! 192.168.0.1 --dport 80 -j REDIRECT --to-ports 3128`,
		applied: false,
		said: []string{
			`1:49 error ! => ! -d`,
		},
		corrected: []string{
			`iptables -t nat -A PREROUTING -i eth0 -p tcp ! -d 192.168.0.1 --dport 80 -j REDIRECT --to-ports 3128`,
		},
	},
	{
		text:    `iptables -A INPUT -i ! lo -j DROP`,
		applied: false,
		said: []string{
			`1:22 error ! => ! -i`,
		},
		corrected: []string{
			`iptables -A INPUT ! -i lo -j DROP`,
		},
	},
	{
		text:    `iptables -A INPUT ! -i lo -p tcp --dport 22 -j ACCEPT`,
		applied: true,
		corrected: []string{
			`iptables -A INPUT ! -i lo -p tcp --dport 22 -j ACCEPT`,
		},
	},
	{
		text:    `sudo iptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o eth0 -j MASQUERADE && sudo sysctl -w net.ipv4.ip_forward=1`,
		applied: true,
		corrected: []string{
			`iptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o eth0 -j MASQUERADE`,
			`sysctl -w net.ipv4.ip_forward=1`,
		},
	},
	{
		text:    "IPT=/sbin/iptables\n$IPT -t nat -A POSTROUTING -o eth0 -j MASQUERADE",
		applied: true,
		corrected: []string{
			`/sbin/iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE`,
		},
	},
	{
		text:    `iptables -t nat -A PREROUTING -i eth0 -p tcp -m tcp --dport “80” -j DNAT --to-destination 10.0.0.5`,
		applied: false,
		said: []string{
			`1:61 error “80” => 80`,
		},
		corrected: []string{
			`iptables -t nat -A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.5`,
		},
	},
	{
		text:    `iptables -A INPUT -p tcp --dport 22 -m comment --comment “ssh in” -j ACCEPT`,
		applied: false,
		said: []string{
			`1:58 error “ssh => ssh in`,
		},
		corrected: []string{
			`iptables -A INPUT -p tcp --dport 22 -m comment --comment 'ssh in' -j ACCEPT`,
		},
	},
	{
		text:    `iptables -I FORWARD 1 -i eth0 -o eth1 -m state --state RELATED,ESTABLISHED -j ACCEPT`,
		applied: true,
		corrected: []string{
			`iptables -I FORWARD 1 -i eth0 -o eth1 -m state --state RELATED,ESTABLISHED -j ACCEPT`,
		},
	},
	{
		text:    `iptables -I FORWARD 3 -i eth0 -o eth1 -j ACCEPT`,
		applied: false,
		said: []string{
			`1:10 error -I => -A FORWARD`,
		},
		corrected: []string{
			`iptables -A FORWARD -i eth0 -o eth1 -j ACCEPT`,
		},
	},
	{
		text:    "iptables-restore <<E\n*nat\n-A POSTROUTING -s 10.8.0.0/24 -o eth0 -j MASQUERADE\nCOMMIT\nE",
		applied: true,
		said: []string{
			`2:1 note `,
		},
		corrected: []string{
			`iptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o eth0 -j MASQUERADE`,
		},
	},
	{
		text:    "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 10.8.0.0/8 -o eth0 -j MASQUERADE\nCOMMIT",
		applied: false,
		said: []string{
			`1:1 note `,
			`3:19 doubt 10.8.0.0/8 => 10.0.0.0/8`,
		},
		corrected: []string{
			`iptables -t nat -A POSTROUTING -s 10.0.0.0/8 -o eth0 -j MASQUERADE`,
		},
	},
	{
		text:    `-A POSTROUTING -s 10.8.0.0/24 -o eth0 -j MASQUERADE`,
		applied: false,
		said: []string{
			`1:1 error -A => iptables`,
			`1:4 error POSTROUTING => -t nat`,
		},
		corrected: []string{
			`iptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o eth0 -j MASQUERADE`,
		},
	},
	{
		text:    `iptables -t nat -A POSTROUTING -o eth0 -J MASQUERADE`,
		applied: false,
		said: []string{
			`1:40 error -J => -j`,
		},
		corrected: []string{
			`iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE`,
		},
	},
	{
		text:    `iptables -t nat -A PREROUTING -i eth0 -p tcp -dport 80 -j DNAT -to-destination 10.0.0.5:80`,
		applied: false,
		said: []string{
			`1:46 error -dport => --dport`,
			`1:64 error -to-destination => --to-destination`,
		},
		corrected: []string{
			`iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.5:80`,
		},
	},
	{
		text:    `iptables -t nat -A PREROUTNG -i eth0 -p tcp --destination-port 80 -j DNAT --to-dest 10.0.0.5:80`,
		applied: false,
		said: []string{
			`1:20 error PREROUTNG => PREROUTING`,
			`1:75 note --to-dest => --to-destination`,
		},
		corrected: []string{
			`iptables -t nat -A PREROUTING -i eth0 -p tcp --destination-port 80 -j DNAT --to-destination 10.0.0.5:80`,
		},
	},
	{
		text:    `iptables -t nat -A prerouting -i eth0 -p tcp --dport 80 -j dnat --to-destination 10.0.0.5:80`,
		applied: false,
		said: []string{
			`1:20 error prerouting => PREROUTING`,
			`1:60 error dnat => DNAT`,
		},
		corrected: []string{
			`iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.5:80`,
		},
	},
	{
		text:    `iptable -t nat -A POSTROUTING -o eth0 -j MASQUERADE`,
		applied: false,
		said: []string{
			`1:1 error iptable => iptables`,
		},
		corrected: []string{
			`iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE`,
		},
	},
	{
		text:    `iptables -t nat -L -n -v`,
		applied: true,
		said: []string{
			`1:17 note -L`,
		},
		corrected: []string{
			`iptables -t nat -L -n -v`,
		},
	},
	{
		text:    `iptables -A FORWARD -i eth0 -o eth1 -p tcp --dport 80 -m state --state NEW,ESTABLISHED,RELATED -j ALLOW`,
		applied: false,
		said: []string{
			`1:99 error ALLOW => ACCEPT`,
		},
		corrected: []string{
			`iptables -A FORWARD -i eth0 -o eth1 -p tcp --dport 80 -m state --state NEW,ESTABLISHED,RELATED -j ACCEPT`,
		},
	},
	{
		text:    `iptables -A FORWARD -p tcp -d 192.168.0.2 -dport 8080 -j ACCEPT`,
		applied: false,
		said: []string{
			`1:43 error -dport => --dport`,
		},
		corrected: []string{
			`iptables -A FORWARD -p tcp -d 192.168.0.2 --dport 8080 -j ACCEPT`,
		},
	},
	{
		text:    `iptables -t nat -I PREROUTING -p udp -i eth0 --dport 5060:5080 -j DNAT --to 10.0.0.5:5060:5080`,
		applied: false,
		said: []string{
			`1:72 note --to => --to-destination`,
			`1:77 error 10.0.0.5:5060:5080 => 10.0.0.5:5060-5080`,
		},
		corrected: []string{
			`iptables -t nat -I PREROUTING -p udp -i eth0 --dport 5060:5080 -j DNAT --to-destination 10.0.0.5:5060-5080`,
		},
	},
	{
		text:    `iptables -t nat -A PREROUTING -p tcp -i eth0 --dport 80 -j DNAT --to-destination 10.0.0.5 --to-port 8080`,
		applied: false,
		said: []string{
			`1:91 error --to-port => --to-ports`,
			`1:91 error --to-ports => --to-destination 10.0.0.5:8080`,
		},
		corrected: []string{
			`iptables -t nat -A PREROUTING -p tcp -i eth0 --dport 80 -j DNAT --to-destination 10.0.0.5:8080`,
		},
	},
	{
		text:    `iptables --table nat --append POSTROUTING --out-interface eth0 --jump MASQUERADE`,
		applied: true,
		corrected: []string{
			`iptables --table nat --append POSTROUTING --out-interface eth0 --jump MASQUERADE`,
		},
	},
	{
		text:    `iptables -t nat -A PREROUTING -i eth0:1 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.5`,
		applied: false,
		said: []string{
			`1:34 error eth0:1 => eth0`,
		},
		corrected: []string{
			`iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.5`,
		},
	},
	{
		text:    `iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 DNAT --to-destination 10.0.0.5`,
		applied: false,
		said: []string{
			`1:57 error DNAT => -j DNAT`,
		},
		corrected: []string{
			`iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.5`,
		},
	},
	{
		text:    `iptables -A FORWARD -m conntrack --cstate RELATED,ESTABLISHED -j ACCEPT`,
		applied: false,
		said: []string{
			`1:34 error --cstate => --ctstate`,
		},
		corrected: []string{
			`iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
		},
	},
	{
		text:    `iptables -A FORWARD -i eth0 -o eth1 -m state --state ESTABLISHED, RELATED -j ACCEPT`,
		applied: false,
		said: []string{
			`1:54 error ESTABLISHED, => ESTABLISHED,RELATED`,
		},
		corrected: []string{
			`iptables -A FORWARD -i eth0 -o eth1 -m state --state ESTABLISHED,RELATED -j ACCEPT`,
		},
	},
	{
		text:    "iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 \\ \n -j DNAT --to-destination 10.0.0.5",
		applied: false,
		said: []string{
			`1:57 error \`,
		},
		corrected: []string{
			`iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.5`,
		},
	},
	{
		text:    `ip6tables -t nat -A POSTROUTING -s 10.8.0.0/24 -o eth0 -j MASQUERADE`,
		applied: false,
		said: []string{
			`1:36 error 10.8.0.0/24 => iptables`,
		},
		corrected: []string{
			`iptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o eth0 -j MASQUERADE`,
		},
	},
	{
		text:    `iptables -t nat -A PREROUTING -i eth0 -p gre -j DNAT --to-destination 10.0.0.5`,
		applied: true,
		corrected: []string{
			`iptables -t nat -A PREROUTING -i eth0 -p gre -j DNAT --to-destination 10.0.0.5`,
		},
	},
	{
		text:    `iptables -t nat -A PREROUTING -i eth0 -p 1723 -j DNAT --to-destination 10.0.0.5`,
		applied: false,
		said: []string{
			`1:42 error 1723 => tcp --dport 1723`,
		},
		corrected: []string{
			`iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 1723 -j DNAT --to-destination 10.0.0.5`,
		},
	},
	{
		text:    `iptables -t nat -A PREROUTING -i eth0 -p tcp --dports 80,443 -j DNAT --to-destination 10.0.0.5`,
		applied: false,
		said: []string{
			`1:46 error --dports => -m multiport`,
		},
		corrected: []string{
			`iptables -t nat -A PREROUTING -i eth0 -p tcp -m multiport --dports 80,443 -j DNAT --to-destination 10.0.0.5`,
		},
	},
	{
		text:    `iptables -t nat -A POSTROUTING -s 192.168.0.1/24 SNAT --to-destination 1.1.1.1`,
		applied: false,
		said: []string{
			`1:35 doubt 192.168.0.1/24 => 192.168.0.0/24`,
			`1:50 error SNAT => -j SNAT`,
			`1:50 doubt SNAT => -o wan0`,
			`1:55 error --to-destination => --to-source`,
		},
		corrected: []string{
			`iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j SNAT --to-source 1.1.1.1`,
		},
	},
	{
		text:    `iptables -A FORWARD -i eth0 -o tun0 -m state -state RELATED,ESTABLISHED -j ACCEPT`,
		applied: false,
		said: []string{
			`1:46 error -state => --state`,
		},
		corrected: []string{
			`iptables -A FORWARD -i eth0 -o tun0 -m state --state RELATED,ESTABLISHED -j ACCEPT`,
		},
	},
	{
		text:    `iptables  -t nat -A POSTROUTING -s 192.168.0.1/24 MASQUERADE`,
		applied: false,
		said: []string{
			`1:36 doubt 192.168.0.1/24 => 192.168.0.0/24`,
			`1:51 error MASQUERADE => -j MASQUERADE`,
			`1:51 doubt MASQUERADE => -o wan0`,
		},
		corrected: []string{
			`iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE`,
		},
	},
	{
		text:    `iptables -t nat -A POSTROUTING -d 192.168.0.2 --dport 8080 -j SNAT --to-source 1.1.1.1`,
		applied: false,
		said: []string{
			`1:47 error --dport => -p tcp`,
		},
		corrected: []string{
			`iptables -t nat -A POSTROUTING -d 192.168.0.2 -p tcp --dport 8080 -j SNAT --to-source 1.1.1.1`,
		},
	},
	{
		text:    `iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j REDIRECT  --to-port 8888`,
		applied: true,
		said: []string{
			`1:70 note --to-port => --to-ports`,
		},
		corrected: []string{
			`iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j REDIRECT --to-ports 8888`,
		},
	},
	{
		text:    "# share the line\niptables -t nat -A POSTROUTING –o eth0 -j MASQUERADE   # for the LAN",
		applied: false,
		said: []string{
			`2:32 error –o => -o`,
		},
		corrected: []string{
			`iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE`,
		},
	},
}

func TestImportOfPostedLines(t *testing.T) {
	for _, c := range posted {
		im := Read(c.text, ground())
		var said []string
		for _, f := range im.Remarks {
			words := fmt.Sprintf("%d:%d %s %s", f.Line, f.Column, f.Level, f.Word)
			if f.Correction != "" {
				words += " => " + f.Correction
			}
			said = append(said, words)
		}
		if !slices.Equal(said, c.said) || !slices.Equal(im.Corrected, c.corrected) || im.InDoubt() == c.applied || c.applied != (len(im.Plan.Steps) > 0 || !changes(c.text)) {
			t.Errorf("%s\ncomes to\n%s", c.text, describe(im))
		}
		if c.applied {
			continue
		}
		again := Read(strings.Join(im.Corrected, "\n"), ground())
		if slices.ContainsFunc(again.Remarks, func(f Remark) bool { return f.Level > Note }) {
			t.Errorf("%s\nis corrected to what is wrong again:\n%s", c.text, describe(again))
		}
	}
}

// changes tells a line that does anything from one that only shows.
func changes(text string) bool { return !strings.Contains(text, " -L") }
