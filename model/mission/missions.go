package mission

// missions are all of them, in the order in which to learn them. How the gateway is at the
// beginning, and what traffic shows that the goal is reached, is in package lab.
var missions = []Mission{
	{
		Name:  "share",
		Title: "Share a connection",
		Goal:  "The machines of the LAN, 192.168.0.0/24 behind lan0, are to reach the Internet by the gateway's public address, 203.0.113.1 on wan0.",
		Hints: []string{
			"Send a request from server2 to 198.51.100.7:80 and see what comes back. Then look at the header: does this host forward packets at all?",
			"A private address means nothing on the Internet: replies to 192.168.0.2 never come back. Packets that leave by wan0 need the gateway's address as their source.",
			"The guide does both: press 3, choose \"Share a connection\" and answer with lan0's network. Or in a shell on the gateway (nattui lab enter gateway, from another terminal): nattui guide share --net 192.168.0.0/24",
		},
		Lesson: "A router forwards nothing until net.ipv4.ip_forward is 1, whatever the rules say. And forwarding alone is not enough: a packet from 192.168.0.2 would reach the Internet, but nobody there has a route back to that address. " +
			"SNAT, or MASQUERADE where the address may change, gives it the gateway's own address as it leaves; the kernel remembers the connection and gives the replies back to the machine that asked.",
	},
	{
		Name:  "publish",
		Title: "Publish a service",
		Goal:  "The web server 192.168.0.2:8080 is to be reached from the Internet at 203.0.113.1 port 80, and the LAN is still to reach other web servers.",
		Hints: []string{
			"Send a TCP request from client to 203.0.113.1:80. It is refused: nothing on the gateway listens there, and no rule sends it on.",
			"DNAT in PREROUTING gives a packet another destination before it is routed. The rule must match only what is for 203.0.113.1: without that, or the interface, it also takes what the LAN sends to anybody's port 80.",
			"The guide asks for what is needed: press 3, choose \"Publish a service\". Or in a shell on the gateway (nattui lab enter gateway, from another terminal): nattui guide publish --port 80 --to 192.168.0.2:8080",
		},
		Lesson: "DNAT changed the destination from 203.0.113.1:80 to 192.168.0.2:8080 before routing, so that the packet was forwarded rather than delivered to the gateway. The reply passed the gateway again, which gave it the public address back as its source: the client never sees 192.168.0.2. " +
			"A rule for port 80 without an address or interface would have caught the LAN's own requests to web servers on the Internet as well.",
	},
	{
		Name:  "return-path",
		Title: "The way back",
		Goal:  "The forward from 203.0.113.1 port 80 to 192.168.0.2:8080 is there and packets arrive, but clients get no answer: make them get one.",
		Hints: []string{
			"Press 4 and follow the forward, or send a request from client to 203.0.113.1:80: the packets go out by lan0, and nothing comes back. What does the server do with a packet from an address on the Internet?",
			"The server has no route to the Internet: its replies to 203.0.113.10 go nowhere. It does reach its own network, 192.168.0.0/24.",
			"If the server sees the gateway, 192.168.0.1, as the client, it can reply. That is SNAT in POSTROUTING for what goes to 192.168.0.2 port 8080: press a in Rules, with Kind SNAT, Protocol tcp, Goes to 192.168.0.2, Port 8080, Seen as 192.168.0.1. Or in a shell on the gateway (nattui lab enter gateway, from another terminal): nattui add snat --proto tcp --dest 192.168.0.2 --dport 8080 --to 192.168.0.1",
		},
		Lesson: "DNAT is half of a forward. A reply must pass the gateway that translated the request, or the client gets it from an address that it never asked. This server has another default gateway, or none, so its replies did not come here. " +
			"With SNAT to the gateway's inner address the server answers its neighbour, and the reply is translated back. The price: the server's log shows the gateway as the client. A route on the server by way of 192.168.0.1 would do without.",
	},
	{
		Name:  "hairpin",
		Title: "Reach the service from inside",
		Goal:  "The service at 203.0.113.1 port 80 works from the Internet; it is to work by the same address from the server's own LAN too, and the server is still to see the real addresses of clients on the Internet.",
		Hints: []string{
			"Send a TCP request from server3 to 203.0.113.1:80. It is translated and arrives at 192.168.0.2, but the answer does not come back by the gateway.",
			"The server sees its neighbour 192.168.0.3 as the client and answers it directly. That one asked 203.0.113.1, and drops an answer from 192.168.0.2. So for clients of this LAN the server must see the gateway instead.",
			"SNAT or MASQUERADE in POSTROUTING, for what comes from 192.168.0.0/24 and goes to 192.168.0.2 port 8080. Leave out the source, and clients from the Internet are hidden as well. Press a in Rules, with Kind MASQUERADE, From 192.168.0.0/24, Leaves by lan0, Protocol tcp, Goes to 192.168.0.2, Port 8080. Or in a shell on the gateway (nattui lab enter gateway, from another terminal): nattui add masquerade --proto tcp --source 192.168.0.0/24 --dest 192.168.0.2 --dport 8080 --out lan0",
		},
		Lesson: "This is hairpin NAT: client and server are neighbours, so the reply would take the short way and never be translated back. Changing the source for the LAN's own clients makes the reply come to the gateway. " +
			"Limited to 192.168.0.0/24 the rule leaves clients from the Internet as they are, and the server's log stays useful. The other cure is a name server that tells the LAN the inner address.",
	},
	{
		Name:  "proxy",
		Title: "A transparent proxy",
		Goal:  "What the LAN asks of any web server at port 80 is to be answered by the proxy on this gateway, port 8888; port 443 is to stay untouched, and the Internet must not get at the proxy through port 80.",
		Hints: []string{
			"Send a TCP request from server2 to 198.51.100.7:80: today the web server itself answers. REDIRECT sends a packet to a port of this host, whatever its destination was.",
			"Which interface do the LAN's packets arrive on? A rule for port 80 on wan0, or on no interface in particular, opens the proxy to the Internet instead.",
			"The guide has it as \"Redirect to a proxy here\"; or in a shell on the gateway (nattui lab enter gateway, from another terminal): nattui guide proxy --in lan0 --port 80 --to 8888",
		},
		Lesson: "REDIRECT is DNAT to the address of the interface that the packet arrived on. The clients notice nothing: replies come from the address they asked. " +
			"The interface in the rule decides whose packets are taken. An open proxy is found within hours, so the rule names lan0, and a firewall rule for port 8888 on wan0 would be the next step.",
	},
	{
		Name:  "stale",
		Title: "Connections that keep the old way",
		Goal:  "The name server behind 203.0.113.1 UDP port 53 has moved from 192.168.0.2 to 192.168.0.3: send everybody there, the client that keeps asking from port 5000 included.",
		Hints: []string{
			"Change the DNAT rule (e in Rules) to 192.168.0.3:53, and look at Flows: new clients go to the new server. What about the client with port 5000?",
			"NAT rules are asked for the first packet of a connection only. The client asks every second from the same port, so its entry never expires and keeps the old translation.",
			"Forget the connection: x on it in Flows, or x after the change, where nattui offers it. The next packet is a new connection and meets the new rule. \"Move a service\" in the guide (3) does both; or in a shell on the gateway (nattui lab enter gateway, from another terminal): nattui guide move --from 192.168.0.2:53 --to 192.168.0.3:53",
		},
		Lesson: "The kernel keeps the translation of a connection for as long as it lives, in the connection tracking table; rules that change later do not matter to it. A TCP connection ends some day. A UDP client that goes on asking from one port keeps its entry alive forever. " +
			"So a changed rule may seem to work for some and not for others. nattui counts those connections as stale, and forgets them when you say so.",
	},
	{
		Name:  "forward-drop",
		Title: "A forward behind FORWARD DROP",
		Goal:  "The forward from 203.0.113.1 port 80 to 192.168.0.2:8080 is counted and still dead: make it work, while port 8443, which is closed in FORWARD on purpose, stays closed.",
		Hints: []string{
			"DNAT does not let a packet through. It is routed to lan0 and asked for in FORWARD, whose policy is DROP here. Press 4: which step of the forward fails?",
			"FORWARD sees the packet after DNAT: its destination is 192.168.0.2 port 8080. A rule for 203.0.113.1 or port 80 never matches there. And a policy of ACCEPT, or a rule without destination, opens port 8443 as well.",
			"Press f in the doctor, on the finding that says what drops the forward; or in a shell on the gateway (nattui lab enter gateway, from another terminal): nattui import 'iptables -I FORWARD 1 -i wan0 -o lan0 -d 192.168.0.2 -p tcp --dport 8080 -j ACCEPT'",
		},
		Lesson: "Translation and permission are two things. PREROUTING changes the destination; then the packet is forwarded, and the filter table's FORWARD chain decides about it as it is after translation. " +
			"So the rule that lets it through names the server and its own port, 192.168.0.2:8080. A counter that grows on the DNAT rule shows only that packets arrive.",
	},
	{
		Name:  "lock-out",
		Title: "Locked out, and back",
		Goal:  "You reach this gateway's SSH from client, at 203.0.113.1 port 22. Give port 22 to 192.168.0.2:22 with a countdown, see that you are locked out, let it be rolled back, and publish that server at port 2222 instead.",
		Hints: []string{
			"Take the wrong step on purpose: publish port 22 to 192.168.0.2:22. Press a in Rules, with Kind DNAT, Protocol tcp, Asked for 203.0.113.1, Port 22, Goes to 192.168.0.2:22; before you apply it, press c once: a countdown of 30 seconds. Or in a shell on the gateway (nattui lab enter gateway, from another terminal): nattui add dnat --proto tcp --dest 203.0.113.1 --dport 22 --to 192.168.0.2:22 --confirm 10s --yes",
			"Do not confirm. Send a TCP request from client to 203.0.113.1:22: server2 answers where the gateway did. A real session would be gone, and with it your way to undo this. Wait until the countdown has ended, or press R.",
			"Then publish what was wanted at another port, with \"Publish a service\" in the guide (3); or in a shell on the gateway (nattui lab enter gateway, from another terminal): nattui guide publish --port 2222 --to 192.168.0.2:22",
		},
		Lesson: "A rule for port 22 of the gateway's own address takes the administrator's way in, and no error says so. nattui writes the inverse of a change down before it makes it, and a process apart from your session rolls it back unless you confirm in time, from a login that came after the change. " +
			"Use the countdown whenever a rule may match your own connection; nattui sets it by itself where it sees that it does. Here nobody is connected by SSH, so it is up to you.",
	},
}
