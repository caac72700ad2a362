package flow

import (
	"errors"
	"time"

	"nattui/rules"
)

// ErrGone is in the chain of an error about a flow that is no longer in the table.
var ErrGone = errors.New("the connection is no longer in the table")

// Details are what the kernel knows of one flow beyond what is kept of every one.
// They are asked for when somebody looks at the flow.
type Details struct {
	Flow Flow
	// Use is the kernel's reference count of the flow.
	Use uint32
	// Helper is the name of the helper that watches the flow for related ones (ftp, sip …). It is
	// text from the kernel: escape it before it goes to a terminal.
	Helper string
	// SecurityContext is the flow's label of the security module, also text from the kernel.
	SecurityContext string
	Labels          []byte
	// Master is the flow that this one is related to, if HasMaster.
	HasMaster bool
	Master    rules.Tuple
	// Expected are the flows that the helper expects because of this one.
	Expected []Expectation
	// TimeoutSetting is what the kernel set the flow's timeout from (see
	// Flow.TimeoutSetting), TimeoutWhole its value, in seconds; empty and 0 if unknown.
	TimeoutSetting string
	TimeoutWhole   uint32
	// TCP, SCTP and DCCP are what the protocol keeps, nil if it is another one.
	TCP  *TCPDetails
	SCTP *SCTPDetails
	DCCP *DCCPDetails
	// OrigAdjust and ReplyAdjust tell by how much NAT has shifted TCP sequence numbers.
	OrigAdjust, ReplyAdjust SequenceAdjust
	// SynProxy is set if the SYNPROXY target stands before the flow.
	SynProxy *SynProxy
}

// TCPDetails are the window scales and flags of both directions (IP_CT_TCP_FLAG_…).
type TCPDetails struct {
	OrigScale, ReplyScale uint8
	OrigFlags, ReplyFlags uint16
}

// SCTPDetails are the verification tags.
type SCTPDetails struct{ OrigTag, ReplyTag uint32 }

// DCCPDetails are the client's role and the sequence number of the handshake.
type DCCPDetails struct {
	Role      uint8
	Handshake uint64
}

// SequenceAdjust is a shift of TCP sequence numbers from a position on.
type SequenceAdjust struct{ Position, Before, After uint32 }

// SynProxy are the initial sequence number and timestamps that SYNPROXY gave.
type SynProxy struct{ ISN, ITS, TimestampOffset uint32 }

// Expectation is a flow that a helper expects, such as the data connection of an FTP session.
type Expectation struct {
	Master, Tuple, Mask rules.Tuple
	Timeout             uint32 // seconds
	ID                  uint32
	Zone                uint16
	Helper, Function    string // text from the kernel
}

// Idle is how long ago the flow's last packet passed, at the time now: the part of
// its timeout that is over. It is false where the whole timeout is not known, and
// where the flow has more left than that, so that something else has set it.
func (d *Details) Idle(now int64) (time.Duration, bool) {
	left := d.Flow.Remaining(now)
	if d.TimeoutWhole == 0 || left > d.TimeoutWhole || d.Flow.Remaining(d.Flow.Told) == 0 {
		return 0, false
	}
	return time.Duration(d.TimeoutWhole-left) * time.Second, true
}

// KeepRates gives a flow that was read just now the rates and the history that
// were known of it before.
func (f *Flow) KeepRates(known *Flow) {
	if known.HasRate() {
		f.SetRates(known.ByteRate, known.PacketRate)
	}
	f.First, f.Rule, f.RuleGen = known.First, known.Rule, known.RuleGen
}
