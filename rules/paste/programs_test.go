package paste

import (
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nattui/model/lab"
	"nattui/rules"
)

// sampleValues are values that iptables takes, by option where the kind does not tell.
var sampleValues = map[string]string{
	"--tos": "0x10", "--set-tos": "0x10", "--and-tos": "0x10", "--or-tos": "0x10", "--xor-tos": "0x10", "--dscp-class": "CS1", "--set-dscp-class": "CS1",
	"--mode": "nth", "--probability": "0.5", "--ctdir": "ORIGINAL", "--algo": "bm", "--string": "x", "--hex-string": "|41|", "--pkt-type": "broadcast",
	"--helper": "ftp", "--weekdays": "Mon", "--monthdays": "1", "--timestart": "01:00", "--timestop": "02:00", "--datestart": "2026-01-01", "--datestop": "2026-02-01",
	"--hashlimit-upto": "1/sec", "--hashlimit-above": "1/sec", "--hashlimit-burst": "5", "--hashlimit-mode": "srcip", "--hashlimit-rate-interval": "1",
	"--connlimit-mask": "24", "--mask": "255.255.255.0", "--name": "x", "--hashlimit-name": "x", "--comment": "x", "--label": "1",
	"--connbytes": "1:2", "--connbytes-dir": "both", "--connbytes-mode": "bytes", "--src-group": "1", "--dst-group": "1", "--u32": "0>>22&0x3C@4=1",
	"--header": "frag", "--mh-type": "1", "--genre": "Linux", "--quota": "100", "--realm": "1", "--path": "x", "--bytecode": "1,6 0 0 0", "--object-pinned": "/x",
	"--dir": "in", "--rt-type": "0", "--pol": "ipsec", "--proto": "esp", "--tunnel-src": "192.0.2.1", "--tunnel-dst": "192.0.2.1", "--spi": "1", "--nfacct-name": "x",
	"--dccp-types": "REQUEST", "--chunk-types": "any DATA", "--match-set": "x src", "--dst-opts": "1", "--hbh-opts": "1", "--rt-0-addrs": "2001:db8::1",
	"--vproto": "6", "--vaddr": "192.0.2.1", "--vport": "1", "--vdir": "ORIGINAL", "--vmethod": "GATE", "--vportctl": "1", "--cluster-hash-seed": "1",
	"--log-prefix": "x", "--nflog-prefix": "x", "--on-ip": "192.0.2.1", "--tproxy-mark": "1", "--gateway": "192.0.2.1", "--set-class": "1:1",
	"--ctevents": "new", "--expevents": "new", "--zone": "1", "--zone-orig": "1", "--zone-reply": "1", "--timeout": "x", "--queue-balance": "1:2",
	"--dscp": "1", "--set-dscp": "1", "--ahspi": "1", "--espspi": "1", "--ipcompspi": "1", "--fragid": "1", "--rt-segsleft": "1",
}

// sampleKinds are values by their kind.
var sampleKinds = map[valueKind]string{
	kindNumber: "1", kindIface: "eth0", kindProto: "6", kindPort: "80", kindPorts: "80,81", kindStates: "NEW", kindStatuses: "ASSURED", kindMark: "0x1", kindRate: "1/sec",
	kindICMP: "echo-request", kindTypes: "LOCAL", kindRange: "192.0.2.1-192.0.2.2", kindSpan: "1:2", kindSegment: "1:2", kindFlags: "SYN SYN", kindMAC: "02:00:00:00:00:01", kindUser: "0", kindGroup: "0",
	kindTo: "192.0.2.1", kindToPorts: "80", kindNet: "192.0.2.0/24", kindReject: "icmp-port-unreachable", kindLevel: "4",
}

