package mission

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"nattui/rules"
)

// Request is something to send from a machine of the lab: a question to a TCP or UDP service, or an echo
// request by ICMP, which has no ports.
type Request struct {
	From  string // the machine's name
	Proto rules.Protocol
	// Source fixes the address, port or both that it comes from; the zero value leaves them to the machine.
	Source netip.AddrPort
	To     netip.AddrPort
}

// String is the request as it is typed, without the machine it comes from: tcp 203.0.113.1:80.
func (r Request) String() string {
	if r.Proto == rules.ICMP {
		return "ping " + r.To.Addr().String()
	}
	return r.Proto.String() + " " + r.To.String()
}

// Sentence is the request in words.
func (r Request) Sentence() string { return r.From + " sent " + r.String() }

// ParseRequest reads a protocol (tcp, udp or ping) and where to send to: an address, and a port
// but for ping. The error says what is wrong with which word.
func ParseRequest(from, text string) (Request, error) {
	r := Request{From: from, Proto: rules.TCP}
	words := strings.Fields(text)
	if len(words) > 0 {
		switch strings.ToLower(words[0]) {
		case "tcp":
			words = words[1:]
		case "udp":
			r.Proto, words = rules.UDP, words[1:]
		case "ping", "icmp":
			r.Proto, words = rules.ICMP, words[1:]
		}
	}
	switch {
	case strings.TrimSpace(text) == "":
		return r, fmt.Errorf("write tcp, udp or ping and where to, such as  tcp 203.0.113.1:80")
	case len(words) == 0:
		return r, fmt.Errorf("where to is missing, such as  %s", strings.TrimSpace(text)+" "+r.example())
	case len(words) > 1 && len(words) == len(strings.Fields(text)):
		return r, fmt.Errorf("%q is none of tcp, udp and ping", words[0])
	case len(words) > 1:
		return r, fmt.Errorf("%q is more than where to, such as  %s", strings.Join(words[1:], " "), r.example())
	}
	var why string
	if r.To, why = r.readTo(words[0]); why != "" {
		return r, fmt.Errorf("%s", why)
	}
	return r, nil
}

// example is where a request of its protocol may be sent to.
func (r Request) example() string {
	if r.Proto == rules.ICMP {
		return "203.0.113.1"
	}
	return "203.0.113.1:80"
}

// readTo reads where to send; why says what is wrong with which part of that.
func (r Request) readTo(word string) (to netip.AddrPort, why string) {
	a, err := netip.ParseAddr(strings.Trim(word, "[]"))
	switch {
	case err == nil && r.Proto == rules.ICMP:
		return netip.AddrPortFrom(a, 0), ""
	case err == nil:
		return to, fmt.Sprintf("the port is missing: %s", netip.AddrPortFrom(a, 80))
	}
	to, err = netip.ParseAddrPort(word)
	why = rules.WrongPort(word)
	switch {
	case (err == nil || why != "") && r.Proto == rules.ICMP:
		return to, fmt.Sprintf("ping takes an address without a port, not %q", word)
	case why != "" || err == nil:
		return to, why
	}
	host := word
	if i := strings.LastIndexByte(word, ':'); i > 0 && strings.Count(word, ":") == 1 {
		host = word[:i]
	}
	if r.Proto == rules.ICMP {
		return to, fmt.Sprintf("%q is not an address, such as 203.0.113.1 or 2001:db8::1", host)
	}
	return to, fmt.Sprintf("%q is not an address, as in 203.0.113.1:80 or [2001:db8::1]:80", host)
}

// Resolve puts an address of the family in place of a machine's name, as in tcp client:80. What names no machine stays.
func Resolve(text string, hosts []Host, family rules.Family) string {
	words := strings.Fields(text)
	if len(words) == 0 {
		return text
	}
	last := &words[len(words)-1]
	name, port, ported := strings.Cut(*last, ":")
	for i := range hosts {
		for _, a := range hosts[i].Addresses {
			switch {
			case hosts[i].Name != name || !family.Holds(a.Addr):
				continue
			case ported && a.Addr.Is6():
				*last = "[" + a.Addr.String() + "]:" + port
			case ported:
				*last = a.Addr.String() + ":" + port
			default:
				*last = a.Addr.String()
			}
			return strings.Join(words, " ")
		}
	}
	return text
}

// Outcome is what became of a request.
type Outcome uint8

// The outcomes. Silent means that nothing came back in time, Refused that somebody refused the connection or said
// that there is no such port, Unreachable that a router or the machine itself has no way there, and Failed that the
// request could not be sent.
const (
	Failed Outcome = iota
	Answered
	Refused
	Silent
	Unreachable
)

// Reply is what came back.
type Reply struct {
	Request
	Outcome Outcome
	// Server is the machine that answered, At where it was asked as it saw that, and Peer whom it saw. They are
	// unset where something else than a service of the lab answered, which Said then tells.
	Server   string
	At, Peer netip.AddrPort
	// Own is where the request came from as its machine saw that.
	Own  netip.AddrPort
	Said string
	Took time.Duration
	Why  string // in words, where there was no answer
}

// Sentence says what came back.
func (r Reply) Sentence() string {
	switch {
	case r.Outcome == Answered && r.Proto == rules.ICMP:
		return "the echo came back from " + r.At.Addr().String()
	case r.Outcome == Answered && r.Server == "":
		return "something answered: " + r.Said
	case r.Outcome == Answered:
		return fmt.Sprintf("%s answered at %s and saw %s", r.Server, r.At, r.Peer)
	case r.Outcome == Refused:
		return "refused: " + r.Why
	case r.Outcome == Silent:
		return "no answer: " + r.Why
	case r.Outcome == Unreachable:
		return "unreachable: " + r.Why
	}
	return "not sent: " + r.Why
}

// Translated says what was translated on the way, as far as the ends can tell; empty if nothing was.
func (r Reply) Translated() string {
	if r.Outcome != Answered || r.Server == "" {
		return ""
	}
	var parts []string
	if r.At != r.To {
		parts = append(parts, "destination "+r.To.String()+" became "+r.At.String())
	}
	switch {
	case !r.Own.IsValid() || r.Peer == r.Own:
	case r.Peer.Addr() == r.Own.Addr():
		parts = append(parts, "source port "+strconv.Itoa(int(r.Own.Port()))+" became "+strconv.Itoa(int(r.Peer.Port())))
	default:
		parts = append(parts, "source "+r.Own.String()+" became "+r.Peer.String())
	}
	return strings.Join(parts, "; ")
}
