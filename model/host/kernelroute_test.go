package host

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nattui/model/facts"
	"nattui/rules/evaluate"
)

// Lookup asks the kernel where a packet goes (RTM_GETROUTE): what the tests hold the evaluation of the
// rules of policy routing against. With q.In the
// kernel decides as for a packet that arrives there, which includes whether it
// believes the source and forwards at all; without, q.Src must be an address of
// this host or invalid. A refusal is not an error but a Route of the kind that
// the kernel's error stands for; packets whose source it does not believe are
// dropped as by a blackhole.
func Lookup(q evaluate.RouteQuery) (facts.Route, error) {
	request, err := routeRequest(q)
	if err != nil {
		return facts.Route{}, err
	}
	messages, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE)
	switch {
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.ESRCH):
		return facts.Route{Kind: facts.RouteNone}, nil
	case errors.Is(err, unix.EHOSTUNREACH):
		return facts.Route{Kind: facts.RouteUnreachable}, nil
	case errors.Is(err, unix.EACCES):
		return facts.Route{Kind: facts.RouteProhibit}, nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EXDEV):
		return facts.Route{Kind: facts.RouteBlackhole}, nil
	case err != nil:
		return facts.Route{}, fmt.Errorf("ask the kernel for the route to %s: %w", q.Dst, err)
	case len(messages) == 0:
		return facts.Route{}, fmt.Errorf("ask the kernel for the route to %s: no answer", q.Dst)
	}
	return decodeRoute(messages[0])
}

func routeRequest(q evaluate.RouteQuery) (*nl.NetlinkRequest, error) {
	q.Dst, q.Src = q.Dst.Unmap(), q.Src.Unmap()
	if !q.Dst.IsValid() {
		return nil, errors.New("a route is looked up by its destination, and there is none")
	}
	family := unix.AF_INET
	if q.Dst.Is6() {
		family = unix.AF_INET6
	}
	request := nl.NewNetlinkRequest(unix.RTM_GETROUTE, 0)
	header := &nl.RtMsg{RtMsg: unix.RtMsg{
		Family: uint8(family), Dst_len: uint8(q.Dst.BitLen()), Tos: q.TOS, Flags: unix.RTM_F_LOOKUP_TABLE,
	}}
	if q.Src.IsValid() {
		header.Src_len = uint8(q.Src.BitLen())
	}
	request.AddData(header)
	request.AddData(nl.NewRtAttr(unix.RTA_DST, q.Dst.AsSlice()))
	if q.Src.IsValid() {
		request.AddData(nl.NewRtAttr(unix.RTA_SRC, q.Src.AsSlice()))
	}
	for attribute, name := range map[int]string{unix.RTA_IIF: q.In, unix.RTA_OIF: q.Out} {
		if name == "" {
			continue
		}
		link, err := net.InterfaceByName(name)
		if err != nil {
			return nil, fmt.Errorf("look up a route by %s: %w", name, err)
		}
		request.AddData(nl.NewRtAttr(attribute, nl.Uint32Attr(uint32(link.Index))))
	}
	if q.Mark != 0 {
		request.AddData(nl.NewRtAttr(unix.RTA_MARK, nl.Uint32Attr(q.Mark)))
	}
	if q.Proto != 0 {
		request.AddData(nl.NewRtAttr(unix.RTA_IP_PROTO, nl.Uint8Attr(uint8(q.Proto))))
		request.AddData(nl.NewRtAttr(unix.RTA_SPORT, bigEndian(q.SrcPort)))
		request.AddData(nl.NewRtAttr(unix.RTA_DPORT, bigEndian(q.DstPort)))
	}
	return request, nil
}

func bigEndian(port uint16) []byte { return []byte{byte(port >> 8), byte(port)} }

func decodeRoute(message []byte) (facts.Route, error) {
	header := nl.DeserializeRtMsg(message)
	attributes, err := nl.ParseRouteAttr(message[header.Len():])
	if err != nil {
		return facts.Route{}, fmt.Errorf("decode the kernel's route: %w", err)
	}
	route := facts.Route{Kind: routeKind(int(header.Type)), Table: uint32(header.Table)}
	for _, a := range attributes {
		switch a.Attr.Type {
		case unix.RTA_OIF:
			link, err := net.InterfaceByIndex(int(nl.NativeEndian().Uint32(a.Value)))
			if err != nil {
				return route, fmt.Errorf("the kernel's route: %w", err)
			}
			route.Out = link.Name
		case unix.RTA_GATEWAY:
			route.Gateway, _ = addrOf(a.Value)
		case unix.RTA_VIA:
			route.Gateway, _ = addrOf(a.Value[2:])
		case unix.RTA_PREFSRC:
			route.PrefSrc, _ = addrOf(a.Value)
		case unix.RTA_TABLE:
			route.Table = nl.NativeEndian().Uint32(a.Value)
		}
	}
	return route, nil
}
