package natlog

import (
	"encoding/json"
	"strconv"
	"time"

	"nattui/model/flow"
)

// Kind is what a record tells.
type Kind uint8

// The kinds. Start and Stop enclose what one run of the log knows of: Start tells how many translations there were before, of
// which the log has no Begin.
const (
	Begin Kind = iota + 1
	End
	Lost
	Start
	Stop
)

var kindNames = [...]string{"", "begin", "end", "lost", "start", "stop"}

// String is begin, end, lost, start or stop, as in the log.
func (k Kind) String() string { return kindNames[k] }

// Source is how a beginning or an end became known.
type Source uint8

// The sources: an event of the kernel, or a look at its whole table after events were lost. What a look tells has happened
// at some time since the look before.
const (
	Told Source = iota
	Found
)

// Place is where events were lost.
type Place uint8

// The places: between the kernel and nattui, as the kernel counts (netlink's drops), in nattui's own buffer because whoever
// takes the records was too slow, and on the way to a collector that does not answer.
const (
	InKernel Place = iota
	InBuffer
	OnTheWay
)

var placeNames = [...]string{"kernel", "buffer", "collector"}

// String is kernel, buffer or collector, as in the log.
func (p Place) String() string { return placeNames[p] }

// Record is one line of the log.
type Record struct {
	Kind Kind
	// At is when it happened, as nattui heard of it.
	At   int64
	From Source
	// Flow is the connection, of Begin and End.
	Flow flow.Flow
	// Rule is the member "rule" of the connection's JSON object; nil where no rule made it or it is not known.
	Rule []byte
	// Out is the interface by which the server is reached, "" where that is not certain.
	Out string
	// Ended is when the kernel says that it ended; 0: it keeps no timestamps.
	Ended int64
	// Count is how many events were lost, of Lost, or how many translations there are already, of Start.
	Count uint64
	Where Place
}

// AppendJSON appends the record as one JSON object without a line end. Begin and End are the connection as `nattui flows
// --json` prints it, with event, at, out, end, and found where no event told of it.
func (r *Record) AppendJSON(b []byte) []byte {
	switch r.Kind {
	case Begin, End:
		return r.Flow.AppendJSON(b, r.At, string(r.members(nil)))
	}
	b = append(append(b, '{'), r.event(nil)...)
	switch r.Kind {
	case Lost:
		b = strconv.AppendUint(append(b, `,"count":`...), r.Count, 10)
		b = append(append(append(b, `,"where":"`...), r.Where.String()...), '"')
	case Start:
		b = strconv.AppendUint(append(b, `,"open":`...), r.Count, 10)
	}
	return append(b, '}')
}

func (r *Record) event(b []byte) []byte {
	b = append(append(append(b, `"event":"`...), r.Kind.String()...), `","at":`...)
	return appendTime(b, r.At)
}

func appendTime(b []byte, at int64) []byte {
	return append(time.Unix(0, at).UTC().AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

// members are those that a connection has in the log alone.
func (r *Record) members(b []byte) []byte {
	if len(r.Rule) > 0 {
		b = append(append(b, r.Rule...), ',')
	}
	b = r.event(b)
	if r.Out != "" {
		out, _ := json.Marshal(r.Out)
		b = append(append(b, `,"out":`...), out...)
	}
	if r.Kind == End && r.Ended != 0 {
		b = appendTime(append(b, `,"end":`...), r.Ended)
	}
	if r.From == Found {
		b = append(b, `,"found":true`...)
	}
	return b
}

// Sentence is the record in words.
func (r *Record) Sentence() string {
	switch r.Kind {
	case Begin:
		return "translation began: " + r.Flow.Line()
	case End:
		return "translation ended: " + r.Flow.Line()
	case Lost:
		return strconv.FormatUint(r.Count, 10) + " events lost here (" + r.Where.String() + ")"
	case Start:
		return "log of translations started; " + strconv.FormatUint(r.Count, 10) + " were there already"
	}
	return "log of translations stopped"
}
