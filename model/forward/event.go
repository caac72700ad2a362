package forward

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
)

// Kind is what happened.
type Kind int

// The kinds of event.
const (
	Opened     Kind = iota // the target has answered
	Failed                 // the target has not, and the client was reset
	HalfClosed             // one side has said all it had to say
	Closed                 // both have, or one was lost (Err)
	Data                   // bytes passed
	Refused                // no connection could be taken (Err); it goes on trying
)

// Direction is where bytes go.
type Direction int

// The directions.
const (
	Request Direction = iota // from the client to the target
	Reply                    // back
)

func (d Direction) String() string {
	if d == Reply {
		return "to the client"
	}
	return "to the target"
}

// sign stands before dumped data.
func (d Direction) sign() string {
	if d == Reply {
		return "<"
	}
	return ">"
}

// Event is something that happened to a connection.
type Event struct {
	Kind   Kind
	At     time.Time
	Number uint64 // of the connection, counted from 1
	// From is the client, To the target as it was given, As whom the target sees.
	From netip.AddrPort
	To   string
	As   netip.AddrPort
	// Direction is that of the data, or the one that ended.
	Direction Direction
	// Data has passed; it is valid during the call only.
	Data []byte
	// Sent and Received are the bytes that went to the target and back.
	Sent, Received int64
	// Took is how long the target took to answer, or how long the connection lasted.
	Took time.Duration
	Err  error
}

// dumpWidth is how many bytes of data without a line end make a line.
const dumpWidth = 1024

// Lines are the event in words, one line each, without line ends. What clients and
// targets sent is escaped: nothing in it can command a terminal.
func (e *Event) Lines() []string {
	head := e.At.Format("15:04:05.000")
	if e.Number > 0 {
		head += " #" + strconv.FormatUint(e.Number, 10)
	}
	switch e.Kind {
	case Opened:
		return []string{fmt.Sprintf("%s open   %s => %s as %s, answered in %s", head, e.From, e.To, e.As, short(e.Took))}
	case Failed:
		return []string{fmt.Sprintf("%s failed %s => %s: %v", head, e.From, e.To, e.Err)}
	case HalfClosed:
		return []string{fmt.Sprintf("%s end    of what goes %s", head, e.Direction)}
	case Closed:
		line := fmt.Sprintf("%s closed %s after %s: %d bytes sent, %d received", head, e.From, short(e.Took), e.Sent, e.Received)
		if e.Err != nil {
			line += ": " + e.Err.Error()
		}
		return []string{line}
	case Data:
		return e.dump(head)
	}
	return []string{fmt.Sprintf("%s %v", head, e.Err)}
}

// dump is the data, a line for each of its lines.
func (e *Event) dump(head string) []string {
	var lines []string
	for rest := e.Data; len(rest) > 0; {
		n := bytes.IndexByte(rest, '\n') + 1
		if n == 0 {
			n = len(rest)
		}
		if n > dumpWidth {
			n = dumpWidth
			for n > dumpWidth-utf8.UTFMax && !utf8.RuneStart(rest[n]) {
				n--
			}
		}
		lines = append(lines, head+" "+e.Direction.sign()+" "+strconv.QuoteToGraphic(string(rest[:n])))
		rest = rest[n:]
	}
	return lines
}

// short is a duration in three digits or so.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
