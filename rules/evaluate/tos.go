package evaluate

import (
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// dscpBits are those of a type of service that routes ask for: not the two about congestion (INET_DSCP_MASK).
const dscpBits = 0xfc

// tosChange is what a target writes into the type of service, or traffic class: (tos &^ mask) ^ value.
type tosChange struct{ mask, value uint8 }

// tosChangeOf reads what TOS, DSCP and ECN write (tos_tg and dscp_tg in net/netfilter/xt_DSCP.c, ipt_ECN.c); ok is
// false where that is not known.
func tosChangeOf(t *rules.Target) (c tosChange, ok bool) {
	if t.Name == "ECN" {
		i := slices.Index(t.Options, "--ecn-ip-ect")
		if i < 0 {
			return tosChange{}, true // it writes into TCP's header alone
		}
		n, err := tosNumber(t.Options, i+1)
		return tosChange{0x03, n}, err == nil
	}
	if len(t.Options) != 2 {
		return tosChange{}, false
	}
	option, word := t.Options[0], t.Options[1]
	word, mask, masked := strings.Cut(word, "/")
	n, err := tosNumber([]string{word}, 0)
	if err != nil {
		return tosChange{}, false
	}
	switch option {
	case "--set-dscp":
		return tosChange{dscpBits, n << 2}, n <= 63
	case "--set-tos":
		c = tosChange{0xff, n}
		if masked {
			c.mask, err = tosNumber([]string{mask}, 0)
		}
		return c, err == nil
	case "--and-tos":
		return tosChange{^n, 0}, !masked
	case "--or-tos":
		return tosChange{n, n}, !masked
	case "--xor-tos":
		return tosChange{0, n}, !masked
	}
	return tosChange{}, false
}

func tosNumber(words []string, at int) (uint8, error) {
	if at >= len(words) {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseUint(words[at], 0, 8)
	return uint8(n), err
}

// setTOS changes a packet's type of service as the targets TOS, DSCP and ECN do. Of bits that are not known, tos says
// how they differ from those that the packet came with.
func (st *state) setTOS(t *rules.Target) {
	c, ok := tosChangeOf(t)
	if !ok {
		st.blurTOS()
		return
	}
	st.tos = st.tos&^c.mask ^ c.value
	st.tosOpen &^= c.mask
}

func (st *state) blurTOS() {
	st.has |= blurredTOS
	st.tosOpen = 0xff
}

// changedTOS tells whether the type of service is another than when the packet came to this stage.
func (st *state) changedTOS() Truth {
	switch opened := st.tosOpen ^ st.stageTOSOpen; {
	case (st.tos^st.stageTOS)&^opened != 0:
		return Yes
	case opened != 0 || st.has&^st.stageHas&blurredTOS != 0:
		return Unknown
	}
	return No
}

// oneTOS tells that routes treat alike all types of service that the packet may have.
func (m *machine) oneTOS(st *state) bool {
	return len(m.e.host.TOSes) == 0 || st.tosOpen&dscpBits == 0
}

// routeTOSes are the types of service that a packet may have, as far as routes tell them apart: the likeliest first.
func (m *machine) routeTOSes(st *state) []uint8 {
	if m.oneTOS(st) {
		return []uint8{st.tos}
	}
	asked := m.e.host.TOSes
	may := func(tos uint8) bool { return (tos^st.tos)&dscpBits&^st.tosOpen == 0 }
	var list []uint8
	for tos := 0; tos <= dscpBits; tos += 4 {
		if may(uint8(tos)) && !slices.Contains(asked, uint8(tos)) {
			list = append(list, uint8(tos))
			break // routes treat all of these alike
		}
	}
	for _, tos := range asked {
		if may(tos) && !slices.Contains(list, tos) {
			list = append(list, tos)
		}
	}
	return list
}

// rewriteTOS changes the type of service where a native rule writes over it.
func (m *machine) rewriteTOS(st *state, offset uint32, from place) {
	const at = 1 // of IPv4
	if m.family == rules.IPv6 {
		if offset < 2 {
			st.blurTOS()
		}
		return
	}
	if i := uint32(at) - offset; at >= offset && i < uint32(from.len) {
		known := m.regs.known[uint32(from.at)+i]
		st.tos = m.regs.value[uint32(from.at)+i] & known
		st.tosOpen = ^known
		if known != 0xff {
			st.has |= blurredTOS
		}
	}
}
