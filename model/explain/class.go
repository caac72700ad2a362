package explain

import (
	"math/bits"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// classMemory remembers the explanations of classes of flows. Nearly all flows of a
// gateway fall into a few dozen of them: its hosts ask for the same services, and
// are masked as the same address.
//
// Why flows of one class have one explanation: the outcomes of their first packets
// are the same one by one, but for the ends that pass through unchanged, and so are
// the rules named in them (evaluate.Classes). Comparing asks beyond that
//
//   - which ends are translated, as the kernel's status says: it is a part of the key;
//   - whether the server's source is the client's: what has stayed the same is told
//     in the class from what has not;
//   - whether an end of an outcome holds the flow's end after translation. If the
//     outcome's passed through, that is whether the flow's stayed the same. If it is a
//     value, or a range of ports, that rules or this host give, it begins and ends at
//     cuts of its axis, and the interval in which the flow's end lies, which is in
//     the class too, is inside or outside of it.
//
// A flow whose family or protocol differs between its directions is in no class, nor one that a
// helper expected or that is in a zone.
//
// The memory has room for a fixed number of classes, those met lately: one that was
// driven out is evaluated again.
type classMemory struct {
	classes *evaluate.Classes // nil: nothing is remembered
	slots   []classSlot
}

// flowClass is all of a flow that its explanation hangs on.
type flowClass struct {
	class evaluate.Class
	nat   flow.NAT
}

type classSlot struct {
	flowClass
	number uint32 // of the explanation; 0: the slot is free
}

const (
	// eachByItself stands for a class whose flows may have different explanations.
	eachByItself = ^uint32(0)

	classSlots  = 1 << 13 // of 40 bytes
	classProbes = 4       // slots that a class may be in
)

// begin forgets everything, and remembers by other classes.
func (m *classMemory) begin(classes *evaluate.Classes) {
	m.classes = classes
	switch {
	case classes == nil:
		m.slots = nil
	case m.slots == nil:
		m.slots = make([]classSlot, classSlots)
	default:
		clear(m.slots)
	}
}

// classOf is what a flow's explanation hangs on; false: on more than can be
// remembered.
func (m *classMemory) classOf(f *flow.Flow) (c flowClass, ok bool) {
	if m.classes == nil || f.Status&flow.StatusExpected != 0 || f.Zone != 0 {
		return c, false
	}
	o, r := &f.Orig, &f.Reply
	last := rules.Tuple{Family: r.Family, Proto: r.Proto, Src: r.Dst, Dst: r.Src, SrcPort: r.DstPort, DstPort: r.SrcPort}
	if o.Proto.IsICMP() {
		last.SrcPort = r.SrcPort // the identifier
	}
	c.class, ok = m.classes.Of(o, &last)
	c.nat = f.NAT()
	return c, ok
}

// place is where a class is looked for first.
func (c *flowClass) place() uint64 {
	const a, b = 0x9e3779b97f4a7c15, 0xd1b54a32d192ed03
	high, low := bits.Mul64(c.class[0]^a, c.class[1]^b)
	high, low = bits.Mul64(high^low^c.class[2], a+uint64(c.nat)*2)
	return high ^ low
}

// recall is the number that was noted for a class, 0 if none was.
func (m *classMemory) recall(c *flowClass) uint32 {
	at := c.place()
	for i := range uint64(classProbes) {
		slot := &m.slots[(at+i)%classSlots]
		if slot.number == 0 {
			return 0
		}
		if slot.flowClass == *c {
			return slot.number
		}
	}
	return 0
}

// note remembers the number of a class that is not known; where there is no room the
// first one in the way is forgotten.
func (m *classMemory) note(c *flowClass, number uint32) {
	at := c.place()
	into := at % classSlots
	for i := range uint64(classProbes) {
		if next := (at + i) % classSlots; m.slots[next].number == 0 {
			into = next
			break
		}
	}
	m.slots[into] = classSlot{*c, number}
}
