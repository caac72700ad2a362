package evaluate_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/mdlayher/netlink"
	"github.com/ti-mo/conntrack"
	vnl "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// ground is where packets are sent: this process' network namespace is the
// gateway, and all its cables end in another one that only sends and collects
// frames, without a network stack of its own.
type ground struct {
	host  evaluate.Host
	flows *flowTable
	alone *evaluate.Evaluator // predicts as if no flow existed

	far      map[string]int // gateway interface to the frame socket at its far end
	farIndex map[string]int
	hardware map[string]net.HardwareAddr
	bell     int           // hears the frames that say "all before is done"
	events   int           // connection tracking's events
	local    map[uint8]int // what this host gets, by protocol
	out4     int           // sends as this host
	out6     int
	control  *conntrack.Conn
	serial   uint64
	routes   map[evaluate.RouteQuery]evaluate.Decision
}

// cables are the gateway's interfaces with their addresses, in the order they
// are given.
var cables = []struct {
	name  string
	addrs []string
}{
	{"wan0", []string{"203.0.113.1/24", "203.0.113.2/24", "100.64.0.1/24", "2001:db8:1::1/64", "2001:db8:1::2/64"}},
	{"lan0", []string{"192.168.0.1/24", "2001:db8:2::1/64"}},
	{"dmz0", []string{"10.10.0.1/16", "2001:db8:3::1/64"}},
}

const (
	bellType     = 0x88b5 // for local experiments (IEEE 802)
	markedRoute  = 0x40   // packets with this bit of the mark leave by dmz0
	markedTable  = 100
	tosRoute     = 0x10 // and of IPv4 those of this type of service
	helloPayload = 15
)

