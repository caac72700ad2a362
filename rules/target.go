package rules

import (
	"net/netip"
	"strconv"
	"strings"
)

// Kind is what a rule's target does, as far as NAT is concerned.
type Kind uint8

// The kinds of target. Translating kinds come first.
const (
	NoTarget   Kind = iota // the rule only counts
	DNAT                   // another destination
	SNAT                   // another source
	Masquerade             // the source becomes the outgoing interface's address
	Redirect               // the destination becomes this host
	Netmap                 // one network mapped onto another, one to one
	Accept                 // the chain ends, packet goes on untranslated
	Drop
	Return // back to the calling chain, or the policy
	Jump   // to a chain of the table, coming back at its end
	Goto   // to a chain of the table, not coming back here
	SetMark
	SetConnMark
	Other // anything else: LOG, TRACE, CT, …
)

// Translates reports whether the kind is one of the five translations.
func (k Kind) Translates() bool { return DNAT <= k && k <= Netmap }

// Name is the word after -j for kinds that have one of their own.
func (k Kind) Name() string {
	return [...]string{
		DNAT: "DNAT", SNAT: "SNAT", Masquerade: "MASQUERADE", Redirect: "REDIRECT", Netmap: "NETMAP",
		Accept: "ACCEPT", Drop: "DROP", Return: "RETURN", SetMark: "MARK", SetConnMark: "CONNMARK", Other: "",
	}[k]
}

// Target is what happens to a packet that meets every match of a rule.
type Target struct {
	Kind Kind
	// Name is the word after -j or -g as printed; "" for NoTarget.
	Name string
	// To is set for the kinds that translate.
	To Translation
	// Mark is set for SetMark and SetConnMark.
	Mark MarkChange
	// Options are the words after the name of a target that is not understood.
	Options []string
}

// LeadsTo reports a jump (-j) or goto (-g) to the chain.
func (t Target) LeadsTo(chain string) bool {
	return (t.Kind == Jump || t.Kind == Goto) && t.Name == chain
}

// Translation says what a translating target puts in place of what was there.
// An empty part is left as it is.
type Translation struct {
	Addrs Addrs // DNAT, SNAT: the new address, one of the range
	Ports Ports // the new port; HasPorts tells 0 from none
	// HasPorts is set where a port or range was given.
	HasPorts bool
	// Base is where a shifted range of ports starts to count (--to-destination
	// :2000-2100/1000 sends 1000 to 2000, 1001 to 2001); HasBase where given.
	Base    uint16
	HasBase bool
	Net     Net // NETMAP
	// Random, RandomFully and Persistent are the flags of the same names.
	Random, RandomFully, Persistent bool
}

// MarkChange is what MARK and CONNMARK do to a mark.
type MarkChange struct {
	Save, Restore bool // CONNMARK: copy between packet and flow
	// Set is --set-xmark: bits of Mask are cleared, then Value is xored in.
	Set Bits
	// NFMask and CTMask choose the bits that Save and Restore copy.
	NFMask, CTMask uint32
}

// String prints the translation's address and ports as the target's option does.
func (t Translation) String() string {
	if !t.Net.Any() {
		return t.Net.String()
	}
	addr := t.Addrs.String()
	if !t.HasPorts {
		return addr
	}
	if !t.Addrs.IsZero() && t.Addrs.Lo.Is6() {
		addr = "[" + addr + "]"
	}
	ports := t.Ports.Text("-")
	if t.HasBase {
		ports += "/" + strconv.Itoa(int(t.Base))
	}
	return addr + ":" + ports
}

// words prints the target, beginning with -j or -g.
func (t Target) words(w []string) []string {
	switch t.Kind {
	case NoTarget:
		return w
	case Goto:
		return append(w, "-g", t.Name)
	}
	w = append(w, "-j", t.Name)
	switch t.Kind {
	case DNAT:
		w = append(w, "--to-destination", t.To.String())
	case SNAT:
		w = append(w, "--to-source", t.To.String())
	case Masquerade, Redirect:
		if t.To.HasPorts {
			w = append(w, "--to-ports", t.To.Ports.Text("-"))
		}
	case Netmap:
		w = append(w, "--to", t.To.Net.String())
	case SetMark:
		w = append(w, "--set-xmark", Hex(t.Mark.Set.Value)+"/"+Hex(t.Mark.Set.Mask))
	case SetConnMark:
		w = t.Mark.connWords(w)
	}
	if t.To.Random {
		w = append(w, "--random")
	}
	if t.To.RandomFully {
		w = append(w, "--random-fully")
	}
	if t.To.Persistent {
		w = append(w, "--persistent")
	}
	return append(w, t.Options...)
}

func (m MarkChange) connWords(w []string) []string {
	switch {
	case m.Save:
		return append(w, "--save-mark", "--nfmask", Hex(m.NFMask), "--ctmask", Hex(m.CTMask))
	case m.Restore:
		return append(w, "--restore-mark", "--nfmask", Hex(m.NFMask), "--ctmask", Hex(m.CTMask))
	}
	return append(w, "--set-xmark", Hex(m.Set.Value)+"/"+Hex(m.Set.Mask))
}

