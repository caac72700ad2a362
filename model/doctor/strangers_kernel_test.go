package doctor_test

import (
	"net/netip"

	"nattui/model/doctor"
)

// halfway are gateways where some get through and others do not, or what is done for one is undone by another.
var halfway = []said{
	{
		name: "FORWARD lets the LAN alone through to what the Internet asks for", from: client, to: web, check: "forward-dropped", severity: doctor.SeverityError, says: "policy of FORWARD",
		spoil: func(w *ward) {
			w.iptables("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "192.168.0.0/24", "-d", "192.168.0.2", "-j", "MASQUERADE")
			w.iptables("iptables", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
			w.iptables("iptables", "-A", "FORWARD", "-i", "lan0", "-j", "ACCEPT")
			w.iptables("iptables", "-P", "FORWARD", "DROP")
			w.run(w.Server3, "ip", "address", "add", "192.168.0.4/24", "dev", "eth0")
			for _, neighbour := range []string{"192.168.0.3:0", "192.168.0.4:0"} {
				conn, err := w.Server3.Dial(w.t.Context(), "tcp", netip.MustParseAddrPort(neighbour), netip.MustParseAddrPort(web))
				if err != nil {
					w.t.Fatal(err)
				}
				w.t.Cleanup(func() { conn.Close() })
			}
		},
	},
}