func check(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func openGround(t *testing.T) *ground {
	// Packets are handled by the CPU that sends them, one after the other.
	runtime.LockOSThread()
	var one unix.CPUSet
	check(t, "affinity", unix.SchedGetaffinity(0, &one))
	for cpu := range 1024 {
		if one.IsSet(cpu) {
			one.Zero()
			one.Set(cpu)
			break
		}
	}
	check(t, "affinity", unix.SchedSetaffinity(0, &one))

	g := &ground{
		far: map[string]int{}, farIndex: map[string]int{}, hardware: map[string]net.HardwareAddr{},
		local: map[uint8]int{}, routes: map[evaluate.RouteQuery]evaluate.Decision{},
	}
	g.lay(t)
	g.listen(t)
	g.host = evaluate.Host{Interfaces: interfaces(t), Route: g.route, TOSes: []uint8{tosRoute}}
	g.forgetFlows(t)
	return g
}

func setting(t *testing.T, name, value string) {
	t.Helper()
	check(t, name, os.WriteFile("/proc/sys/"+strings.ReplaceAll(name, ".", "/"), []byte(value), 0o644))
}

// lay makes the cables, addresses and routes.
func (g *ground) lay(t *testing.T) {
	here, err := os.Open("/proc/thread-self/ns/net")
	check(t, "own namespace", err)
	defer here.Close()
	check(t, "a namespace for the far ends", unix.Unshare(unix.CLONE_NEWNET))
	world, err := os.Open("/proc/thread-self/ns/net")
	check(t, "far namespace", err)
	t.Cleanup(func() { world.Close() })
	setting(t, "net.ipv6.conf.all.disable_ipv6", "1")
	setting(t, "net.ipv6.conf.default.disable_ipv6", "1")
	check(t, "back", unix.Setns(int(here.Fd()), unix.CLONE_NEWNET))

	setting(t, "net.ipv4.ip_forward", "1")
	setting(t, "net.ipv6.conf.all.forwarding", "1")
	setting(t, "net.ipv4.conf.all.rp_filter", "0")
	setting(t, "net.ipv4.conf.default.rp_filter", "0")
	setting(t, "net.ipv6.conf.default.addr_gen_mode", "1") // no link-local addresses
	setting(t, "net.ipv4.icmp_ratelimit", "0")
	for _, c := range cables {
		far := strings.TrimSuffix(c.name, "0") + "x"
		check(t, c.name, vnl.LinkAdd(&vnl.Veth{LinkAttrs: vnl.LinkAttrs{Name: c.name}, PeerName: far}))
		peer, err := vnl.LinkByName(far)
		check(t, far, err)
		check(t, far, vnl.LinkSetNsFd(peer, int(world.Fd())))
		link, err := vnl.LinkByName(c.name)
		check(t, c.name, err)
		check(t, c.name, vnl.LinkSetARPOff(link))
		for _, a := range c.addrs {
			addr, err := vnl.ParseAddr(a)
			check(t, a, err)
			addr.Flags = unix.IFA_F_NODAD // else it is tentative until a worker of the kernel's has time
			check(t, a, vnl.AddrAdd(link, addr))
		}
		g.hardware[c.name] = link.Attrs().HardwareAddr
		check(t, "enter the far namespace", unix.Setns(int(world.Fd()), unix.CLONE_NEWNET))
		peer, err = vnl.LinkByName(far)
		check(t, far, err)
		check(t, far, vnl.LinkSetUp(peer))
		g.farIndex[c.name] = peer.Attrs().Index
		g.far[c.name] = frameSocket(t, unix.ETH_P_ALL, peer.Attrs().Index)
		check(t, "back", unix.Setns(int(here.Fd()), unix.CLONE_NEWNET))
		check(t, c.name, vnl.LinkSetUp(link))
	}
	setting(t, "net.ipv4.conf.lan0.rp_filter", "1")
	via := func(table int, dev, gateway string) {
		link, err := vnl.LinkByName(dev)
		check(t, dev, err)
		dst := &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}
		if strings.Contains(gateway, ":") {
			dst = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
		}
		check(t, "route by "+gateway, vnl.RouteAdd(&vnl.Route{Table: table, LinkIndex: link.Attrs().Index, Gw: net.ParseIP(gateway), Dst: dst}))
	}
	via(unix.RT_TABLE_MAIN, "wan0", "203.0.113.254")
	via(unix.RT_TABLE_MAIN, "wan0", "2001:db8:1::fe")
	via(markedTable, "dmz0", "10.10.0.254")
	via(markedTable, "dmz0", "2001:db8:3::fe")
	for _, family := range []int{vnl.FAMILY_V4, vnl.FAMILY_V6} {
		rule := vnl.NewRule()
		rule.Family, rule.Mark, rule.Table = family, markedRoute, markedTable
		mask := uint32(markedRoute)
		rule.Mask = &mask
		check(t, "rule for the mark", vnl.RuleAdd(rule))
	}
	byTOS := vnl.NewRule()
	byTOS.Family, byTOS.Tos, byTOS.Table = vnl.FAMILY_V4, tosRoute, markedTable
	check(t, "rule for the type of service", vnl.RuleAdd(byTOS))
	for _, dead := range []string{"192.0.2.0/24", "2001:db8:dead::/48"} {
		_, dst, err := net.ParseCIDR(dead)
		check(t, dead, err)
		check(t, dead, vnl.RouteAdd(&vnl.Route{Dst: dst, Type: unix.RTN_UNREACHABLE}))
	}
}

func frameSocket(t *testing.T, protocol uint16, index int) int {
	order := protocol<<8 | protocol>>8
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(order))
	check(t, "frame socket", err)
	check(t, "bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: order, Ifindex: index}))
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// listen opens the ears and mouths of the gateway.
func (g *ground) listen(t *testing.T) {
	wan, err := vnl.LinkByName("wan0")
	check(t, "wan0", err)
	g.bell = frameSocket(t, bellType, wan.Attrs().Index)
	check(t, "bell", unix.SetsockoptTimeval(g.bell, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 20}))

	g.events, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	check(t, "events", err)
	t.Cleanup(func() { unix.Close(g.events) })
	const newAndDestroy = 1<<0 | 1<<2 // NFNLGRP_CONNTRACK_NEW, _DESTROY
	check(t, "events", unix.Bind(g.events, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: newAndDestroy}))

	raw := func(family, protocol int) int {
		fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
		check(t, "raw socket", err)
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	for _, protocol := range []uint8{rules.ICMP, rules.TCP, rules.UDP, rules.DCCP, rules.GRE, 50} {
		g.local[protocol] = raw(unix.AF_INET, int(protocol))
	}
	for _, protocol := range []uint8{rules.ICMPv6, rules.TCP, rules.UDP} {
		g.local[protocol|0x80] = raw(unix.AF_INET6, int(protocol))
	}
	g.out4 = raw(unix.AF_INET, unix.IPPROTO_RAW)
	g.out6 = raw(unix.AF_INET6, unix.IPPROTO_RAW)
	g.control, err = conntrack.Dial(nil)
	check(t, "connection tracking", err)
	t.Cleanup(func() { g.control.Close() })
}

