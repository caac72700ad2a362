package host

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"nattui/rules/textfile"
)

// Leases are the names that this host knows of others by the addresses it has lent them, and by files of hosts: those of
// dnsmasq, Kea, ISC's dhcpd and systemd-networkd, where they usually keep them. What has expired is no name any more.
type Leases struct {
	// Root is put before the paths; "" for this host.
	Root string

	mu    sync.Mutex
	names map[netip.Addr]string
	next  time.Time // when they are read again
}

// leasesFor is how long what was read is taken for true.
const leasesFor = 10 * time.Second

// mostLeases is how long a file of leases may be, in bytes.
const mostLeases = 8 << 20

// leaseFiles are the files of each program: the patterns of their paths (filepath.Match), and their reader, which tells
// names by address; later ones of the same address count.
var leaseFiles = []struct {
	paths []string
	read  func(text []byte, now time.Time, tell func(netip.Addr, string))
}{
	{[]string{"/etc/hosts", "/tmp/hosts/*", "/etc/pihole/custom.list"}, readHosts},
	{[]string{"/var/lib/dhcp/dhcpd.leases", "/var/lib/dhcpd/dhcpd.leases", "/var/db/dhcpd.leases"}, readDhcpd},
	{[]string{"/var/lib/kea/kea-leases4.csv", "/var/lib/kea/kea-leases6.csv", "/var/lib/kea/dhcp4.leases", "/var/lib/kea/dhcp6.leases"}, readKea},
	{[]string{"/var/lib/systemd/network/dhcp-server-lease/*", "/run/systemd/netif/dhcp-server-lease/*"}, readNetworkd},
	{[]string{"/var/lib/misc/dnsmasq.leases", "/var/lib/dnsmasq/dnsmasq.leases", "/var/lib/misc/dnsmasq/*.leases", "/tmp/dhcp.leases", "/etc/pihole/dhcp.leases", "/var/lib/libvirt/dnsmasq/*.leases"}, readDnsmasq},
}

// Name is the name of an address, "" where none is known here. It reads files when what is known is older than some
// seconds, and does not wait for anything else.
func (l *Leases) Name(ctx context.Context, a netip.Addr) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); !now.Before(l.next) {
		l.names, l.next = l.read(ctx, now), now.Add(leasesFor)
	}
	return l.names[a.Unmap()]
}

// Addrs are the addresses that have a name here, the lower first: those of IPv4 are.
func (l *Leases) Addrs(ctx context.Context, name string) []netip.Addr {
	l.Name(ctx, netip.Addr{}) // reads what is to be read
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []netip.Addr
	for a, n := range l.names {
		if strings.EqualFold(n, strings.TrimSuffix(name, ".")) {
			found = append(found, a)
		}
	}
	slices.SortFunc(found, netip.Addr.Compare)
	return found
}

func (l *Leases) read(ctx context.Context, now time.Time) map[netip.Addr]string {
	names := map[netip.Addr]string{}
	tell := func(a netip.Addr, name string) {
		if name = strings.TrimSuffix(name, "."); name != "" && name != "*" && a.IsValid() {
			names[a.Unmap()] = name
		}
	}
	for _, of := range leaseFiles {
		for _, pattern := range of.paths {
			found, _ := filepath.Glob(filepath.Join(l.Root, pattern)) // the patterns are good
			for _, path := range found {
				if text, err := textfile.ReadUntil(ctx, path, mostLeases); err == nil { // what cannot be read names nobody
					of.read(text, now, tell)
				}
			}
		}
	}
	return names
}

// readHosts reads hosts(5); of several names the first is the host's own. Loopback and what names every host are left out.
func readHosts(text []byte, _ time.Time, tell func(netip.Addr, string)) {
	for line := range bytes.Lines(text) {
		words, _, _ := strings.Cut(string(line), "#")
		f := strings.Fields(words)
		if len(f) < 2 {
			continue
		}
		if a, err := netip.ParseAddr(f[0]); err == nil && !a.IsMulticast() && !a.IsUnspecified() {
			tell(a, f[1])
		}
	}
}

