package trace

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"nattui/model/traced"
	"nattui/rules/nfnetlink"
)

// handles know where rules stand, which the kernel names by numbers.
type handles struct {
	trace      *Trace
	generation uint32
	tables     map[tableID]*tableRules
}

type tableID struct{ family, name string }

// tableRules are the rules of a table by their handles.
type tableRules struct {
	positions map[uint64]int
	texts     map[uint64]string // of native tables
}

// resolve completes the hops of a packet with the places of their rules.
func (h *handles) resolve(p *traced.Traced) {
	h.trace.mu.Lock()
	defer h.trace.mu.Unlock()
	generation, err := h.trace.generation()
	if err != nil {
		return // their handles are shown
	}
	if generation != h.generation || h.tables == nil {
		h.generation, h.tables = generation, map[tableID]*tableRules{}
	}
	p.Generation = generation
	for i := range p.Hops {
		hop := &p.Hops[i]
		if hop.Kind != traced.HopRule {
			continue
		}
		t := h.table(tableID{hop.Family, hop.Table})
		hop.Position, hop.Text = t.positions[hop.Handle], t.texts[hop.Handle]
	}
}

// table reads a table, once a generation.
func (h *handles) table(n tableID) *tableRules {
	if t := h.tables[n]; t != nil {
		return t
	}
	t := &tableRules{positions: map[uint64]int{}}
	h.tables[n] = t
	counts := map[string]int{}
	err := h.trace.dump(familyNumber(n.family), n.name, func(chain string, handle uint64) {
		counts[chain]++
		t.positions[handle] = counts[chain]
	})
	if err != nil {
		return t
	}
	if n.family != "ip" && n.family != "ip6" || !isIptables(n.name) {
		t.texts = textsByHandle(nftList(h.trace.stopping, n.family, n.name))
	}
	return t
}

func familyNumber(name string) byte {
	for number, n := range families {
		if n == name {
			return byte(number)
		}
	}
	return unix.NFPROTO_UNSPEC
}

// isIptables tells whether iptables has a table of the name.
func isIptables(table string) bool {
	switch table {
	case "nat", "filter", "raw", "mangle", "security":
		return true
	}
	return false
}

// textsByHandle are the rules of a listing (nft -a list table).
func textsByHandle(lines []string) map[uint64]string {
	texts := map[uint64]string{}
	for _, l := range lines {
		rule, number, ok := strings.Cut(l, " # handle ")
		if !ok || strings.HasSuffix(rule, "{") {
			continue
		}
		if handle, err := strconv.ParseUint(strings.TrimSpace(number), 10, 64); err == nil {
			texts[handle] = strings.TrimSpace(rule)
		}
	}
	return texts
}

// nftCommand runs nft without a shell and in the language that is parsed.
func nftCommand(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "nft", args...)
	c.Env = append(os.Environ(), "LC_ALL=C")
	c.SysProcAttr = nfnetlink.Lend(&syscall.SysProcAttr{})
	return c
}