// forgetFlows begins again with an empty flow table.
func (g *ground) forgetFlows(t *testing.T) {
	check(t, "flush the flows", g.control.Flush())
	g.collectEvents(t, nil)
	g.flows = &flowTable{map[rules.Tuple]rules.Tuple{}, map[rules.Tuple]int{}}
	g.host.Flows = g.flows
}

// interfaces are the gateway's own, as the kernel lists them.
func interfaces(t *testing.T) []evaluate.Interface {
	links, err := vnl.LinkList()
	check(t, "links", err)
	var all []evaluate.Interface
	for _, l := range links {
		i := evaluate.Interface{Name: l.Attrs().Name, Index: l.Attrs().Index}
		for _, family := range []int{vnl.FAMILY_V4, vnl.FAMILY_V6} {
			addrs, err := vnl.AddrList(l, family)
			check(t, "addresses", err)
			for _, a := range addrs {
				i.Addrs = append(i.Addrs, interfaceAddr(a))
			}
		}
		all = append(all, i)
	}
	return all
}

func interfaceAddr(a vnl.Addr) evaluate.InterfaceAddr {
	ip, _ := netip.AddrFromSlice(a.IP)
	ones, _ := a.Mask.Size()
	r := evaluate.InterfaceAddr{Prefix: netip.PrefixFrom(ip.Unmap(), ones)}
	r.Secondary = a.Flags&unix.IFA_F_SECONDARY != 0 && ip.Unmap().Is4()
	r.Deprecated = a.Flags&unix.IFA_F_DEPRECATED != 0
	r.Tentative = a.Flags&unix.IFA_F_TENTATIVE != 0
	if b, ok := netip.AddrFromSlice(a.Broadcast); ok {
		r.Broadcast = b.Unmap()
	}
	switch a.Scope {
	case unix.RT_SCOPE_LINK:
		r.Scope = evaluate.ScopeLink
	case unix.RT_SCOPE_HOST:
		r.Scope = evaluate.ScopeHost
	}
	return r
}

// route asks the kernel, once for each question.
func (g *ground) route(q evaluate.RouteQuery) evaluate.Decision {
	q.TOS &= 0xfc
	if q.TOS != tosRoute {
		q.TOS = 0
	}
	if q.Bare { // whom a packet is from counts for no rule of these routes, and the kernel tells only of packets that may be
		q.Src = netip.Addr{}
	}
	if r, ok := g.routes[q]; ok {
		return r
	}
	r := askRoute(q)
	if q.TOS != 0 {
		r = askRouteOfTOS(q)
	}
	g.routes[q] = r
	return r
}

// askRouteOfTOS asks by ip(8), which can say the type of service.
func askRouteOfTOS(q evaluate.RouteQuery) evaluate.Decision {
	args := []string{"-j", "route", "get", q.Dst.String(), "tos", fmt.Sprintf("%#x", q.TOS), "mark", fmt.Sprint(q.Mark)}
	if q.Src.IsValid() {
		args = append(args, "from", q.Src.String())
	}
	if q.In != "" {
		args = append(args, "iif", q.In)
	}
	out, err := exec.Command("ip", args...).CombinedOutput()
	var found []struct{ Type, Gateway, Dev string }
	switch text := string(out); {
	case strings.Contains(text, "cross-device"), strings.Contains(text, "Invalid argument"):
		return evaluate.Decision{Kind: evaluate.RoutedRefused, Why: text}
	case err != nil || json.Unmarshal(out, &found) != nil || len(found) == 0:
		return evaluate.Decision{Kind: evaluate.RoutedNone, Why: text}
	}
	switch found[0].Type {
	case "local", "broadcast", "anycast":
		return evaluate.Decision{Kind: evaluate.RoutedLocal, Out: "lo"}
	case "", "unicast":
		hop, _ := netip.ParseAddr(found[0].Gateway)
		return evaluate.Decision{Kind: evaluate.RoutedForward, Out: found[0].Dev, NextHop: hop}
	}
	return evaluate.Decision{Kind: evaluate.RoutedNone, Why: found[0].Type}
}

