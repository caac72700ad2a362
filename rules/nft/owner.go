package nft

import (
	"strings"

	"nattui/rules"
)

// tableOwners are the programs that make tables of their own, by the table's name, or its beginning where that ends in *.
var tableOwners = []struct{ name, owner string }{
	{"fw4", "fw4"},
	{"firewalld", "firewalld"},
	{"firewalld_policy_drop", "firewalld"},
	{"docker-bridges", "docker"},
	{"docker-*", "docker"},
	{"kube-proxy", "kube-proxy"},
	{"libvirt_network", "libvirt"},
	{"libvirt*", "libvirt"},
	{"netavark", "netavark"},
	{"incus", "incus"},
	{"lxd", "lxd"},
	{"lxc", "lxc"},
	{"tailscale*", "tailscale"},
	{"netbird*", "netbird"},
	{"miniupnpd", "miniupnpd"},
	{"io.systemd.nat", "systemd-networkd"},
	{"nattui*", "nattui"},
	{"nm-shared-*", "NetworkManager"},
	{"nm-*", "NetworkManager"},
	{"nixos-*", "nixos"},
	{"vyos_*", "vyos"},
	{"foomuuri", "foomuuri"},
	{"crio-*", "cri-o"},
	{"cni_*", "cni"},
	{"cni-*", "cni"},
	{"flannel-*", "flannel"},
	{"cali-*", "calico"},
	{"calico*", "calico"},
	{"cilium*", "cilium"},
	{"istio-*", "istio"},
	{"ovn*", "ovn"},
	{"f2b-*", "fail2ban"},
	{"crowdsec*", "crowdsec"},
	{"sshguard", "sshguard"},
	{"wg-quick-*", "wg-quick"},
	{"mullvad*", "mullvad"},
	{"v2raya", "v2raya"},
	{"sing-box", "sing-box"},
	{"proxmox-*", "proxmox"},
	{"opensnitch", "opensnitch"},
	{"qubes*", "qubes"},
	{"submariner*", "submariner"},
}

// Owner names the program that made the table and may make it again; "" is the administrator's own. It is told by the
// names that these programs use.
func (t *Table) Owner() string {
	for _, o := range tableOwners {
		if stem, open := strings.CutSuffix(o.name, "*"); t.Name == o.name || open && strings.HasPrefix(t.Name, stem) {
			return o.owner
		}
	}
	return ""
}

// chainOwners are programs that put chains into the tables of others, by their beginnings.
var chainOwners = []struct{ prefix, owner string }{
	{"upnp_", "miniupnpd"},
	{"miniupnpd", "miniupnpd"},
	{"NETBIRD-", "netbird"},
	{"netbird-", "netbird"},
	{"NETAVARK-", "netavark"},
	{"KUBE-", "kube-proxy"},
}

// Owner names the program that made the chain: that of its table, or one that puts chains into the tables of others.
func (c *Chain) Owner() string {
	for _, o := range chainOwners {
		if strings.HasPrefix(c.Name, o.prefix) {
			return o.owner
		}
	}
	if o := c.Table.Owner(); o != "" {
		return o
	}
	return rules.ChainOwner(c.Name)
}

// Owner names the program that made a rule of the chain: that of the chain, or of the one that is jumped to.
func (r *Rule) Owner(c *Chain) string {
	if o := c.Owner(); o != "" {
		return o
	}
	for _, e := range r.Exprs {
		if e, ok := e.(Immediate); ok && e.Verdict != nil && e.Verdict.Chain != "" {
			if to := c.Table.Chain(e.Verdict.Chain); to != nil {
				return to.Owner()
			}
		}
	}
	return ""
}
