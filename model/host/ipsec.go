package host

import (
	"errors"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"nattui/model/facts"
)

// proxied reads for whom this host answers besides (ip neigh show proxy).
func (r *reading) proxied() {
	list, err := netlink.NeighProxyList(0, netlink.FAMILY_ALL)
	r.gap("proxied addresses", tolerable(err))
	for _, n := range list {
		if addr, ok := addrOf(n.IP); ok && n.Flags&netlink.NTF_PROXY != 0 {
			r.facts.Proxied = append(r.facts.Proxied, facts.Proxied{Link: r.linkName(n.LinkIndex), Addr: addr})
		}
	}
}

// policies reads what IPsec protects (ip xfrm policy). That takes CAP_NET_ADMIN; a kernel without IPsec has none.
func (r *reading) policies() {
	list, err := netlink.XfrmPolicyList(netlink.FAMILY_ALL)
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return // not known
	case err != nil && !errors.Is(err, netlink.ErrDumpInterrupted):
		r.facts.IPsec = []facts.IPsecPolicy{}
		return
	}
	r.facts.IPsec = []facts.IPsecPolicy{}
	for _, p := range list {
		dir := map[netlink.Dir]string{netlink.XFRM_DIR_IN: "in", netlink.XFRM_DIR_OUT: "out", netlink.XFRM_DIR_FWD: "fwd"}[p.Dir]
		src, ok1 := prefixOf(p.Src)
		dst, ok2 := prefixOf(p.Dst)
		if dir == "" || !ok1 || !ok2 {
			continue // a socket's own
		}
		r.facts.IPsec = append(r.facts.IPsec, facts.IPsecPolicy{
			Dir: dir, Src: src.Masked(), Dst: dst.Masked(), Priority: p.Priority, Block: p.Action == netlink.XFRM_POLICY_BLOCK, Protects: len(p.Tmpls) > 0,
			Narrow: p.Proto != 0 || p.SrcPort != 0 || p.DstPort != 0 || p.Ifindex != 0 || p.Ifid != 0 || p.Mark != nil && p.Mark.Mask != 0,
		})
	}
}