func askRoute(q evaluate.RouteQuery) evaluate.Decision {
	found, err := vnl.RouteGetWithOptions(q.Dst.AsSlice(), &vnl.RouteGetOptions{Iif: q.In, SrcAddr: q.Src.AsSlice(), Mark: q.Mark})
	switch {
	case errors.Is(err, unix.EXDEV), errors.Is(err, unix.EINVAL):
		return evaluate.Decision{Kind: evaluate.RoutedRefused, Why: err.Error()}
	case err != nil:
		return evaluate.Decision{Kind: evaluate.RoutedNone, Why: err.Error()}
	}
	r := evaluate.Decision{Kind: evaluate.RoutedForward}
	switch found[0].Type {
	case unix.RTN_LOCAL, unix.RTN_BROADCAST, unix.RTN_ANYCAST:
		return evaluate.Decision{Kind: evaluate.RoutedLocal, Out: "lo"}
	case unix.RTN_UNICAST:
	default:
		return evaluate.Decision{Kind: evaluate.RoutedNone, Why: "no route"}
	}
	if hop, ok := netip.AddrFromSlice(found[0].Gw); ok {
		r.NextHop = hop.Unmap()
	}
	link, err := vnl.LinkByIndex(found[0].LinkIndex)
	if err != nil {
		return evaluate.Decision{}
	}
	r.Out = link.Attrs().Name
	return r
}

// send sends a packet and tells what became of it.
func (g *ground) send(t *testing.T, p evaluate.Packet) event {
	g.serial++
	mark := nonce(p, g.serial)
	body := bytesOf(p, mark)
	if p.Local {
		g.sendLocal(t, p, body)
	} else {
		header := append(append([]byte(nil), g.frameTo(p)...), parseMAC(p.MAC)...)
		kind := uint16(unix.ETH_P_IP)
		if p.Src.Is6() {
			kind = unix.ETH_P_IPV6
		}
		frame := append(binary.BigEndian.AppendUint16(header, kind), body...)
		check(t, "send", unix.Sendto(g.far[p.In], frame, 0, &unix.SockaddrLinklayer{Ifindex: g.farIndex[p.In]}))
	}
	// One round for the packet, one for where it goes, one for what comes back.
	for range 3 {
		g.ring(t)
	}
	var e event
	g.collectEvents(t, func(orig, reply rules.Tuple) {
		want := p.Tuple()
		if p.Protocol == rules.DCCP && g.host.NoDCCPTracking {
			want.SrcPort, want.DstPort = 0, 0
		}
		if orig != want || e.tracked {
			return
		}
		e.tracked = true
		seen := reply.Mirror()
		e.src, e.dst = endsOf(seen)
		e.translated = seen != orig
	})
	for name, fd := range g.far {
		g.collectFrames(fd, mark, func(packet []byte) {
			e.out = name
			e.seenSrc, e.seenDst = addressesOf(packet)
		})
	}
	for _, fd := range g.local {
		if collectCopies(fd, mark) {
			e.local = true
		}
	}
	return e
}