func sampleOption(o *optionSpec) string {
	if o.values() == 0 {
		return o.name
	}
	if o.name == "--mode" && !o.must {
		return "--mode tunnel" // of a policy
	}
	if o.kind == kindLength {
		return o.name + " 24"
	}
	if v, ok := sampleValues[o.name]; ok {
		return o.name + " " + v
	}
	return o.name + " " + sampleKinds[o.kind]
}

// sampleLine is a rule with some options of an extension.
func sampleLine(name string, target bool, options ...string) (program, line string) {
	program = "iptables"
	table, chain, proto := "mangle", "PREROUTING", ""
	switch name {
	case "hl", "HL", "dst", "hbh", "frag", "rt", "mh", "ipv6header", "icmp6":
		program = "ip6tables"
	}
	switch name {
	case "tcp", "multiport", "tcpmss", "ecn", "osf", "ECN", "TPROXY":
		proto = "-p tcp"
	case "udp", "udplite", "sctp", "dccp", "icmp", "ah", "esp":
		proto = "-p " + name
	case "ipcomp":
		proto = "-p 108"
	case "icmp6":
		proto = "-p icmpv6"
	case "mh":
		proto = "-p 135"
	case "TCPMSS":
		chain, proto = "FORWARD", "-p tcp --tcp-flags SYN,RST SYN"
	case "owner":
		chain = "OUTPUT"
	case "physdev":
		chain = "FORWARD"
	case "REJECT":
		table, chain = "filter", "INPUT"
	case "CT":
		table = "raw"
	case "CLASSIFY", "TCPMSS-clamp":
		chain = "POSTROUTING"
	case "DNAT", "REDIRECT", "NETMAP":
		table = "nat"
	case "SNAT", "MASQUERADE":
		table, chain = "nat", "POSTROUTING"
	}
	if slices.Contains([]string{"MASQUERADE", "REDIRECT"}, name) {
		proto = "-p tcp"
	}
	flag := "-m"
	if target {
		flag = "-j"
	}
	return program, strings.Join(strings.Fields(fmt.Sprintf("%s -w -t %s -A %s %s %s %s %s", program, table, chain, proto, flag, name, strings.Join(options, " "))), " ")
}

// otherwise are rules that iptables refuses for what is not there, or takes though it does something else.
var otherwise = map[string]string{
	"--object-pinned": "no such program is loaded", "--path": "no such control group", "--cgroup": "this kernel has no such controller",
	"CT --timeout x": "no such time-out policy", "--on-port 65536": "iptables makes it port 0",
}

// completions are options that an extension must have, as a rule with one more of them is looked at.
func completions(specs []optionSpec, beside ...*optionSpec) []string {
	var list []string
	some := false
	for _, b := range beside {
		some = some || b.some
	}
	for i := range specs {
		o := &specs[i]
		given := slices.Contains(beside, o)
		if given || slices.ContainsFunc(beside, o.excludes) {
			continue
		}
		needed := slices.ContainsFunc(beside, func(b *optionSpec) bool { return b.needs == o.name })
		switch {
		case o.must, needed:
			list = append(list, sampleOption(o))
		case o.some && !some:
			some = true
			list = append(list, sampleOption(o))
		}
	}
	return list
}

// TestExtensionsAsThePrograms writes rules with every option of every extension, alone, inverted, missing what it
// needs, and beside each other one that it may exclude, and holds what is said of them against iptables.
func TestExtensionsAsThePrograms(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	for _, table := range []struct {
		target bool
		specs  map[string][]optionSpec
	}{{false, matchOptions}, {true, targetOptions}} {
		for _, name := range slices.Sorted(maps.Keys(table.specs)) {
			specs := table.specs[name]
			if len(specs) == 0 {
				continue
			}
			t.Run(name, func(t *testing.T) {
				hold(t, name, table.target, strings.Join(nil, " "))
				for i := range specs {
					o := &specs[i]
					rest := completions(specs, o)
					hold(t, name, table.target, append(rest, sampleOption(o))...)
					hold(t, name, table.target, append(rest, "! "+sampleOption(o))...)
					if o.hi > 0 {
						for _, n := range []uint64{o.lo, o.hi, o.hi + 1} {
							hold(t, name, table.target, append(rest, o.name+" "+fmt.Sprint(n))...)
						}
						if o.lo > 0 {
							hold(t, name, table.target, append(rest, o.name+" "+fmt.Sprint(o.lo-1))...)
						}
					}
					for k := range specs[:i] {
						if o.excludes(&specs[k]) || o.groups != "" && specs[k].groups != "" {
							hold(t, name, table.target, append(completions(specs, o, &specs[k]), sampleOption(&specs[k]), sampleOption(o))...)
						}
					}
				}
			})
		}
	}
}

