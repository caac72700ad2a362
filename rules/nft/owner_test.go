package nft

import "testing"

func TestOwners(t *testing.T) {
	for _, test := range []struct{ table, chain, want string }{
		{"fw4", "dstnat", "fw4"},
		{"fw4", "upnp_prerouting", "miniupnpd"},
		{"firewalld", "nat_PREROUTING", "firewalld"},
		{"docker-bridges", "nat-prerouting", "docker"},
		{"kube-proxy", "services", "kube-proxy"},
		{"libvirt_network", "guest_nat", "libvirt"},
		{"netavark", "NETAVARK-HOSTPORT-DNAT", "netavark"},
		{"incus", "pstrt.incusbr0", "incus"},
		{"lxd", "pstrt.lxdbr0", "lxd"},
		{"nat", "ts-postrouting", "tailscale"},
		{"netbird", "netbird-rt-nat", "netbird"},
		{"miniupnpd", "prerouting", "miniupnpd"},
		{"io.systemd.nat", "prerouting", "systemd-networkd"},
		{"nattui", "prerouting", "nattui"},
		{"nm-shared-wlan0", "nat_postrouting", "NetworkManager"},
		{"nat", "prerouting", ""},
		{"filter", "input", ""},
		{"gateway", "dstnat", ""},
		{"vyos_nat", "PREROUTING", "vyos"},
	} {
		table := &Table{Family: INet, Name: test.table}
		if got := (&Chain{Table: table, Name: test.chain}).Owner(); got != test.want {
			t.Errorf("%s %s is %q's, not %q's", table, test.chain, got, test.want)
		}
	}
}

func TestOwnerOfJump(t *testing.T) {
	table := &Table{Family: IPv4, Name: "nat"}
	from, to := &Chain{Table: table, Name: "postrouting"}, &Chain{Table: table, Name: "ts-postrouting"}
	table.Chains = []*Chain{from, to}
	r := &Rule{Exprs: []Expr{Immediate{Verdict: &Verdict{Code: Jump, Chain: to.Name}}}}
	if got := r.Owner(from); got != "tailscale" {
		t.Errorf("the jump is %q's", got)
	}
}
