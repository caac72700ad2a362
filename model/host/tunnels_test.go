package host_test

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"nattui/model/facts"
	"nattui/model/host"
	"nattui/model/lab"
	"nattui/rules"
)

// TestProgramTunnelIsAWay: who holds the device of a link is what makes a VPN of a program, whatever that is called, and whether
// it waits for others or has called one itself.
func TestProgramTunnelIsAWay(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	device, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		lab.Lacks(t, err)
	}
	defer device.Close()
	request, err := unix.NewIfreq("tv0")
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(int(device.Fd()), unix.TUNSETIFF, request); err != nil {
		t.Fatal(err)
	}
	ip(t, "link", "set", "tv0", "up")
	ip(t, "addr", "add", "10.9.0.1/24", "dev", "tv0")
	waiting, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 5555})
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	calling, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(10, 9, 0, 9), Port: 7777})
	if err != nil {
		t.Fatal(err)
	}
	defer calling.Close()
	known, err := host.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []facts.Way{
		{Kind: facts.WayVPN, Proto: rules.UDP, Server: netip.MustParseAddrPort("0.0.0.0:5555")},
		{Kind: facts.WayTunnel, Proto: rules.UDP, Client: calling.LocalAddr().(*net.UDPAddr).AddrPort(), Server: netip.MustParseAddrPort("10.9.0.9:7777")},
	} {
		if !slices.ContainsFunc(known.Ways, func(w facts.Way) bool {
			return w.Kind == want.Kind && w.Proto == want.Proto && w.Client == want.Client && w.Server == want.Server && w.Program != ""
		}) {
			t.Errorf("%v is not among %v", want, known.Ways)
		}
	}
}