// heldLines are rules that hang on more than an extension's own options.
var heldLines = strings.Split(`iptables -A FORWARD -s any/0 -j ACCEPT
iptables -A FORWARD -s any -j ACCEPT
iptables -A FORWARD -p 0x6 --dport 80 -j ACCEPT
iptables -A FORWARD -p 0x100 -j ACCEPT
iptables -A FORWARD -p 06 -j ACCEPT
iptables -A FORWARD -s 0xc0a80701 -j ACCEPT
iptables -A FORWARD -s 0xc0.0xa8.7.1 -j ACCEPT
iptables -A FORWARD -s 3232237313 -j ACCEPT
iptables -A FORWARD -s 192.168.1793 -j ACCEPT
iptables -A FORWARD -s 192.168.70000 -j ACCEPT
iptables -A FORWARD -s 0xc0a80701/32 -j ACCEPT
iptables -A FORWARD -s 0x1c0a80701 -j ACCEPT
iptables -A FORWARD -s localhost -j ACCEPT
ip6tables -A FORWARD -s any/0 -j ACCEPT
iptables -A FORWARD -j REJECT --reject-with tcp-reset
iptables -A FORWARD -p udp -j REJECT --reject-with tcp-reset
iptables -A FORWARD ! -p tcp -j REJECT --reject-with tcp-reset
iptables -A FORWARD -p tcp -j REJECT --reject-with tcp-reset
ip6tables -A FORWARD -j REJECT --reject-with tcp-reset
iptables -t mangle -A PREROUTING -j TPROXY --on-port 1
iptables -t mangle -A PREROUTING -p icmp -j TPROXY --on-port 1
iptables -t mangle -A PREROUTING -p udp -j TPROXY --on-port 1
iptables -A INPUT -m policy --dir out --pol ipsec -j ACCEPT
iptables -A INPUT -m policy --dir in --pol ipsec -j ACCEPT
iptables -A FORWARD -m policy --dir in --pol ipsec -j ACCEPT
iptables -A FORWARD -m policy --dir out --pol ipsec -j ACCEPT
iptables -A OUTPUT -m policy --dir in --pol ipsec -j ACCEPT
iptables -A OUTPUT -m policy --dir out --pol ipsec -j ACCEPT
iptables -t nat -A PREROUTING -m policy --dir out --pol none -j ACCEPT
iptables -t nat -A POSTROUTING -m policy --dir in --pol none -j ACCEPT
iptables -A FORWARD -m connbytes --connbytes 100:50 --connbytes-dir both --connbytes-mode bytes -j ACCEPT
iptables -A FORWARD -m connbytes --connbytes 100: --connbytes-dir both --connbytes-mode bytes -j ACCEPT
iptables -A FORWARD -m connbytes --connbytes 50:100 --connbytes-dir both --connbytes-mode bytes -j ACCEPT
iptables -A FORWARD -m connbytes --connbytes x --connbytes-dir both --connbytes-mode bytes -j ACCEPT
iptables -A FORWARD -m tos --tos 0x100 -j ACCEPT
iptables -A FORWARD -m tos --tos 0x10/0x100 -j ACCEPT
iptables -A FORWARD -m tos --tos 0xff -j ACCEPT
iptables -t mangle -A FORWARD -j TOS --set-tos 0x100
iptables -t mangle -A FORWARD -j TOS --set-tos 0x10
iptables -A FORWARD -m hl --hl-eq 3 -j ACCEPT
iptables -t mangle -A FORWARD -j HL --hl-set 3
ip6tables -A FORWARD -m ttl --ttl-eq 3 -j ACCEPT
ip6tables -t mangle -A FORWARD -j TTL --ttl-set 3
ip6tables -t mangle -A FORWARD -j HL --hl-set 3
iptables -A FORWARD -m osf --genre Linux -j ACCEPT
iptables -A FORWARD -p udp -m osf --genre Linux -j ACCEPT
iptables -A FORWARD -p tcp -m osf --genre Linux -j ACCEPT
iptables -A FORWARD -m length --length 100:50 -j ACCEPT
iptables -A FORWARD -p tcp -m tcpmss --mss 100:50 -j ACCEPT
iptables -A FORWARD -m conntrack --ctexpire 100:50 -j ACCEPT
iptables -w5 -A FORWARD -j ACCEPT
iptables -w 5 -A FORWARD -j ACCEPT
iptables -wW -A FORWARD -j ACCEPT
iptables -w5x -A FORWARD -j ACCEPT
iptables -w1.5 -A FORWARD -j ACCEPT
iptables -4 -A FORWARD -j ACCEPT
iptables -A FORWARD -4 -j ACCEPT
ip6tables -6 -A FORWARD -j ACCEPT
iptables -A FORWARD -nv -j ACCEPT
iptables -A FORWARD -p tcp --syn --tcp-flags ALL SYN -j DROP
iptables -A FORWARD -p tcp --tcp-flags ALL SYN ! --syn -j DROP
iptables -A FORWARD -p tcp --tcp-flags SYN,ACK FOO -j DROP
iptables -A FORWARD -p tcp --tcp-flags FOO SYN -j DROP
iptables -A FORWARD -p tcp --tcp-flags ALL NONE -j DROP
iptables -A FORWARD -m time --timestart 25:00 -j DROP
iptables -A FORWARD -m time --timestart 24:00 -j DROP
iptables -A FORWARD -m time --timestart 23:60 -j DROP
iptables -A FORWARD -m time --timestart 23:59:60 -j DROP
iptables -A FORWARD -m time --timestart 1:2 --timestop 23:59:59 -j DROP
iptables -A FORWARD -m time --timestart 12 -j DROP
iptables -A FORWARD -m time --weekdays Mon,Foo -j DROP
iptables -A FORWARD -m time --weekdays 1,Tue,wed -j DROP
iptables -A FORWARD -m time --weekdays 0,8 -j DROP
iptables -A FORWARD -m time --weekdays Monday -j DROP
iptables -A FORWARD -m time --weekdays Mo -j DROP
iptables -A FORWARD -m policy --dir in --pol ipsec --proto foo -j DROP
iptables -A FORWARD -m time --monthdays 32 -j DROP
iptables -A FORWARD -m time --monthdays 1,31 -j DROP
iptables -A FORWARD -m time --monthdays 0 -j DROP
iptables -A FORWARD -m time --datestart 2026-13-01 -j DROP
iptables -A FORWARD -m time --datestart 2026-02-32 -j DROP
iptables -A FORWARD -m time --datestart 2026-02-01T25:00 -j DROP
iptables -A FORWARD -m time --datestart 2026-02-01T23:00 -j DROP
iptables -A FORWARD -m time --datestart 1960-02-01 -j DROP
iptables -A FORWARD -m length --length 70000 -j DROP
iptables -A FORWARD -m length --length 65535 -j DROP
iptables -A FORWARD -m length --length 1:70000 -j DROP
iptables -A FORWARD -p tcp -m tcpmss --mss 70000 -j DROP
iptables -A FORWARD -m conntrack --ctexpire 70000 -j DROP
iptables -A FORWARD -m conntrack --ctexpire 4294967296 -j DROP
iptables -A FORWARD -m mac --mac-source 00:11:22:33:44 -j DROP
iptables -A FORWARD -m mac --mac-source 00:11:22:33:44:55:66 -j DROP
iptables -A FORWARD -m mac --mac-source 00:11:22:33:44:gg -j DROP
iptables -A FORWARD -m mac --mac-source 0:1:2:3:4:5 -j DROP
iptables -A FORWARD -m mac --mac-source 00-11-22-33-44-55 -j DROP
iptables -t raw -A PREROUTING -j CT --zone 70000
iptables -t raw -A PREROUTING -j CT --zone 65535
iptables -t raw -A PREROUTING -j CT --zone x
iptables -t raw -A PREROUTING -j CT --zone-orig 65536
iptables -t raw -A PREROUTING -j CT --zone-reply 65535
iptables -t raw -A PREROUTING -j CT --zone mark
iptables -t raw -A PREROUTING -j CT --ctevents foo
iptables -t raw -A PREROUTING -j CT --ctevents new,destroy
iptables -A FORWARD -p tcp --dport 90:80 -j DROP
iptables -A FORWARD -p udp --sport 90:80 -j DROP
iptables -A FORWARD -p sctp --dport 90:80 -j DROP
iptables -A FORWARD -p dccp --dport 90:80 -j DROP
iptables -A FORWARD -p tcp -m multiport --dports 90:80 -j DROP
iptables -A FORWARD -m conntrack --ctorigdstport 90:80 -j DROP
iptables -t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 90-80
iptables -t nat -A PREROUTING -p tcp -j DNAT --to-destination 192.0.2.1:90-80
iptables -A FORWARD -m iprange --src-range 192.0.2.9-192.0.2.1 -j DROP
iptables -A FORWARD -m iprange --src-range 192.0.2.9 -j DROP
iptables -A FORWARD -p icmp --icmp-type 256 -j DROP
iptables -A FORWARD -p icmp --icmp-type 3/256 -j DROP
iptables -A FORWARD -m statistic --mode random --probability 1.5 -j DROP
iptables -A FORWARD -m statistic --mode random --probability 1 -j DROP
iptables -A FORWARD -m statistic --mode foo -j DROP
iptables -A FORWARD -m pkttype --pkt-type foo -j DROP
iptables -A FORWARD -m pkttype --pkt-type host -j DROP
iptables -A FORWARD -m conntrack --ctdir foo -j DROP
iptables -A FORWARD -m conntrack --ctdir reply -j DROP
iptables -A FORWARD -m string --string x --algo foo -j DROP
iptables -A FORWARD -m string --string x --algo kmp -j DROP
iptables -A FORWARD -m string --hex-string |4| --algo bm -j DROP
iptables -A FORWARD -m hashlimit --hashlimit-upto 5/foo --hashlimit-name a -j DROP
iptables -A FORWARD -m hashlimit --hashlimit-upto 5/sec --hashlimit-name a --hashlimit-mode foo -j DROP
iptables -A FORWARD -m hashlimit --hashlimit-upto 5/sec --hashlimit-name a --hashlimit-mode srcip,dstport -j DROP
iptables -A FORWARD -m connlimit --connlimit-above 5 --connlimit-mask 33 -j DROP
iptables -A FORWARD -m dscp --dscp-class FOO -j DROP
iptables -A FORWARD -m dscp --dscp-class EF -j DROP
iptables -t mangle -A FORWARD -j DSCP --set-dscp-class AF55
iptables -t mangle -A FORWARD -j CLASSIFY --set-class 1
iptables -t mangle -A FORWARD -j CLASSIFY --set-class 1:ffff
iptables -A FORWARD -m tos --tos foo -j DROP
iptables -A FORWARD -m tos --tos Minimize-Delay -j DROP
iptables -A FORWARD -m connbytes --connbytes 1 --connbytes-dir foo --connbytes-mode bytes -j DROP
iptables -A FORWARD -m connbytes --connbytes 1 --connbytes-dir both --connbytes-mode foo -j DROP
iptables -t mangle -A PREROUTING -j TEE --gateway foo
iptables -A FORWARD -m mark --mark 0x1ffffffff -j DROP
iptables -A FORWARD -m limit --limit 5/foo -j DROP
iptables -A FORWARD -p tcp --tcp-option 0 -j DROP
iptables -A FORWARD -m policy --dir foo --pol ipsec -j DROP
iptables -A FORWARD -m policy --dir in --pol foo -j DROP
iptables -A FORWARD -m addrtype --src-type foo -j DROP
iptables -A FORWARD -m physdev --physdev-in averyveryverylongname -j DROP
iptables -A FORWARD -i averyveryverylongname -j DROP
iptables -A FORWARD -m recent --rcheck --seconds 5 --hitcount 300 -j DROP
iptables -A FORWARD -m recent --rcheck --seconds 5 --hitcount 20 -j DROP`, "\n")

