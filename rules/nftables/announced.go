package nftables

import (
	"bytes"
	"slices"

	"golang.org/x/sys/unix"

	"nattui/rules"
	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
	"nattui/rules/textfile"
)

// transaction is one, by anybody, as the kernel has announced it.
type transaction struct {
	by     nfnetlink.NewGeneration
	events []nfnetlink.Message
}

// announced is what the kernel announces of the tables while a change of ours is made: it tells for certain whether that was
// committed, and what others did just before and after.
type announced struct {
	listener *nfnetlink.Listener
	open     []nfnetlink.Message
	seen     []transaction
	lost     bool // some were not heard
}

// listen begins. Where the kernel does not let us, everything is lost.
func listen() *announced {
	l, err := nfnetlink.Listen()
	return &announced{listener: l, lost: err != nil}
}

func (a *announced) close() {
	if a.listener != nil {
		a.listener.Close()
	}
}

// catchUp takes in what has been announced.
func (a *announced) catchUp() {
	if a.listener != nil {
		a.lost = a.listener.Drain(a.take) || a.lost
	}
}

func (a *announced) take(m nfnetlink.Message) {
	if m.Kind != unix.NFT_MSG_NEWGEN {
		m.Attrs = bytes.Clone(m.Attrs)
		a.open = append(a.open, m)
		return
	}
	a.seen = append(a.seen, transaction{m.NewGeneration(), a.open})
	a.open = nil
}

// whole tells whether all was heard that changed the tables after one generation up to another one.
func (a *announced) whole(from, to uint32) bool {
	if a.lost {
		return false
	}
	for id := from + 1; int32(to-id) >= 0; id++ {
		if !slices.ContainsFunc(a.seen, func(t transaction) bool { return t.by.ID == id }) {
			return false
		}
	}
	return true
}

// madeBy finds the transaction of a process; nil where it has made none.
func (a *announced) madeBy(pid int) *transaction {
	at := slices.IndexFunc(a.seen, func(t transaction) bool { return t.by.PID == pid })
	if at < 0 || !nfnetlink.SeesKernelPIDs() {
		return nil
	}
	return &a.seen[at]
}

// alike finds the transaction that made the changes where process ids do not tell: they mean nothing here, or the program is a
// script that starts the real one.
func (a *announced) alike(changes []rules.NativeChange, program string) *transaction {
	if direct(program) {
		return nil
	}
	for i := range slices.Backward(a.seen) {
		if t := &a.seen[i]; t.by.Program == "nft" && t.does(changes) {
			return t
		}
	}
	return nil
}

// direct tells whether process ids tell the transactions of a program.
func direct(program string) bool { return nfnetlink.SeesKernelPIDs() && !textfile.IsScript(program) }

// without tells whether all was heard that changed the tables after one generation up to another one, and none of it can be
// the program's, of which no transaction was found.
func (a *announced) without(program string, from, to uint32) bool {
	byNft := slices.ContainsFunc(a.seen, func(t transaction) bool { return t.by.Program == "nft" })
	return a.whole(from, to) && (direct(program) || !byNft)
}

// between are the transactions after a generation and before that of ours.
func (a *announced) between(generation uint32, ours *transaction) (all []transaction) {
	for _, t := range a.seen {
		if int32(t.by.ID-generation) > 0 && int32(t.by.ID-ours.by.ID) < 0 {
			all = append(all, t)
		}
	}
	return all
}

// deed is what a change of a rule or set does, as far as an announcement tells.
type deed struct {
	kind              byte // NFT_MSG_…
	family, table, in string
	handle            uint64 // of a rule that is deleted
}

// does tells whether a transaction has deleted the very rules that changes delete, added as many as they add in each chain, and
// touched the same sets. It tells one nft from another where process ids do not.
func (t *transaction) does(changes []rules.NativeChange) bool {
	have := map[deed]int{}
	for _, m := range t.events {
		// The name of the table is the first attribute of all, that of a rule's chain or an element's set the second.
		d := deed{kind: m.Kind, family: nft.Family(m.Family).String(), table: m.Attrs.Get(unix.NFTA_RULE_TABLE).Text()}
		switch m.Kind {
		case unix.NFT_MSG_NEWRULE, unix.NFT_MSG_NEWSETELEM, unix.NFT_MSG_DELSETELEM:
			d.in = m.Attrs.Get(unix.NFTA_RULE_CHAIN).Text()
		case unix.NFT_MSG_DELRULE:
			d.in, d.handle = m.Attrs.Get(unix.NFTA_RULE_CHAIN).Text(), m.Attrs.Get(unix.NFTA_RULE_HANDLE).Number()
		}
		have[d]++
	}
	want := map[deed]int{}
	for _, c := range changes {
		d := deed{family: c.Family, table: c.Table}
		switch {
		case c.What == rules.NativeRule && c.Gone:
			d.kind, d.in, d.handle = unix.NFT_MSG_DELRULE, c.Chain, c.Handle
		case c.What == rules.NativeRule:
			d.kind, d.in = unix.NFT_MSG_NEWRULE, c.Chain
		case c.What == rules.NativeElement && c.Gone:
			d.kind, d.in = unix.NFT_MSG_DELSETELEM, c.Set
		case c.What == rules.NativeElement:
			d.kind, d.in = unix.NFT_MSG_NEWSETELEM, c.Set
		case c.What == rules.NativeTableKind && c.Gone:
			d.kind = unix.NFT_MSG_DELTABLE
		case c.What == rules.NativeTableKind:
			d.kind = unix.NFT_MSG_NEWTABLE
		default:
			continue
		}
		want[d]++
	}
	for d, n := range want {
		if have[d] == 0 || d.kind == unix.NFT_MSG_NEWRULE && have[d] != n {
			return false
		}
	}
	return len(t.events) > 0
}
