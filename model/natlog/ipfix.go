package natlog

import (
	"encoding/binary"
	"time"

	"nattui/rules"
)

// element is an information element of IANA's registry (IPFIX Information Elements), with the length that it has here.
type element struct{ id, length uint16 }

// The elements: https://www.iana.org/assignments/ipfix.
var (
	observationTime   = element{323, 8} // milliseconds
	natEvent          = element{230, 1}
	protocolID        = element{4, 1}
	sourcePort        = element{7, 2}
	postSourcePort    = element{227, 2}
	destinationPort   = element{11, 2}
	postDestPort      = element{228, 2}
	flowStart         = element{152, 8}
	flowEnd           = element{153, 8}
	initiatorOctets   = element{231, 8}
	responderOctets   = element{232, 8}
	initiatorPackets  = element{298, 8}
	responderPackets  = element{299, 8}
	exportingProcess  = element{144, 4}
	notSentFlows      = element{166, 8}
	notSentFlowsScope = uint16(1) // how many of the fields are the scope
)

var (
	addresses4 = []element{{8, 4}, {225, 4}, {12, 4}, {226, 4}}      // source, post-NAT source, destination, post-NAT destination
	addresses6 = []element{{27, 16}, {281, 16}, {28, 16}, {282, 16}} // the same of IPv6
)

// The templates: a session of either family, without and with what was counted, and what could not be sent.
const (
	template4 = 256 + iota
	template6
	counted4
	counted6
	unsentTemplate
)

func sessionElements(addresses []element, counted bool) []element {
	list := append([]element{observationTime, natEvent, protocolID}, addresses...)
	list = append(list, sourcePort, postSourcePort, destinationPort, postDestPort)
	if counted {
		list = append(list, flowStart, flowEnd, initiatorOctets, responderOctets, initiatorPackets, responderPackets)
	}
	return list
}

var sessionTemplates = map[uint16][]element{
	template4: sessionElements(addresses4, false), template6: sessionElements(addresses6, false),
	counted4: sessionElements(addresses4, true), counted6: sessionElements(addresses6, true),
}

func lengthOf(list []element) (n int) {
	for _, e := range list {
		n += int(e.length)
	}
	return n
}

// Values of natEvent (RFC 8158, 5.1). There is none for a session from IPv6 to IPv6; "translation" is the next best.
const (
	translationCreate = 1
	translationDelete = 2
	nat44Create       = 4
	nat44Delete       = 5
)

// IPFIX makes messages of IPFIX (RFC 7011) with NAT events (RFC 8158) of records. A message has one set, of one template.
type IPFIX struct {
	// Domain is the observation domain; Most is how many bytes a message may have, so that it fits into a datagram.
	Domain uint32
	Most   int

	unsent uint64
}

// Message is a message of IPFIX. Its sequence number is told by whoever sends it, who knows what was sent before.
type Message struct {
	Bytes []byte
	// Records is how many data records it has, and Events how many of them tell events.
	Records, Events uint32
}

// Stamp writes the sequence number: how many data records were sent before it in this stream, which is a connection over
// TCP and everything over UDP (RFC 7011, 3.1).
func (m *Message) Stamp(sequence uint32) { binary.BigEndian.PutUint32(m.Bytes[8:], sequence) }

const (
	ipfixVersion      = 10
	ipfixHeader       = 16
	setHeader         = 4
	templateSet       = 2
	optionTemplateSet = 3
)

// begin begins a message with one set.
func (x *IPFIX) begin(b []byte, at int64, set uint16) []byte {
	b = binary.BigEndian.AppendUint16(b, ipfixVersion)
	b = binary.BigEndian.AppendUint16(b, 0) // the length is known at the end
	b = binary.BigEndian.AppendUint32(b, uint32(at/int64(time.Second)))
	b = binary.BigEndian.AppendUint32(b, 0) // the sequence number: see Message.Stamp
	b = binary.BigEndian.AppendUint32(b, x.Domain)
	b = binary.BigEndian.AppendUint16(b, set)
	return binary.BigEndian.AppendUint16(b, 0)
}

// end fills in the lengths of the message that begins at a place.
func end(b []byte, from int) []byte {
	binary.BigEndian.PutUint16(b[from+2:], uint16(len(b)-from))
	binary.BigEndian.PutUint16(b[from+ipfixHeader+2:], uint16(len(b)-from-ipfixHeader))
	return b
}

