package host

import (
	"os"
	"strings"

	"nattui/model/facts"
	"nattui/rules/textfile"
)

// traces are how programs that make rules or addresses by themselves are
// told: by their processes, or by files that are there only while they are in
// use. The names are those by which their rules are known.
var traces = []struct {
	name      string
	processes []string // as the kernel keeps names: 15 bytes
	files     []string
}{
	{"docker", []string{"dockerd"}, []string{"/run/docker.sock", "/var/run/docker.sock"}},
	{"podman", []string{"aardvark-dns", "netavark"}, []string{"/run/netavark"}},
	{"kubernetes", []string{"kubelet", "kube-proxy", "k3s", "k3s-server", "k3s-agent", "rke2"}, []string{"/etc/kubernetes/kubelet.conf"}},
	{"calico", []string{"calico-node", "calico-felix"}, nil},
	{"cilium", []string{"cilium-agent"}, nil},
	{"flannel", []string{"flanneld"}, []string{"/run/flannel/subnet.env"}},
	{"firewalld", []string{"firewalld"}, nil},
	{"ufw", nil, nil}, // by its configuration: see ufwEnabled
	{"tailscale", []string{"tailscaled"}, []string{"/run/tailscale/tailscaled.sock"}},
	{"libvirt", []string{"libvirtd", "virtqemud", "virtnetworkd"}, []string{"/run/libvirt/network/default.pid"}},
	{"lxd", []string{"lxd"}, nil},
	{"incus", []string{"incusd"}, nil},
	{"fail2ban", []string{"fail2ban-server"}, nil},
	{"miniupnpd", []string{"miniupnpd"}, nil},
	{"openwrt", []string{"fw4", "netifd"}, nil},
	{"networkmanager", []string{"NetworkManager"}, nil},
	{"systemd-networkd", []string{"systemd-network"}, nil},
	{"dhcpcd", []string{"dhcpcd"}, nil},
	{"dhclient", []string{"dhclient"}, nil},
	{"pppd", []string{"pppd"}, nil},
	{"openvpn", []string{"openvpn"}, nil},
	{"strongswan", []string{"charon", "charon-systemd"}, nil},
	{"keepalived", []string{"keepalived"}, nil},
	{"netfilter-persistent", nil, []string{"/etc/iptables/rules.v4", "/etc/iptables/rules.v6"}},
	{"iptables-services", nil, []string{"/etc/sysconfig/iptables"}},
	{"nftables-service", nil, []string{"/etc/systemd/system/sysinit.target.wants/nftables.service", "/etc/systemd/system/multi-user.target.wants/nftables.service"}},
}

// presences finds them in the calling thread's network namespace: what runs in another makes no rules here.
func (r *reading) presences() {
	for _, trace := range traces {
		if p, ok := r.findTrace(trace.name, trace.processes, trace.files); ok {
			r.facts.Presences = append(r.facts.Presences, p)
		}
	}
	if ufwEnabled() {
		r.facts.Presences = append(r.facts.Presences, facts.Presence{Name: "ufw", Running: true, Evidence: ufwConfiguration})
	}
}

func (r *reading) findTrace(name string, processes, files []string) (facts.Presence, bool) {
	for _, p := range r.running {
		for _, wanted := range processes {
			if p.name == wanted && !p.elsewhere {
				return facts.Presence{Name: name, Running: true, Evidence: "process " + p.name}, true
			}
		}
	}
	for _, file := range files {
		if _, err := os.Stat(file); err == nil {
			return facts.Presence{Name: name, Evidence: file}, true
		}
	}
	return facts.Presence{}, false
}

const ufwConfiguration = "/etc/ufw/ufw.conf"

// ufwEnabled reads whether ufw sets its rules up at boot; it has no process.
func ufwEnabled() bool {
	text, err := textfile.Read(ufwConfiguration)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if name == "ENABLED" {
			return strings.EqualFold(strings.Trim(value, `"'`), "yes")
		}
	}
	return false
}
