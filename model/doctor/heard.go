package doctor

import (
	"fmt"
	"net/netip"
	"time"
)

// Probe is what came of asking a server for a connection from the gateway.
type Probe struct {
	// At is when it was asked; zero: just now.
	At        time.Time
	Connected bool
	// Refused is set if the server's machine answered that nobody listens.
	Refused bool
	// Unreachable is set if somebody said by ICMP, or the network by silence, that there is no way to the service.
	Unreachable bool
	// Why is the error's text, if there was one.
	Why string
}

// Try is what came of a packet that a client sent for a forward.
type Try struct {
	At   time.Time
	From string // the client, by its name
	// Answered is set if a service answered, Server where it was asked as it saw that. Refused is set if somebody refused
	// the connection, whoever that was.
	Answered, Refused bool
	Server            netip.AddrPort
	// Said is what was sent and what came back, in words.
	Said string
}

// heardLasts is for how long what was heard once is said of now: a server may be started and stopped at any time.
const heardLasts = 10 * time.Minute

// lasts tells that what was heard then is not too old.
func (x *Examination) lasts(at time.Time) bool {
	return at.IsZero() || time.Duration(x.now-at.UnixNano()) < heardLasts
}

// probe is what a server said when it was tested; false where it was not, that is too old, or a connection of a client has
// told otherwise since.
func (x *Examination) probe(server netip.AddrPort, seen *tally) (Probe, bool) {
	p, ok := x.Probes[server]
	return p, ok && x.lasts(p.At) && !seen.contradicts(p.At, p.Connected)
}

// try is what came of a client's packet for a forward; false where none was sent, or as of probe.
func (x *Examination) try(f *Forward, seen *tally) (Try, bool) {
	t, ok := x.Tries[f.Name()]
	return t, ok && !f.drawn && !f.further && x.lasts(t.At) && !seen.contradicts(t.At, t.Answered)
}

// answeredBy tells that it was the server of that forward who answered.
func (t *Try) answeredBy(f *Forward) bool { return t.Answered && t.Server == f.Server }

// contradicts tells that a connection has certainly shown since then that a server answers, or that it does not.
func (t *tally) contradicts(at time.Time, answers bool) bool {
	if at.IsZero() {
		return false
	}
	if !answers {
		return t.lastAnswered > at.UnixNano()+roughly
	}
	for _, asked := range t.waiting {
		if !t.rough && asked > at.UnixNano() {
			return true
		}
	}
	return false
}

// tested says when a server was tested, as a part of a sentence; empty where that is now.
func (p *Probe) tested() string {
	if p.At.IsZero() {
		return ""
	}
	return " (tested at " + p.At.Format(time.TimeOnly) + ")"
}

// answered says that the server accepted the test, and when.
func (p *Probe) answered(server netip.AddrPort) string {
	if p.At.IsZero() {
		return server.String() + " answers this host."
	}
	return server.String() + " answered this host at " + p.At.Format(time.TimeOnly) + "."
}

// heard is what a test of the server, or a client's packet, has told of whether it serves: the later of both. It is zero
// where there was none.
func heard(x *Examination, f *Forward, seen *tally) Finding {
	p, tested := x.probe(f.Server, seen)
	tested = tested && !f.drawn
	t, tried := x.try(f, seen)
	if tried && !(tested && p.At.After(t.At)) {
		if found := x.triedOf(f, &t); found.Check != "" || found.Sentence != "" {
			return found
		}
	}
	if !tested {
		return Finding{}
	}
	found := Finding{Severity: SeverityError, Evidence: []string{fmt.Sprintf("asked from here, %s says: %s", f.Server, p.Why)}}
	n, _, known := x.neighbour(f.Server.Addr())
	switch {
	case p.Connected:
		return Finding{Sentence: p.answered(f.Server), Evidence: []string{"a connection from here was accepted"}}
	case p.Refused:
		found.Check = "server-refuses"
		found.Sentence = fmt.Sprintf("%s refuses connections%s: nothing listens there, or its machine's own firewall rejects them.", f.Server, p.tested())
	case p.Unreachable && known && n.MAC != "":
		found.Check = "server-refuses"
		found.Sentence = fmt.Sprintf("Connections to %s are refused by ICMP%s: a firewall there, or on the way, rejects them, or the way ends.", f.Server, p.tested())
	default:
		found.Check = "server-silent"
		found.Sentence = fmt.Sprintf("%s does not answer even this host%s: it is off, or its own firewall drops what comes.", f.Server, p.tested())
		if afar := x.ownAfar(f); afar.IsValid() {
			found.Sentence = fmt.Sprintf("%s does not answer this host%s, which it sees as %s, an address of another network: perhaps it has no way back to it. Else it is off, or its own firewall drops what comes.", f.Server, p.tested(), afar)
		}
	}
	return found
}

// triedOf is what a client's packet has told of the server; zero where it tells nothing. A refusal is the server's only where
// the rules certainly let the packet through to it.
func (x *Examination) triedOf(f *Forward, t *Try) Finding {
	at := t.At.Format(time.TimeOnly)
	switch way := x.fate(f.packet); {
	case t.answeredBy(f):
		return Finding{Sentence: fmt.Sprintf("%s answered %s at %s.", f.Server, t.From, at), Evidence: []string{t.Said}}
	case t.Refused && way.known && way.Certain && way.passes() && len(way.Outcomes) == 1 && way.by(f.Rule):
		return Finding{
			Check: "server-refuses", Severity: SeverityError, Evidence: []string{t.Said},
			Sentence: fmt.Sprintf("%s was refused at %s, and the rules let its packet through to %s: nothing listens there, or its machine's own firewall rejects it.", t.From, at, f.Server),
		}
	case t.Refused:
		return unknown(fmt.Sprintf("Whether %s answers is not known: %s was refused at %s, and by whom is not certain.", f.Server, t.From, at), t.Said)
	}
	return Finding{}
}

// heardBefore says what a test has told that is too old to be said of now, or that a connection has told otherwise since; empty
// where there is none.
func (x *Examination) heardBefore(f *Forward) string {
	p, ok := x.Probes[f.Server]
	if t, tried := x.Tries[f.Name()]; tried && (!ok || t.At.After(p.At)) && !x.lasts(t.At) && (t.Refused || t.Answered) {
		return fmt.Sprintf("%s at %s, %s ago: %s", t.From, t.At.Format(time.TimeOnly), x.since(t.At), t.Said)
	}
	if !ok || x.lasts(p.At) {
		return ""
	}
	said := "it did not answer a test"
	switch {
	case p.Connected:
		said = "it answered a test"
	case p.Refused:
		said = "it refused a test"
	}
	return fmt.Sprintf("%s at %s, %s ago", said, p.At.Format(time.TimeOnly), x.since(p.At))
}

func (x *Examination) since(at time.Time) time.Duration {
	return time.Duration(x.now - at.UnixNano()).Truncate(time.Minute)
}