// TestHooksAsThePrograms writes a rule with every extension into every chain of every table, as most belong in some
// alone, and holds what is said of it against iptables.
func TestHooksAsThePrograms(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	place := regexp.MustCompile(`-t \w+ -A \w+`)
	for _, kind := range []struct {
		target bool
		specs  map[string][]optionSpec
	}{{false, matchOptions}, {true, targetOptions}} {
		for _, name := range slices.Sorted(maps.Keys(kind.specs)) {
			program, line := sampleLine(name, kind.target, completions(kind.specs[name])...)
			t.Run(name, func(t *testing.T) {
				for _, table := range []string{"filter", "nat", "mangle", "raw"} {
					for _, chain := range rules.BuiltInChains[table] {
						holdLine(t, name, program, place.ReplaceAllLiteralString(line, "-t "+table+" -A "+chain))
					}
				}
			})
		}
	}
}

// TestLinesAsThePrograms holds what is said of rules that hang on protocol, chain, family and the forms of a value
// against iptables.
func TestLinesAsThePrograms(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	for _, line := range heldLines {
		program, _, _ := strings.Cut(line, " ")
		t.Run(line, func(t *testing.T) { holdLine(t, program, program, line) })
	}
}

// hold compares whether a line is taken by iptables' own parser and by ours.
func hold(t *testing.T, name string, target bool, options ...string) {
	t.Helper()
	program, line := sampleLine(name, target, options...)
	holdLine(t, name, program, line)
}

func holdLine(t *testing.T, name, program, line string) {
	t.Helper()
	words := strings.Fields(line)
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skip(program + " is not installed")
	}
	out, err := exec.Command(path, words[1:]...).CombinedOutput()
	var exit *exec.ExitError
	// PARAMETER_PROBLEM in xtables.h, or what the kernel finds wrong.
	refused := errors.As(err, &exit) && (exit.ExitCode() == 2 || strings.Contains(string(out), "Invalid argument"))
	if strings.Contains(string(out), "Couldn't load") || strings.Contains(string(out), "doesn't exist") || strings.Contains(string(out), "Could not load") {
		t.Skipf("this iptables has no %s", name)
	}
	im := Read(rules.ShellLine(words), ground())
	said := slices.ContainsFunc(im.Remarks, func(r Remark) bool { return r.Level == Error })
	for part := range otherwise {
		if strings.Contains(line, part) {
			return
		}
	}
	if refused != said || !refused && len(im.Questions) > 0 {
		t.Errorf("%s\n  iptables refuses: %t, %s\n  ours: %s", line, refused, strings.TrimSpace(string(out)), strings.TrimSpace(describe(im)))
	}
}
