package flow

import (
	"slices"
	"strings"

	"nattui/rules"
)

// State is the state of a connection in the numbering of its own protocol
// (enum tcp_conntrack, sctp_conntrack, ct_dccp_states); 0 for the protocols
// that have none.
type State uint8

// TCP states (include/uapi/linux/netfilter/nf_conntrack_tcp.h).
const (
	TCPNone State = iota
	TCPSynSent
	TCPSynRecv
	TCPEstablished
	TCPFinWait
	TCPCloseWait
	TCPLastAck
	TCPTimeWait
	TCPClose
	TCPSynSent2
)

// The names are those that conntrack prints (libnetfilter_conntrack).
var (
	tcpStates  = []string{"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2"}
	sctpStates = []string{
		"NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT",
		"HEARTBEAT_SENT", "HEARTBEAT_ACKED",
	}
	dccpStates = []string{"NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE", "INVALID"}
)

// States are the names of a protocol's states, nil if it has none.
func States(p rules.Protocol) []string {
	switch p {
	case rules.TCP:
		return tcpStates
	case rules.SCTP:
		return sctpStates
	case rules.DCCP:
		return dccpStates
	}
	return nil
}

// StateName is the state's name as conntrack prints it, empty for a protocol
// without states and "?" for a number that a later kernel may have added.
func StateName(p rules.Protocol, s State) string {
	names := States(p)
	switch {
	case names == nil:
		return ""
	case int(s) < len(names):
		return names[s]
	}
	return "?"
}

// stateNames are all names, each once, for the filter language.
var stateNames = func() []string {
	seen := map[string]bool{"NONE": true, "IGNORE": true, "INVALID": true}
	var names []string
	for _, list := range [][]string{tcpStates, sctpStates, dccpStates} {
		for _, name := range list {
			if !seen[name] {
				seen[name] = true
				names = append(names, strings.ToLower(name))
			}
		}
	}
	return names
}()

// Status are the bits of a flow (enum ip_conntrack_status in
// include/uapi/linux/netfilter/nf_conntrack_common.h).
type Status uint32

// The bits that matter to whoever looks at a flow. SRC_NAT_DONE and
// DST_NAT_DONE say that NAT has looked at the flow, not that it was translated,
// so they have no name here.
const (
	StatusExpected     Status = 1 << 0
	StatusSeenReply    Status = 1 << 1
	StatusAssured      Status = 1 << 2
	StatusConfirmed    Status = 1 << 3
	StatusSrcNAT       Status = 1 << 4
	StatusDstNAT       Status = 1 << 5
	StatusSeqAdjusted  Status = 1 << 6
	StatusDying        Status = 1 << 9
	StatusFixedTimeout Status = 1 << 10
	StatusTemplate     Status = 1 << 11
	StatusHelperGiven  Status = 1 << 13
	StatusOffloaded    Status = 1 << 14
	StatusHWOffloaded  Status = 1 << 15
)

// StateNames are the names of all states, in lower case.
func StateNames() []string { return slices.Clone(stateNames) }