// extensions are targets that can stand without an option and would otherwise
// look like the name of a chain.
var extensions = map[string]bool{
	"LOG": true, "ULOG": true, "NFLOG": true, "TRACE": true, "CT": true, "NOTRACK": true, "QUEUE": true, "NFQUEUE": true, "AUDIT": true,
	"CHECKSUM": true, "CLASSIFY": true, "CLUSTERIP": true, "CONNSECMARK": true, "DNPT": true, "DSCP": true, "ECN": true, "HL": true, "HMARK": true,
	"IDLETIMER": true, "LED": true, "MIRROR": true, "RATEEST": true, "REJECT": true, "SAME": true, "SECMARK": true, "SET": true, "SNPT": true,
	"SYNPROXY": true, "TCPMSS": true, "TCPOPTSTRIP": true, "TEE": true, "TOS": true, "TPROXY": true, "TTL": true, "CONTINUE": true,
	"FULLCONENAT": true, "BALANCE": true, "FLOWOFFLOAD": true, "NETFLOW": true, "DNETMAP": true,
}

// ParseTarget reads what follows -j.
func ParseTarget(name string, words []string) Target {
	t := Target{Name: name}
	switch name {
	case "ACCEPT":
		t.Kind = Accept
	case "DROP":
		t.Kind = Drop
	case "RETURN":
		t.Kind = Return
	case "DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP":
		t.Kind = natKinds[name]
		if to, ok := parseTranslation(t.Kind, words); ok {
			t.To = to
			return t
		}
		t.Kind = Other
	case "MARK", "CONNMARK":
		t.Kind = SetMark
		if name == "CONNMARK" {
			t.Kind = SetConnMark
		}
		if mark, ok := parseMarkChange(t.Kind, words); ok {
			t.Mark = mark
			return t
		}
		t.Kind = Other
	default:
		t.Kind = Jump
		if extensions[name] || len(words) > 0 {
			t.Kind = Other
		}
	}
	if len(words) > 0 {
		t.Kind = Other
		t.Options = words
	}
	return t
}

// IsExtension tells that a target is an extension which can stand without an option, and
// no chain of that name.
func IsExtension(target string) bool { return extensions[target] }

// NATKind is the kind of a target that translates; false for any other.
func NATKind(target string) (Kind, bool) {
	kind, ok := natKinds[target]
	return kind, ok
}

var natKinds = map[string]Kind{"DNAT": DNAT, "SNAT": SNAT, "MASQUERADE": Masquerade, "REDIRECT": Redirect, "NETMAP": Netmap}

func parseTranslation(kind Kind, words []string) (Translation, bool) {
	var t Translation
	given := false
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "--random":
			t.Random = true
			continue
		case "--random-fully":
			t.RandomFully = true
			continue
		case "--persistent":
			t.Persistent = true
			continue
		}
		if i+1 == len(words) || given {
			return t, false
		}
		given = true
		ok := false
		value := words[i+1]
		switch {
		case kind == DNAT && words[i] == "--to-destination", kind == SNAT && words[i] == "--to-source":
			ok = t.Parse(value)
		case (kind == Masquerade || kind == Redirect) && words[i] == "--to-ports":
			t.Ports, ok = ParsePorts(value, "-")
			t.HasPorts = ok
		case kind == Netmap && words[i] == "--to":
			t.Net, ok = ParseNet(value)
		}
		if !ok {
			return t, false
		}
		i++
	}
	return t, given || kind == Masquerade || kind == Redirect
}

// Parse reads ADDRESS[-ADDRESS][:PORT[-PORT[/BASE]]], with brackets around
// IPv6 addresses that have a port.
func (t *Translation) Parse(s string) bool {
	addr, ports := s, ""
	switch {
	case strings.HasPrefix(s, "["):
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return false
		}
		addr, ports = s[1:end], s[end+1:]
		if ports != "" && ports[0] != ':' {
			return false
		}
		ports = strings.TrimPrefix(ports, ":")
	case strings.HasPrefix(s, "::"):
	case strings.Count(s, ":") == 1 || strings.HasPrefix(s, ":"):
		addr, ports, _ = strings.Cut(s, ":")
	}
	if addr != "" {
		var ok bool
		if t.Addrs, ok = ParseAddrs(addr); !ok {
			return false
		}
	}
	if ports == "" {
		return addr != ""
	}
	ports, base, shifted := strings.Cut(ports, "/")
	if shifted {
		n, err := strconv.ParseUint(base, 10, 16)
		if err != nil {
			return false
		}
		t.Base, t.HasBase = uint16(n), true
	}
	var ok bool
	t.Ports, ok = ParsePorts(ports, "-")
	t.HasPorts = ok
	return ok
}

func parseMarkChange(kind Kind, words []string) (m MarkChange, ok bool) {
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "--save-mark":
			m.Save = true
			continue
		case "--restore-mark":
			m.Restore = true
			continue
		}
		if i+1 == len(words) {
			return m, false
		}
		b, valid := ParseBits(words[i+1], 0xffffffff)
		if !valid {
			return m, false
		}
		switch words[i] {
		case "--set-xmark":
			m.Set, ok = b, true
		case "--nfmask":
			m.NFMask, ok = b.Value, kind == SetConnMark
		case "--ctmask":
			m.CTMask, ok = b.Value, kind == SetConnMark
		default:
			return m, false
		}
		i++
	}
	return m, ok
}

// Unspecified reports whether the translation names neither address nor port.
func (t Translation) Unspecified() bool {
	return t.Addrs.IsZero() && !t.HasPorts && t.Net.Any()
}

// AddrPort returns the one address and port a translation names; the port is 0
// where none is given.
func (t Translation) AddrPort() (netip.AddrPort, bool) {
	if !t.Addrs.Single() || t.Addrs.IsZero() || t.HasPorts && !t.Ports.Single() {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(t.Addrs.Lo, t.Ports.Lo), true
}
