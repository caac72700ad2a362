package nft

import (
	"fmt"
	"strings"

	"nattui/rules"
)

// Foreign is the error of changing by hand what another program makes, and makes anew whenever it likes. Nothing was changed.
type Foreign struct {
	What, Owner string
}

// wayOf is how the rules of an owner are to be changed.
var wayOf = map[string]string{
	"fw4":              "OpenWrt makes it from /etc/config/firewall: use uci or LuCI, then  fw4 reload ; rules in nft's words go into a file in /etc/nftables.d",
	"firewalld":        "use firewall-cmd --permanent, then  firewall-cmd --reload",
	"docker":           "publish the port with docker run -p, or in the compose file",
	"kube-proxy":       "change the Service or NetworkPolicy in Kubernetes",
	"libvirt":          "use virsh net-edit",
	"netavark":         "publish the port with podman run -p",
	"incus":            "use incus network",
	"lxd":              "use lxc network",
	"systemd-networkd": "use IPMasquerade= in a .network file, then  networkctl reload",
	"tailscale":        "use tailscale set",
	"miniupnpd":        "programs ask for these by UPnP: delete them there, or in miniupnpd's lease file",
	"NetworkManager":   "use nmcli",
	"nixos":            "use networking.nat and networking.firewall in configuration.nix",
	"vyos":             "use set nat … in VyOS' configure mode",
	"fail2ban":         "use fail2ban-client",
}

// Error says whose it is, and what to do instead.
func (e *Foreign) Error() string {
	way := wayOf[e.Owner]
	if way == "" {
		way = "change it with that program"
	}
	return fmt.Sprintf("%s belongs to %s, which would undo the change: %s; nothing was changed", e.What, e.Owner, way)
}

// Allowed tells whether changes are all in tables of the administrator, or nattui's own. Else the error is *Foreign.
func Allowed(changes []rules.NativeChange, now *Ruleset) error {
	for _, c := range changes {
		t := now.Table(c.Family, c.Table)
		if t == nil {
			continue
		}
		owner := t.Owner()
		if owner == "nattui" && t.Name != OwnTable {
			return &Foreign{t.String(), "another nattui that is running"}
		}
		if ch := t.chain(c.Chain); owner == "" && ch != nil {
			owner = ch.Owner()
		}
		if owner != "" && owner != "nattui" {
			return &Foreign{t.String(), owner}
		}
	}
	return nil
}

// Why says of a change what it is for, where that is not clear from itself.
func Why(c rules.NativeChange) string {
	if c.Family != "inet" || c.Table != OwnTable || c.Gone {
		return ""
	}
	switch {
	case c.What == rules.NativeTableKind:
		return "Nattui's own table: other programs leave it alone."
	case c.What == rules.NativeChainKind && strings.Contains(c.Text, "type nat"):
		return "It is asked before the chains of other tables, whatever programs make those anew. What it does not translate goes on to them."
	}
	return ""
}
