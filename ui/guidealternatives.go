package ui

import (
	"cmp"
	"fmt"
	"strconv"

	"nattui/ui/text"
)

// publishName is the intention at which a forward is planned.
const publishName = "Publish a service"

// alternatives are the ways to publish a service without NAT, for a port here and a server: each with what the server
// sees, what is encrypted, and when it fits.
func alternatives(port, server string) []string {
	return []string{
		fmt.Sprintf("nattui forward :%s %s copies TCP in user space: no rule, and no root for ports from 1024. The server sees this gateway as the client; nothing is encrypted. For a while, or to look at the data.", port, server),
		fmt.Sprintf("ssh -L 8080:%s GATEWAY, run by a client, leads its port 8080 through a login here: encrypted as far as this gateway, which the server sees as the client. For a few people, with nothing open to the Internet.", server),
		"ssh -R 8080:localhost:80 GATEWAY, run by the server, opens port 8080 here: for a server that this gateway cannot reach. It sees itself as the client. GatewayPorts in sshd_config says who may use the port.",
		"ssh -D 1080 GATEWAY, run by a client, is a SOCKS proxy to any destination behind this gateway. For one person and many servers; a VPN if always.",
	}
}

// writeAlternatives tells what there is besides NAT, under the plan as long as that is being made.
func (s *guideScreen) writeAlternatives(w *planWriter) {
	if s.ready || s.asked == nil || s.asked.name != publishName || s.answers.proto == "udp" {
		return
	}
	part := &planWriter{width: w.width}
	part.add(s.look.Text, "", "", "Other ways than NAT", 1)
	port := s.answers.port
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		port = "80" // an example, as nothing was typed that this is a command for
	}
	for _, a := range alternatives(port, cmp.Or(s.answers.to, "SERVER:80")) {
		part.add(s.look.Faint, s.look.Glyphs.Dot+" ", "  ", text.Safe(a), 0)
	}
	w.part(part.lines)
}
