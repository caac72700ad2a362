package flow

// MessageKind is what the kernel said about a flow, or what was found out.
type MessageKind uint8

// EventNew, EventUpdate and EventDestroy are events of the kernel. Listed is a line of a dump
// of the whole table, Refreshed the answer to a question about one flow, and Gone
// the answer that there is no such flow any more.
const (
	EventNew MessageKind = iota + 1
	EventUpdate
	EventDestroy
	Listed
	Refreshed
	Gone
)

var messageNames = [...]string{EventNew: "new", EventUpdate: "update", EventDestroy: "destroy", Listed: "listed", Refreshed: "refreshed", Gone: "gone"}

// String is the kind in lower case, as in the JSON output.
func (k MessageKind) String() string {
	if int(k) < len(messageNames) {
		return messageNames[k]
	}
	return ""
}

// IsEvent tells whether it is an event: something that happened now.
func (k MessageKind) IsEvent() bool { return k >= EventNew && k <= EventDestroy }

// Fields are those attributes of a flow that a message may leave out.
type Fields uint8

// A field that is absent is unchanged in an event, and unknown or 0 in a listing.
const (
	HasStatus Fields = 1 << iota
	HasState
	HasTimeout
	HasMark
	HasCounts
	HasStart
)

// Message is what the kernel told about a flow. Only tuples, zone and ID are always there.
type Message struct {
	Kind MessageKind
	Has  Fields
	// Unknown tells that the table had not heard of a flow that ended. Flows.Apply sets it.
	Unknown bool
	// Stop is when the flow ended, by the kernel's clock, if it keeps timestamps; else 0.
	Stop int64
	Flow Flow
}

// Batch is what the kernel said within one frame, in its order. Whoever made it
// uses it again for the next frame, so a receiver copies what it wants to keep.
type Batch struct {
	// At is when the batch was read; all its changes are taken to be of that time.
	At int64
	// Quiet is when no event waited to be read, last before the batch: its events are of later. 0 is not known.
	Quiet int64
	// Late tells that its events may have waited for longer than they do as a rule, so that what it tells of may have begun
	// before what is known to have been so then: see BeganAfter.
	Late bool
	// Since is how old a Listed, Refreshed or Gone change may be at most: an event of a
	// later time than that knows better.
	Since int64
	// Begin and End enclose a dump of the whole table, which may come in many
	// batches with events between them. Flows that it does not name and that no event
	// has named meanwhile are gone.
	Begin, End bool
	// Count is how many flows the dump will probably have; set together with Begin.
	Count    int
	Messages []Message
	// Silent is how many flows of the table are known by dumps alone: the kernel may
	// not tell of their end. Flows.Apply sets it at the end of a dump.
	Silent int
}

// lists tells whether the batch is a part of a dump.
func (b *Batch) lists() bool {
	return b.Begin || b.End || len(b.Messages) > 0 && b.Messages[0].Kind == Listed
}

// Reset empties the batch and keeps its room.
func (b *Batch) Reset(at int64) {
	*b = Batch{At: at, Messages: b.Messages[:0]}
}

// Next is room for another change, all zero.
func (b *Batch) Next() *Message {
	n := len(b.Messages)
	if n < cap(b.Messages) {
		b.Messages = b.Messages[:n+1]
		b.Messages[n] = Message{}
	} else {
		b.Messages = append(b.Messages, Message{})
	}
	return &b.Messages[n]
}

// Drop takes back the last change, which turned out not to be one.
func (b *Batch) Drop() { b.Messages = b.Messages[:len(b.Messages)-1] }