// AppendTemplates appends the messages that tell what the others look like. Over UDP they are to be sent again from time
// to time (RFC 7011, 8.4), over TCP once.
func (x *IPFIX) AppendTemplates(messages []Message, at int64) []Message {
	b := x.begin(nil, at, templateSet)
	for id := uint16(template4); id <= counted6; id++ {
		list := sessionTemplates[id]
		b = binary.BigEndian.AppendUint16(b, id)
		b = binary.BigEndian.AppendUint16(b, uint16(len(list)))
		b = appendElements(b, list)
	}
	messages = append(messages, Message{Bytes: end(b, 0)})
	b = x.begin(nil, at, optionTemplateSet)
	b = binary.BigEndian.AppendUint16(b, unsentTemplate)
	b = binary.BigEndian.AppendUint16(b, 3)
	b = binary.BigEndian.AppendUint16(b, notSentFlowsScope)
	b = appendElements(b, []element{exportingProcess, observationTime, notSentFlows})
	return append(messages, Message{Bytes: end(b, 0)})
}

func appendElements(b []byte, list []element) []byte {
	for _, e := range list {
		b = binary.BigEndian.AppendUint16(b, e.id)
		b = binary.BigEndian.AppendUint16(b, e.length)
	}
	return b
}

// AppendRecords appends messages that tell records, in their order: those that follow each other and have one template are
// in one message as far as they fit. Start and Stop have no message.
func (x *IPFIX) AppendRecords(messages []Message, records []Record, at int64) []Message {
	var b []byte
	current := uint16(0)
	added := uint32(0)
	flush := func() {
		if current != 0 {
			m := Message{Bytes: end(b, 0), Records: added}
			if current != unsentTemplate {
				m.Events = added
			}
			messages = append(messages, m)
		}
		b, current, added = nil, 0, 0
	}
	for i := range records {
		r := &records[i]
		template, length := templateOf(r)
		if template == 0 {
			continue
		}
		if template != current || len(b)+length > x.Most {
			flush()
			b, current = x.begin(nil, at, template), template
		}
		b = x.appendRecord(b, r, template)
		added++
	}
	flush()
	return messages
}

// templateOf is the template that tells a record, and how long it is then; 0 where none does.
func templateOf(r *Record) (template uint16, length int) {
	switch {
	case r.Kind == Lost:
		return unsentTemplate, int(exportingProcess.length + observationTime.length + notSentFlows.length)
	case r.Kind != Begin && r.Kind != End:
		return 0, 0
	}
	template = template4
	if r.Flow.Family() == rules.IPv6 {
		template = template6
	}
	if r.Kind == End && r.Flow.Counts() {
		template += counted4 - template4
	}
	return template, lengthOf(sessionTemplates[template])
}

func (x *IPFIX) appendRecord(b []byte, r *Record, template uint16) []byte {
	if template == unsentTemplate {
		x.unsent += r.Count
		b = binary.BigEndian.AppendUint32(b, x.Domain)
		b = binary.BigEndian.AppendUint64(b, milliseconds(r.At))
		return binary.BigEndian.AppendUint64(b, x.unsent)
	}
	f := &r.Flow
	at := r.At
	if r.Kind == Begin && f.Start != 0 {
		at = f.Start
	} else if r.Ended != 0 {
		at = r.Ended
	}
	b = binary.BigEndian.AppendUint64(b, milliseconds(at))
	b = append(b, eventOf(r), byte(f.Proto()))
	for _, a := range [...]*[16]byte{&f.Orig.Src, &f.Reply.Dst, &f.Orig.Dst, &f.Reply.Src} {
		if f.Family() == rules.IPv6 {
			b = append(b, a[:]...)
		} else {
			b = append(b, a[12:]...)
		}
	}
	ports := [4]uint16{}
	if f.Proto().HasPorts() {
		ports = [4]uint16{f.Orig.SrcPort, f.Reply.DstPort, f.Orig.DstPort, f.Reply.SrcPort}
	}
	for _, p := range ports {
		b = binary.BigEndian.AppendUint16(b, p)
	}
	if template != counted4 && template != counted6 {
		return b
	}
	began, _ := f.Since()
	for _, n := range [...]uint64{milliseconds(began), milliseconds(at), f.OrigBytes, f.ReplyBytes, f.OrigPackets, f.ReplyPackets} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

func milliseconds(at int64) uint64 { return uint64(at / int64(time.Millisecond)) }

func eventOf(r *Record) byte {
	switch six := r.Flow.Family() == rules.IPv6; {
	case r.Kind == Begin && six:
		return translationCreate
	case r.Kind == Begin:
		return nat44Create
	case six:
		return translationDelete
	}
	return nat44Delete
}
