package nftables

import (
	"golang.org/x/sys/unix"

	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
)

// decoder decodes the expressions of many rules. Most are the same in all of them (meta load l4proto => reg 1), so one that
// came before is not decoded and kept again.
type decoder struct {
	seen map[string]nft.Expr // by their bytes
	room []byte              // for what each rule has of its own
}

// most is how many different expressions are kept apart.
const most = 4096

// expressions decodes a list of them.
func (d *decoder) expressions(list nfnetlink.Attributes) []nft.Expr {
	n := 0
	for range list.Each {
		n++
	}
	all := make([]nft.Expr, 0, n)
	for _, e := range list.Each {
		all = append(all, d.expression(e))
	}
	return all
}

func (d *decoder) expression(e nfnetlink.Attributes) nft.Expr {
	switch name := e.Get(unix.NFTA_EXPR_NAME).Name(); string(name) {
	case "cmp":
		a := e.Get(unix.NFTA_EXPR_DATA)
		return nft.Cmp{
			Op: named(cmpOps, a.Get(unix.NFTA_CMP_OP).Word()), Reg: register(a.Get(unix.NFTA_CMP_SREG)),
			Data: d.keep(a.Get(unix.NFTA_CMP_DATA).Get(unix.NFTA_DATA_VALUE)),
		}
	case "immediate":
		a := e.Get(unix.NFTA_EXPR_DATA)
		data := a.Get(unix.NFTA_IMMEDIATE_DATA)
		return nft.Immediate{Into: register(a.Get(unix.NFTA_IMMEDIATE_DREG)), Data: d.keep(data.Get(unix.NFTA_DATA_VALUE)), Verdict: verdict(data)}
	case "counter", "lookup", "dynset", "quota", "objref":
		return expression(e)
	}
	if known, ok := d.seen[string(e)]; ok {
		return known
	}
	x := expression(e)
	if d.seen == nil {
		d.seen = map[string]nft.Expr{}
	}
	if len(d.seen) < most {
		d.seen[string(e)] = x
	}
	return x
}

// keep copies bytes out of the message.
func (d *decoder) keep(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	if len(d.room)+len(b) > cap(d.room) {
		d.room = make([]byte, 0, 16<<10)
	}
	at := len(d.room)
	d.room = append(d.room, b...)
	return d.room[at:len(d.room):len(d.room)]
}
