package host

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"nattui/model/facts"
	"nattui/rules/textfile"
)

// sysctlPath is the file of a setting. Names are written as sysctl does: with
// dots, or with slashes where an interface's name has a dot, as in
// net/ipv4/conf/eth0.10/forwarding.
func sysctlPath(name string) (string, error) {
	separator := strings.IndexAny(name, "./")
	if separator < 0 {
		return "", fmt.Errorf("sysctl %q: want a name such as net.ipv4.ip_forward", name)
	}
	path := name
	if name[separator] == '.' {
		path = strings.NewReplacer(".", "/", "/", ".").Replace(name)
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return "", fmt.Errorf("sysctl %q: not a name of a setting", name)
		}
	}
	return "/proc/sys/" + path, nil
}

// Sysctl reads a setting, such as net.ipv4.ip_forward. The error is
// os.ErrNotExist if this kernel has none of that name.
func Sysctl(name string) (string, error) {
	path, err := sysctlPath(name)
	if err != nil {
		return "", err
	}
	value, err := textfile.ReadKernel(path)
	if err != nil {
		return "", fmt.Errorf("read sysctl %s: %w", name, errors.Unwrap(err))
	}
	return strings.TrimSpace(string(value)), nil
}

// WriteSysctl changes a setting and returns what it was before. Needs root, and
// os.ErrPermission says so. The change lasts until the system or somebody else
// changes it again.
func WriteSysctl(name, value string) (old string, err error) {
	old, err = Sysctl(name)
	if err != nil {
		return "", err
	}
	path, err := sysctlPath(name)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path, []byte(value+"\n"), 0o644); err != nil {
		return "", fmt.Errorf("set sysctl %s to %s: %w", name, value, errors.Unwrap(err))
	}
	return old, nil
}

// ReadSettings reads the settings alone, with those of the given links: some ten small files for each,
// of a few microseconds. Needs no privilege.
func ReadSettings(links []facts.Link) facts.Settings {
	r := reading{facts: facts.Facts{Links: links, Settings: facts.UnknownSettings()}}
	r.settings()
	return r.facts.Settings
}

func (r *reading) settings() {
	s := &r.facts.Settings
	s.Forwarding4 = setting("net/ipv4/ip_forward")
	s.Forwarding6 = setting("net/ipv6/conf/all/forwarding")
	s.IgnoreLinkDown = setting("net/ipv4/conf/all/ignore_routes_with_linkdown")
	s.BridgeCallsIptables = setting("net/bridge/bridge-nf-call-iptables")
	s.BridgeCallsIp6tables = setting("net/bridge/bridge-nf-call-ip6tables")
	s.BridgeFiltersVLAN = setting("net/bridge/bridge-nf-filter-vlan-tagged")
	s.ConntrackMax = number("net/netfilter/nf_conntrack_max")
	s.ConntrackCount = number("net/netfilter/nf_conntrack_count")
	s.ConntrackBuckets = number("net/netfilter/nf_conntrack_buckets")
	for _, name := range []string{"net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_buckets"} {
		if fixed(name) {
			s.Fixed = append(s.Fixed, name)
		}
	}
	s.ConntrackAccounting = setting("net/netfilter/nf_conntrack_acct")
	s.ConntrackTimestamps = setting("net/netfilter/nf_conntrack_timestamp")
	s.ConntrackEvents = setting("net/netfilter/nf_conntrack_events")
	if number("net/netfilter/nf_conntrack_events") == 2 {
		s.ConntrackEvents = facts.SettingAuto
	}
	s.ConntrackLiberal = setting("net/netfilter/nf_conntrack_tcp_be_liberal")
	s.ConntrackLoose = setting("net/netfilter/nf_conntrack_tcp_loose")
	s.ConntrackHelper = setting("net/netfilter/nf_conntrack_helper")
	s.FwmarkAccept = setting("net/ipv4/tcp_fwmark_accept")
	s.TCPEstablishedTimeout = number("net/netfilter/nf_conntrack_tcp_timeout_established")
	if line, err := Sysctl("net/ipv4/ip_local_port_range"); err == nil {
		if _, err := fmt.Sscan(line, &s.LocalPorts[0], &s.LocalPorts[1]); err != nil {
			r.gap("range of local ports", err)
		}
	}
	s.All, s.Default = linkSettings("all"), linkSettings("default")
	s.Links = make(map[string]facts.LinkSettings, len(r.facts.Links))
	for _, link := range r.facts.Links {
		s.Links[link.Name] = linkSettings(link.Name)
	}
	if s.Forwarding4 == facts.SettingUnknown {
		r.gap("settings", errors.New("net.ipv4.ip_forward cannot be read"))
	}
}

func linkSettings(link string) facts.LinkSettings {
	v4, v6 := "net/ipv4/conf/"+link+"/", "net/ipv6/conf/"+link+"/"
	s := facts.LinkSettings{
		Forwarding4: setting(v4 + "forwarding"), Forwarding6: setting(v6 + "forwarding"),
		ForceForwarding6: setting(v6 + "force_forwarding"),
		RouteLocalnet:    setting(v4 + "route_localnet"), AcceptLocal: setting(v4 + "accept_local"),
		SrcValidMark: setting(v4 + "src_valid_mark"), SendRedirects: setting(v4 + "send_redirects"),
		BroadcastForwarding: setting(v4 + "bc_forwarding"), DisableIPv6: setting(v6 + "disable_ipv6"),
		ProxyARP: setting(v4 + "proxy_arp"), AcceptRA: number(v6 + "accept_ra"),
		ARPIgnore: max(number(v4+"arp_ignore"), 0), ProxyNDP: setting(v6 + "proxy_ndp"),
	}
	if mode := number(v4 + "rp_filter"); mode >= 0 && mode <= 2 {
		s.RPFilter = facts.RPFilterOff + facts.RPFilter(mode)
	}
	return s
}

// fixed reports a setting that exists and that nobody may write here, root not
// either: the kernel decides when the file is opened.
func fixed(name string) bool {
	path, err := sysctlPath(name)
	if err != nil {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o222 == 0
}

// number is -1 for a setting that cannot be read.
func number(name string) int {
	value, err := Sysctl(name)
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return -1
	}
	return n
}

func setting(name string) facts.Setting {
	switch number(name) {
	case -1:
		return facts.SettingUnknown
	case 0:
		return facts.SettingOff
	}
	return facts.SettingOn
}
