package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nattui/model/flow"
	"nattui/rules"
)

// SoughtFlow is a flow as somebody describes it: a protocol and ends, of which
// any may be left open.
type SoughtFlow struct {
	proto rules.Protocol // 0: any
	ends  []soughtEnd
}

// soughtEnd is one end of a flow; what is not given is zero.
type soughtEnd struct {
	addr netip.Addr
	port uint16
}

func (e soughtEnd) fits(a netip.AddrPort) bool {
	return (!e.addr.IsValid() || e.addr == a.Addr()) && (e.port == 0 || e.port == a.Port())
}

// ParseSoughtFlow reads the description of a flow: a protocol and both ends in
// the order of either direction, as in "tcp 203.0.113.10:55474 203.0.113.1:80",
// with or without an arrow between. A port, an end or the protocol may be left
// out or be *. A line of conntrack -L is read as well.
func ParseSoughtFlow(text string) (SoughtFlow, error) {
	var q SoughtFlow
	words := strings.Fields(strings.NewReplacer("->", " ", "=>", " ", "→", " ", "⇒", " ", "▸", " ", ",", " ", " to ", " ", " from ", " ").Replace(" " + text + " "))
	if slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "src=") }) {
		return parseListed(words)
	}
	for _, w := range words {
		if p, ok := rules.ParseProtocol(w); ok && q.proto == 0 && len(q.ends) == 0 && !isNumber(w) {
			q.proto = p
			continue
		}
		end, err := parseEnd(w)
		if err != nil {
			return q, err
		}
		q.ends = append(q.ends, end)
	}
	if len(q.ends) == 0 || len(q.ends) > 2 {
		return q, fmt.Errorf("a connection is PROTO SRC:PORT DST:PORT, such as tcp 203.0.113.10:55474 203.0.113.1:80; %q has %s", text, rules.Plural(len(q.ends), "end"))
	}
	return q, nil
}

func isNumber(w string) bool { _, err := strconv.Atoi(w); return err == nil }

// parseEnd reads ADDRESS, ADDRESS:PORT, :PORT or *.
func parseEnd(w string) (soughtEnd, error) {
	if w == "*" || w == "any" || w == "*:*" {
		return soughtEnd{}, nil
	}
	if a, err := netip.ParseAddrPort(w); err == nil {
		return soughtEnd{a.Addr().Unmap(), a.Port()}, nil
	}
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.Trim(strings.TrimSuffix(w, ":*"), "[]"), ":*")); err == nil {
		return soughtEnd{addr: a.Unmap()}, nil
	}
	if port, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimPrefix(w, "*"), ":"), 10, 16); err == nil && strings.Contains(w, ":") && port > 0 {
		return soughtEnd{port: uint16(port)}, nil
	}
	return soughtEnd{}, fmt.Errorf("%q is not an end of a connection: use 203.0.113.1:80, [2001:db8::1]:80, an address alone, :80 for a port alone, or *", w)
}

// parseListed reads a line of conntrack -L: its first src, dst, sport and dport.
func parseListed(words []string) (q SoughtFlow, err error) {
	q.ends = make([]soughtEnd, 2)
	seen := map[string]bool{}
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			if p, known := rules.ParseProtocol(w); known && q.proto == 0 && !isNumber(w) {
				q.proto = p
			}
			continue
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		switch name {
		case "src":
			q.ends[0].addr, err = netip.ParseAddr(value)
		case "dst":
			q.ends[1].addr, err = netip.ParseAddr(value)
		case "sport", "dport":
			var port uint64
			port, err = strconv.ParseUint(value, 10, 16)
			q.ends[map[string]int{"sport": 0, "dport": 1}[name]].port = uint16(port)
		}
		if err != nil {
			return q, fmt.Errorf("%s: %w", w, err)
		}
	}
	return q, nil
}

// Find finds the flows that are described, no more than limit of them; total is
// how many there are. Where some are described by what the client asked for, those
// described by another of their ends are left out.
func (q *SoughtFlow) Find(flows *flow.Flows, limit int) (found []flow.Flow, total int) {
	best := 0
	flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
		if q.proto != 0 && q.proto != f.Proto() || f.Status&flow.StatusTemplate != 0 {
			return true
		}
		rank := q.rank(f)
		if rank > best {
			best, found, total = rank, nil, 0
		}
		if rank == best && rank > 0 {
			if total++; len(found) < limit {
				found = append(found, *f)
			}
		}
		return true
	})
	return found, total
}

// rank is how well a flow is described: by its first packet, by the answer, or by
// one of these turned round; 0 not at all.
func (q *SoughtFlow) rank(f *flow.Flow) int {
	pairs := [...][2]netip.AddrPort{
		{f.Client(), f.AskedFor()},
		{f.ServedBy(), f.SeenAs()},
		{f.SeenAs(), f.ServedBy()},
		{f.AskedFor(), f.Client()},
		{f.Client(), f.ServedBy()},
		{f.ServedBy(), f.Client()},
	}
	for i, p := range pairs {
		if len(q.ends) == 2 && q.ends[0].fits(p[0]) && q.ends[1].fits(p[1]) || len(q.ends) == 1 && (q.ends[0].fits(p[0]) || q.ends[0].fits(p[1])) {
			if len(q.ends) == 1 {
				return 1
			}
			return len(pairs) - i
		}
	}
	return 0
}

// Verdict says how sure an explanation is, in words.
func (e Explanation) Verdict() string {
	switch e.Confidence {
	case Exact:
		if e.Rule().IsZero() {
			return "No rule translates it, and none of today's rules would."
		}
		return "Today's rules translate it exactly so."
	case Inferred:
		if e.Older {
			return "Today's rules lead to these addresses, but " + MadeBefore + "."
		}
		return "Today's rules lead to these addresses; the kernel chose a port, the helper of another connection made it, or something that a rule asks for is not recorded: the interface it came by, a program's mark."
	case Ambiguous:
		return "Several rules could have made it."
	case Unknown:
		return "Not known: " + e.Doubt() + "."
	case Stale:
		return "It is stale: today's rules would translate it differently. It keeps what it began with until it ends or is forgotten."
	}
	return "It was not checked."
}