// frameTo is the hardware address of a packet's frame: that of its group, or of the gateway.
func (g *ground) frameTo(p evaluate.Packet) net.HardwareAddr {
	to := p.Dst.As16()
	switch {
	case p.Dst.IsMulticast() && p.Dst.Is4():
		return net.HardwareAddr{0x01, 0x00, 0x5e, to[13] & 0x7f, to[14], to[15]}
	case p.Dst.IsMulticast():
		return net.HardwareAddr{0x33, 0x33, to[12], to[13], to[14], to[15]}
	case p.Dst.Is4() && to[15] == 255 && (to[12] == 255 || p.In == "wan0" && to[12] == 203):
		return net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	return g.hardware[p.In]
}

// ring waits until everything that was sent before has been handled.
func (g *ground) ring(t *testing.T) {
	frame := make([]byte, 60)
	copy(frame, g.hardware["wan0"])
	binary.BigEndian.PutUint16(frame[12:], bellType)
	check(t, "ring", unix.Sendto(g.far["wan0"], frame, 0, &unix.SockaddrLinklayer{Ifindex: g.farIndex["wan0"]}))
	var buf [64]byte
	for {
		_, _, err := unix.Recvfrom(g.bell, buf[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		check(t, "the bell", err)
		return
	}
}

func (g *ground) sendLocal(t *testing.T, p evaluate.Packet, body []byte) {
	fd, to := g.out4, unix.Sockaddr(&unix.SockaddrInet4{Addr: [4]byte(p.Dst.AsSlice()[:4])})
	if p.Src.Is6() {
		fd, to = g.out6, &unix.SockaddrInet6{Addr: p.Dst.As16()}
	}
	check(t, "mark", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(p.Mark)))
	if p.Src.Is4() { // a raw socket is routed by its own type of service, whatever its packets say
		check(t, "type of service", unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, int(p.TOS)))
	}
	// What the kernel refuses to send, for want of a route or because a rule drops
	// it, it says here; what becomes of it is looked at elsewhere.
	err := unix.Sendto(fd, body, 0, to)
	for errors.Is(err, unix.EINTR) {
		err = unix.Sendto(fd, body, 0, to)
	}
}

// collectEvents reads what connection tracking has told since.
func (g *ground) collectEvents(t *testing.T, born func(orig, reply rules.Tuple)) {
	buf := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(g.events, buf, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		check(t, "events", err)
		messages, err := syscall.ParseNetlinkMessage(buf[:n])
		check(t, "events", err)
		for _, m := range messages {
			var e conntrack.Event
			check(t, "an event", e.Unmarshal(netlink.Message{Header: netlink.Header{
				Length: m.Header.Len, Type: netlink.HeaderType(m.Header.Type), Flags: netlink.HeaderFlags(m.Header.Flags),
			}, Data: m.Data}))
			if e.Flow == nil {
				continue
			}
			orig, reply := tupleOf(e.Flow.TupleOrig), tupleOf(e.Flow.TupleReply)
			switch {
			case born == nil:
			case e.Type == conntrack.EventNew:
				g.flows.add(orig, reply)
				born(orig, reply)
			case e.Type == conntrack.EventDestroy:
				g.flows.remove(orig, reply)
			}
		}
	}
}

// endsOf are both ends of a tuple as the kernel keys it: of ICMP too what stands in place of ports.
func endsOf(t rules.Tuple) (src, dst netip.AddrPort) {
	return netip.AddrPortFrom(t.SrcAddr(), t.SrcPort), netip.AddrPortFrom(t.DstAddr(), t.DstPort)
}

func tupleOf(t conntrack.Tuple) rules.Tuple {
	src, dst := t.Proto.SourcePort, t.Proto.DestinationPort
	if t.Proto.ICMPv4 || t.Proto.ICMPv6 {
		src, dst = t.Proto.ICMPID, uint16(t.Proto.ICMPType)<<8|uint16(t.Proto.ICMPCode)
	}
	return rules.MakeTuple(rules.Protocol(t.Proto.Protocol), netip.AddrPortFrom(t.IP.SourceAddress.Unmap(), src), netip.AddrPortFrom(t.IP.DestinationAddress.Unmap(), dst))
}

// collectFrames looks for the marked packet among the frames that came out.
func (g *ground) collectFrames(fd int, mark []byte, found func(packet []byte)) {
	var buf [2048]byte
	for {
		n, from, err := unix.Recvfrom(fd, buf[:], unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return
		}
		if from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING || n < 34 {
			continue
		}
		// An error message carries the packet it is about: that is not the packet.
		if packet := buf[14:n]; bytes.HasSuffix(packet, mark) && !isICMPError(packet) {
			found(packet)
		}
	}
}

func isICMPError(packet []byte) bool {
	if packet[0]>>4 == 4 {
		header := int(packet[0]&15) * 4
		return packet[9] == rules.ICMP && packet[header] != 8 && packet[header] != 13
	}
	return packet[6] == rules.ICMPv6 && packet[40] != 128
}

func collectCopies(fd int, mark []byte) bool {
	var buf [2048]byte
	found := false
	for {
		n, from, err := unix.Recvfrom(fd, buf[:], unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return found
		}
		packet := buf[:n]
		if !bytes.HasSuffix(packet, mark) {
			continue
		}
		switch from.(type) {
		case *unix.SockaddrInet4:
			found = found || !isICMPError(packet)
		default: // the IPv6 header is cut off; an answer is no request
			fd6, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
			found = found || fd6 != rules.ICMPv6 || packet[0] == 128
		}
	}
}

func addressesOf(packet []byte) (src, dst netip.Addr) {
	if packet[0]>>4 == 4 {
		return netip.AddrFrom4([4]byte(packet[12:16])), netip.AddrFrom4([4]byte(packet[16:20]))
	}
	return netip.AddrFrom16([16]byte(packet[8:24])), netip.AddrFrom16([16]byte(packet[24:40]))
}

func parseMAC(s string) net.HardwareAddr {
	m, _ := net.ParseMAC(s)
	return m
}

// bytesOf writes a packet as it is on the wire.
func bytesOf(p evaluate.Packet, payload []byte) []byte {
	l4 := transportOf(p, payload)
	next := byte(p.Protocol)
	for _, h := range []struct {
		bit  evaluate.ExtHeaders
		kind byte
	}{{1 << 6, 60}, {1 << 7, 0}} { // destination options, hop by hop: 6 bytes of padding each (RFC 8200, section 4.2)
		if p.Ext&h.bit != 0 {
			l4 = append([]byte{next, 0, 1, 4, 0, 0, 0, 0}, l4...)
			next = h.kind
		}
	}
	if p.Src.Is4() {
		h := make([]byte, 20, 20+len(l4))
		h[0], h[1] = 0x45, p.TOS
		binary.BigEndian.PutUint16(h[2:], uint16(20+len(l4)))
		h[8], h[9] = p.TTL, byte(p.Protocol)
		copy(h[12:], p.Src.AsSlice())
		copy(h[16:], p.Dst.AsSlice())
		binary.BigEndian.PutUint16(h[10:], checksum(h))
		return append(h, l4...)
	}
	h := make([]byte, 40, 40+len(l4))
	h[0], h[1] = 0x60|p.TOS>>4, p.TOS<<4
	binary.BigEndian.PutUint16(h[4:], uint16(len(l4)))
	h[6], h[7] = next, p.TTL
	copy(h[8:], p.Src.AsSlice())
	copy(h[24:], p.Dst.AsSlice())
	return append(h, l4...)
}

func transportOf(p evaluate.Packet, payload []byte) []byte {
	var h []byte
	sum := 0
	switch p.Protocol {
	case rules.TCP:
		h = make([]byte, 20)
		h[12], h[13], sum = 5<<4, p.TCPFlags, 16
		binary.BigEndian.PutUint16(h[14:], 1024)
		binary.BigEndian.PutUint32(h[4:], 1000)
	case rules.UDP:
		h = make([]byte, 8)
		sum = 6
		binary.BigEndian.PutUint16(h[4:], uint16(8+len(payload)))
	case rules.DCCP: // a request with its service code (RFC 4340, section 5)
		h = make([]byte, 20)
		h[4], h[8], sum = 5, 1, 6
	case rules.ICMP, rules.ICMPv6:
		h = make([]byte, 8)
		h[0], h[1], sum = p.ICMPType, p.ICMPCode, 2
		binary.BigEndian.PutUint16(h[4:], p.ICMPID)
	default: // GRE without a key, ESP: nothing that anybody looks at
		return append(make([]byte, 8), payload...)
	}
	if p.Protocol.HasPorts() {
		binary.BigEndian.PutUint16(h, p.SrcPort)
		binary.BigEndian.PutUint16(h[2:], p.DstPort)
	}
	h = append(h, payload...)
	var pseudo []byte
	if p.Protocol != rules.ICMP {
		pseudo = append(append(pseudo, p.Src.AsSlice()...), p.Dst.AsSlice()...)
		pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(h)))
		pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(p.Protocol))
	}
	binary.BigEndian.PutUint16(h[sum:], checksum(append(pseudo, h...)))
	return h
}

func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
