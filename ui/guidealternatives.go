package ui

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"nattui/ui/text"
)

// publishName is the intention at which a forward is planned.
const publishName = "Publish a service"

// alternatives are the ways to publish a service without NAT, for a port here and a server with the port it has there:
// each with what the server sees, what is encrypted, and when it fits.
func alternatives(port, server, there string) []string {
	return []string{
		fmt.Sprintf("nattui forward :%s %s:%s copies TCP in user space: no rule, and no root for ports from 1024. The server sees this gateway as the client; nothing is encrypted. For a while, or to look at the data.", port, server, there),
		fmt.Sprintf("ssh -L 8080:%s:%s GATEWAY, run by a client, leads its port 8080 through a login here: encrypted as far as this gateway, which the server sees as the client. For a few people, with nothing open to the Internet.", server, there),
		fmt.Sprintf("ssh -R 8080:localhost:%s GATEWAY, run by the server, opens port 8080 here: for a server that this gateway cannot reach. It sees itself as the client. GatewayPorts in sshd_config says who may use the port.", there),
		"ssh -D 1080 GATEWAY, run by a client, is a SOCKS proxy to any destination behind this gateway. For one person and many servers; a VPN if always.",
	}
}

// onePort is the port that was answered, the first of a range; an example where that is none yet.
func onePort(answer, example string) string {
	first, _, _ := strings.Cut(strings.ReplaceAll(answer, ":", "-"), "-")
	if n, err := strconv.ParseUint(strings.TrimSpace(first), 10, 16); err == nil && n > 0 {
		return strconv.FormatUint(n, 10)
	}
	return example
}

// serverAt is the server that was answered, as commands take it, and the port it has there: the one asked for where the
// answer has none. What is no address yet is SERVER.
func serverAt(answer, asked string) (server, port string) {
	if a, err := netip.ParseAddr(strings.Trim(answer, "[]")); err == nil {
		return bracketed(a), asked
	}
	i := strings.LastIndexByte(answer, ':')
	if i < 0 {
		return "SERVER", asked
	}
	a, err := netip.ParseAddr(strings.Trim(answer[:i], "[]"))
	if err != nil {
		return "SERVER", asked
	}
	return bracketed(a), onePort(answer[i+1:], asked)
}

// bracketed is an address as it is written before a port.
func bracketed(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// writeAlternatives tells what there is besides NAT, under the plan as long as that is being made.
func (s *guideScreen) writeAlternatives(w *planWriter) {
	if s.ready || s.asked == nil || s.asked.name != publishName || s.answers.proto == "udp" {
		return
	}
	part := &planWriter{width: w.width}
	part.add(s.look.Text, "", "", "Other ways than NAT", 1)
	port := onePort(s.answers.port, "80")
	server, there := serverAt(s.answers.to, port)
	for _, a := range alternatives(port, server, there) {
		part.add(s.look.Faint, s.look.Glyphs.Dot+" ", "  ", text.Safe(a), 0)
	}
	w.part(part.lines)
}
