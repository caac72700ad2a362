package doctor_test

import (
	"os"
	"strings"
)

// everyVariant breaks each gateway in every variant, and not just in one of them by
// turns: a minute and a half more, of waiting for answers that do not come.
var everyVariant = os.Getenv("NATTUI_EVERY_VARIANT") != ""

// variant is a kind of gateway that a fault may befall.
type variant struct {
	name string
	// words are put in place of others in every command about the gateway.
	words *strings.Replacer
	// ready changes the network before anything else is done, and dress the sound
	// gateway before its fault.
	ready, dress func(w *ward)
	// unfit are the faults that do not go with it.
	unfit []string
}

var variants = []variant{
	{name: "plain", words: strings.NewReplacer()},
	{name: "legacy", words: strings.NewReplacer("ip6tables", "ip6tables-legacy", "iptables", "iptables-legacy")},
	{name: "a VLAN's name", words: strings.NewReplacer("wan0", "eth0.7", "lan0", "br-lan"), ready: func(w *ward) {
		for from, to := range map[string]string{"wan0": "eth0.7", "lan0": "br-lan"} {
			w.exec("sysctl", "-qw", "net.ipv6.conf."+from+".keep_addr_on_down=1")
			w.exec("ip", "link", "set", from, "down")
			w.exec("ip", "link", "set", from, "name", to)
			w.exec("ip", "link", "set", to, "up")
		}
		w.exec("ip", "route", "add", "default", "via", "203.0.113.254")
		w.exec("ip", "-6", "route", "replace", "default", "via", "2001:db8:1::fe")
	}},
	{name: "beside Docker", words: strings.NewReplacer(), dress: func(w *ward) {
		w.exec("ip", "link", "add", "docker0", "type", "bridge")
		w.exec("ip", "addr", "add", "172.17.0.1/16", "dev", "docker0")
		w.exec("ip", "link", "set", "docker0", "up")
		for _, line := range []string{
			"-t nat -N DOCKER", "-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER", "-t nat -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
			"-t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", "-t nat -A DOCKER -i docker0 -j RETURN",
			"-t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 172.17.0.2:443",
			"-N DOCKER", "-N DOCKER-USER", "-N DOCKER-FORWARD", "-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-FORWARD",
			"-A DOCKER-FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A DOCKER-FORWARD -o docker0 -j DOCKER", "-A DOCKER-FORWARD -i docker0 -j ACCEPT",
			"-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 443 -j ACCEPT", "-A DOCKER ! -i docker0 -o docker0 -j DROP",
		} {
			w.iptables("iptables", strings.Fields(line)...)
		}
	}, unfit: []string{"Docker sets FORWARD to DROP"}},
}

// say is a word of a command in the variant's own.
func (w *ward) say(word string) string {
	if w.variant.words == nil {
		return word
	}
	return w.variant.words.Replace(word)
}

// exec runs a program on the gateway, with its words as they are.
func (w *ward) exec(args ...string) {
	w.t.Helper()
	if _, err := w.Gateway.Output(w.t.Context(), args[0], args[1:]...); err != nil {
		w.t.Fatal(err)
	}
}