// readDnsmasq reads dnsmasq's leases: expiry as seconds since 1970 (0: never), MAC or IAID, address, name or *, client id.
func readDnsmasq(text []byte, now time.Time, tell func(netip.Addr, string)) {
	for line := range bytes.Lines(text) {
		f := strings.Fields(string(line))
		if len(f) < 4 {
			continue
		}
		expires, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil || expires != 0 && expires < now.Unix() {
			continue
		}
		if a, err := netip.ParseAddr(f[2]); err == nil {
			tell(a, f[3])
		}
	}
}

// readKea reads Kea's memfile: CSV with a line of titles, one line a change of a lease. State 0 is a lease in use.
func readKea(text []byte, now time.Time, tell func(netip.Addr, string)) {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord = -1
	titles, err := r.Read()
	if err != nil {
		return
	}
	column := map[string]int{}
	for i, t := range titles {
		column[t] = i
	}
	last := map[netip.Addr]string{}
	for {
		row, err := r.Read()
		if err != nil {
			break // the end, or a line that is just being written
		}
		value := func(title string) string {
			if i, ok := column[title]; ok && i < len(row) {
				return row[i]
			}
			return ""
		}
		a, err := netip.ParseAddr(value("address"))
		if err != nil {
			continue
		}
		expires, _ := strconv.ParseInt(value("expire"), 10, 64)
		if delete(last, a); value("state") == "0" && expires >= now.Unix() {
			last[a] = value("hostname")
		}
	}
	for a, name := range last {
		tell(a, name)
	}
}

// readDhcpd reads dhcpd.leases(5): the last declaration of an address counts.
func readDhcpd(text []byte, now time.Time, tell func(netip.Addr, string)) {
	last := map[netip.Addr]string{}
	var at netip.Addr
	name, active := "", true
	for line := range bytes.Lines(text) {
		f := strings.Fields(strings.TrimRight(strings.TrimSpace(string(line)), ";"))
		switch {
		case len(f) >= 3 && f[0] == "lease" && f[2] == "{":
			at, _ = netip.ParseAddr(f[1])
			name, active = "", true
		case len(f) >= 3 && f[0] == "binding" && f[1] == "state":
			active = active && f[2] == "active"
		case len(f) >= 4 && f[0] == "ends":
			ends, err := time.Parse("2006/01/02 15:04:05", f[2]+" "+f[3]) // UTC
			active = active && (err != nil || !ends.Before(now))
		case len(f) >= 3 && f[0] == "ends" && f[1] == "epoch":
			ends, err := strconv.ParseInt(f[2], 10, 64)
			active = active && (err != nil || ends >= now.Unix())
		case len(f) >= 2 && f[0] == "client-hostname":
			name = strings.Trim(f[1], `"`)
		case len(f) == 1 && f[0] == "}" && at.IsValid():
			if delete(last, at); active {
				last[at] = name
			}
			at = netip.Addr{}
		}
	}
	for a, name := range last {
		tell(a, name)
	}
}

// readNetworkd reads what systemd-networkd keeps of the leases of its DHCP server: a list, in later versions in an object.
func readNetworkd(text []byte, now time.Time, tell func(netip.Addr, string)) {
	type lease struct {
		Numbers                []int `json:"Address"`
		Hostname               string
		ExpirationRealtimeUSec int64
	}
	var whole struct{ Leases []lease }
	if err := json.Unmarshal(text, &whole); err != nil {
		if json.Unmarshal(text, &whole.Leases) != nil {
			return
		}
	}
	for _, x := range whole.Leases {
		if len(x.Numbers) != 4 || x.ExpirationRealtimeUSec != 0 && x.ExpirationRealtimeUSec < now.UnixMicro() {
			continue
		}
		var a [4]byte
		for i, n := range x.Numbers {
			a[i] = byte(n)
		}
		tell(netip.AddrFrom4(a), x.Hostname)
	}
}
