package host

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"nattui/model/facts"
	"nattui/model/lab"
)

// TestVRRPInstances reads the addresses that a configuration of keepalived names.
func TestVRRPInstances(t *testing.T) {
	const text = `global_defs { router_id a }
! a comment { with a brace
vrrp_instance VI_1 {
    state MASTER
    interface wan0
    authentication {
        auth_type PASS
        auth_pass 192.0.2.9
    }
    virtual_ipaddress {
        203.0.113.1/24 dev wan0 label wan0:1  # the outer one
        2001:db8::1/64 dev wan0
    }
    virtual_routes { 0.0.0.0/0 via 203.0.113.254 }
    virtual_ipaddress_excluded { 198.51.100.1 }
}
vrrp_instance VI_2 { virtual_ipaddress { 192.168.0.1/24 } }
vrrp_sync_group G { group { VI_1 VI_2 } }
`
	a := netip.MustParseAddr
	want := []facts.VRRPInstance{
		{Name: "VI_1", Addresses: []netip.Addr{a("203.0.113.1"), a("2001:db8::1"), a("198.51.100.1")}},
		{Name: "VI_2", Addresses: []netip.Addr{a("192.168.0.1")}},
	}
	if got := vrrpInstances(text); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if got := vrrpInstances("}}{ vrrp_instance\n{{"); len(got) > 1 {
		t.Errorf("%+v", got)
	}
}

// conntrackdFile is a configuration of a gateway with a peer, which keeps its socket in a directory.
func conntrackdFile(t *testing.T, dir, link, own, peer string) string {
	t.Helper()
	path := filepath.Join(dir, "conntrackd.conf")
	text := `Sync {
  Mode NOTRACK { DisableExternalCache Off }
  UDP { IPv4_address ` + own + `
    IPv4_Destination_Address ` + peer + `
    Port 3780
    Interface ` + link + ` }
}
General {
  HashSize 1024
  HashLimit 65536
  LogFile off
  LockFile ` + dir + `/lock
  UNIX { Path ` + dir + `/socket }
}
`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestConntrackd reads what a real conntrackd tells: of a connection of its own, and of a peer that it hears nothing of.
func TestConntrackd(t *testing.T) {
	lab.Program(t, "conntrackd")
	if lab.Isolate(t) {
		return
	}
	for _, line := range []string{
		"ip link set lo up", "ip link add sync0 type veth peer name sync1", "ip addr add 192.0.2.1/24 dev sync0", "ip link set sync0 up", "ip link set sync1 up",
		"iptables -t nat -A OUTPUT -p udp --dport 1 -j ACCEPT",
	} {
		if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	dir := t.TempDir()
	config := conntrackdFile(t, dir, "sync0", "192.0.2.1", "192.0.2.2")
	if text, err := os.ReadFile(config); err != nil || !synchronizes(string(text)) || synchronizes("General {\n}\n# Sync {\nStats { LogFile on }\n") {
		t.Errorf("which configurations synchronize is told wrong: %v", err)
	}
	daemon := exec.Command("conntrackd", "-C", config)
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = daemon.Process.Kill(); _ = daemon.Wait() }()
	// A connection that begins between conntrackd's first dump and its subscription is never known to it, because the
	// kernel tells of a connection's later events only where somebody listened when it began: hence a new one each time.
	var c facts.Conntrackd
	limit := time.Now().Add(time.Minute)
	for port := 1; c.Own == 0; port++ {
		if time.Now().After(limit) {
			t.Fatalf("told %+v", c)
		}
		new := exec.Command("conntrack", "-I", "-p", "udp", "-s", "10.0.0.1", "-d", "10.0.0.2", "--sport", strconv.Itoa(port), "--dport", "2", "-t", "100")
		if out, err := new.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if text, err := exec.Command("conntrackd", "-C", config, "-s").Output(); err == nil {
			readConntrackd(string(text), &c)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if c.Peers != 0 || c.Received != 0 || c.Lost != 0 || c.Malformed != 0 || c.Failed != 0 {
		t.Errorf("told %+v", c)
	}
	if running := runningPrograms("conntrackd", "keepalived"); !running["conntrackd"] || running["keepalived"] {
		t.Errorf("running: %v", running)
	}
}
