package model

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
	Master    Tuple
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
	Master, Tuple, Mask Tuple
	Timeout             uint32 // seconds
	ID                  uint32
	Zone                uint16
	Helper, Function    string // text from the kernel
}
