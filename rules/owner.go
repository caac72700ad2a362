package rules

import (
	"slices"
	"strings"
)

// OwnerOf names the program that made a chain or rule and may make it again; ""
// is the administrator's own. It is told by the names these programs use for
// their chains, interfaces and comments.
func OwnerOf(r Rule) string {
	if r.Chain == DockerUser {
		return dockerUserOwner(r)
	}
	if o := ChainOwner(r.Chain); o != "" {
		return o
	}
	if r.Target.Kind == Jump || r.Target.Kind == Goto {
		if o := ChainOwner(r.Target.Name); o != "" {
			return o
		}
	}
	for _, i := range [...]string{r.In.Name, r.Out.Name} {
		if o := interfaceOwner(i); o != "" {
			return o
		}
	}
	return commentOwner(r.Comment())
}

// DockerUser is the chain of table filter that Docker makes, and jumps to, for
// rules of the administrator's own (docs.docker.com, "Packet filtering and
// firewalls"). Docker leaves alone what stands in it, and a chain of that name
// that is there before Docker starts.
const DockerUser = "DOCKER-USER"

// dockerUserOwner tells the administrator's rules from the one that Docker puts at
// the chain's end.
func dockerUserOwner(r Rule) string {
	if r.String() == "-A "+DockerUser+" -j RETURN" {
		return "docker"
	}
	return commentOwner(r.Comment())
}

// chainPrefixes are the beginnings of chain names by which programs are known.
var chainPrefixes = []struct{ prefix, owner string }{
	{"DOCKER", "docker"},
	{"KUBE-", "kubernetes"},
	{"cali-", "calico"},
	{"CILIUM_", "cilium"},
	{"OLD_CILIUM_", "cilium"},
	{"FLANNEL-", "flannel"},
	{"CNI-", "cni"},
	{"NETAVARK", "podman"},
	{"LIBVIRT_", "libvirt"},
	{"ts-", "tailscale"},
	{"ufw-", "ufw"},
	{"ufw6-", "ufw"},
	{"ISTIO_", "istio"},
	{"AWS-SNAT-CHAIN", "aws-cni"},
	{"AWS-CONNMARK-CHAIN", "aws-cni"},
	{"f2b-", "fail2ban"},
	{"fail2ban-", "fail2ban"},
	{"neutron-", "openstack"},
	{"WEAVE", "weave"},
	{"MINIUPNPD", "miniupnpd"},
	{"zone_", "openwrt"},
	{"delegate_", "openwrt"},
	{"SHOREWALL", "shorewall"},
	{"LXC_", "lxc"},
	{"lxd_", "lxd"},
	{"incus_", "incus"},
	{"SUBMARINER-", "submariner"},
	{"OVN-KUBE-", "ovn"},
	{"FWR_", "firewalla"},
	{"QBS-", "qubes"},
}

// firewalldChains are the whole names and beginnings that firewalld uses.
var firewalldChains = []string{
	"PREROUTING_", "POSTROUTING_", "INPUT_ZONES", "FORWARD_ZONES", "FORWARD_IN_ZONES", "FORWARD_OUT_ZONES", "OUTPUT_ZONES",
	"INPUT_POLICIES", "FORWARD_POLICIES", "OUTPUT_POLICIES", "INPUT_direct", "FORWARD_direct", "OUTPUT_direct",
	"PRE_", "POST_", "IN_", "OUT_", "FWD_", "FWDI_", "FWDO_", "RFC3964_IPv4",
}

// ChainOwner names the program that a chain belongs to; "" is the kernel's or
// the administrator's own.
func ChainOwner(name string) string {
	for _, p := range chainPrefixes {
		if strings.HasPrefix(name, p.prefix) {
			return p.owner
		}
	}
	if slices.ContainsFunc(firewalldChains, func(p string) bool { return strings.HasPrefix(name, p) }) {
		return "firewalld"
	}
	return ""
}

func interfaceOwner(name string) string {
	switch {
	case name == "docker0" || name == "docker_gwbridge":
		return "docker"
	case strings.HasPrefix(name, "br-") && len(name) == 15 && isHex(name[3:]):
		return "docker"
	case strings.HasPrefix(name, "virbr"):
		return "libvirt"
	case strings.HasPrefix(name, "tailscale"):
		return "tailscale"
	case name == "lxdbr0":
		return "lxd"
	case name == "incusbr0":
		return "incus"
	case name == "lxcbr0":
		return "lxc"
	case name == "cni0":
		return "cni"
	case strings.HasPrefix(name, "cali"):
		return "calico"
	}
	return ""
}

func isHex(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'f') }) < 0
}

func commentOwner(comment string) string {
	switch {
	case strings.HasPrefix(comment, "kubernetes ") || strings.HasPrefix(comment, "flanneld masq"):
		if strings.HasPrefix(comment, "flanneld") {
			return "flannel"
		}
		return "kubernetes"
	case strings.HasPrefix(comment, "cali:"):
		return "calico"
	case strings.HasPrefix(comment, "cilium"):
		return "cilium"
	case strings.HasPrefix(comment, "generated for LXD network"):
		return "lxd"
	case strings.HasPrefix(comment, "generated for Incus network"):
		return "incus"
	case strings.HasPrefix(comment, "AWS SNAT CHAIN") || strings.HasPrefix(comment, "AWS, "):
		return "aws-cni"
	case strings.HasPrefix(comment, "!fw3"):
		return "openwrt"
	}
	return ""
}
