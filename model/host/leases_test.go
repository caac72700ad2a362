package host

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The files of each program name who has an address now: not who had it, and the last entry counts.
func TestLeasesNameAddresses(t *testing.T) {
	root := t.TempDir()
	later, before := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	isc := func(at time.Time) string { return at.UTC().Format("2006/01/02 15:04:05") }
	for path, text := range map[string]string{
		"/etc/hosts": "127.0.0.1 localhost # here\n192.168.0.2 web.lan web\n192.168.0.3\tdb\nnot an address\n",
		"/var/lib/misc/dnsmasq.leases": fmt.Sprintf("%d 52:54:00:00:00:01 192.168.0.10 laptop 01:52:54:00:00:00:01\n%d 52:54:00:00:00:02 192.168.0.11 gone *\n0 52:54:00:00:00:03 192.168.0.12 printer *\n%d 52:54:00:00:00:04 192.168.0.13 * *\nduid 00:01\n%d 7 fd00::10 laptop6 00:01\n",
			later.Unix(), before.Unix(), later.Unix(), later.Unix()),
		"/var/lib/kea/kea-leases4.csv": fmt.Sprintf("address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n192.168.1.20,52:54:00:00:00:05,,3600,%d,1,0,0,old.lan.,0,,0\n192.168.1.20,52:54:00:00:00:05,,3600,%d,1,0,0,phone.lan.,0,,0\n192.168.1.21,52:54:00:00:00:06,,3600,%d,1,0,0,released,2,,0\n192.168.1.22,52:54",
			later.Unix(), later.Unix(), later.Unix()),
		"/var/lib/dhcp/dhcpd.leases":                      "# comment\nlease 192.168.2.30 {\n  starts 4 2020/01/01 00:00:00;\n  ends 4 " + isc(later) + ";\n  binding state active;\n  client-hostname \"tv\";\n}\nlease 192.168.2.31 {\n  ends 4 " + isc(before) + ";\n  binding state active;\n  client-hostname \"expired\";\n}\nlease 192.168.2.32 {\n  ends never;\n  binding state free;\n  client-hostname \"free\";\n}\n",
		"/var/lib/systemd/network/dhcp-server-lease/lan0": `{"BootID":"x","Address":[192,168,3,1],"Leases":[{"ClientId":[1],"Address":[192,168,3,40],"Hostname":"camera","ExpirationRealtimeUSec":` + fmt.Sprint(later.UnixMicro()) + `},{"Address":[192,168,3,41]}]}`,
		"/run/systemd/netif/dhcp-server-lease/lan1":       `[{"ClientId":[1],"Address":[192,168,4,50],"Hostname":"radio"}]`,
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(root, "/var/lib/systemd/network/dhcp-server-lease/fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := &Leases{Root: root}
	for a, want := range map[string]string{
		"192.168.0.2": "web.lan", "192.168.0.3": "db", "192.168.0.10": "laptop", "192.168.0.11": "", "192.168.0.12": "printer", "192.168.0.13": "",
		"fd00::10": "laptop6", "192.168.1.20": "phone.lan", "192.168.1.21": "", "192.168.1.22": "", "192.168.2.30": "tv", "192.168.2.31": "", "192.168.2.32": "",
		"192.168.3.40": "camera", "192.168.3.41": "", "192.168.4.50": "radio", "::ffff:192.168.0.10": "laptop",
	} {
		if got := l.Name(t.Context(), netip.MustParseAddr(a)); got != want {
			t.Errorf("%s is %q; want %q", a, got, want)
		}
	}
	for name, want := range map[string]string{"web.lan": "192.168.0.2", "LAPTOP": "192.168.0.10", "gone": "", "phone.lan.": "192.168.1.20", "tv": "192.168.2.30", "camera": "192.168.3.40", "": ""} {
		var got []string
		for _, a := range l.Addrs(t.Context(), name) {
			got = append(got, a.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q has %v; want %q", name, got, want)
		}
	}
}
