package natlog

import (
	"strconv"
	"strings"
	"time"
)

// SyslogSender is who sends syslog messages.
type SyslogSender struct {
	Host string
	PID  int
}

// Messages of a daemon (facility 3), for information (severity 6) or as a warning (4): RFC 5424, 6.2.1.
const (
	informational = 3<<3 | 6
	warning       = 3<<3 | 4
)

// AppendSyslog appends the record as a message of RFC 5424, without a frame: begin, end, lost, start or stop is its MSGID, the
// record as JSON its text.
func (s SyslogSender) AppendSyslog(b []byte, r *Record) []byte {
	priority := informational
	if r.Kind == Lost {
		priority = warning
	}
	b = strconv.AppendInt(append(b, '<'), int64(priority), 10)
	b = time.Unix(0, r.At).UTC().AppendFormat(append(b, ">1 "...), "2006-01-02T15:04:05.000000Z07:00") // no finer than microseconds
	b = append(append(append(b, ' '), headerWord(s.Host)...), " nattui "...)
	b = strconv.AppendInt(b, int64(s.PID), 10)
	b = append(append(append(b, ' '), r.Kind.String()...), " - "...)
	return r.AppendJSON(b)
}

// headerWord is a word of a message's header: printable ASCII, and - for none.
func headerWord(word string) string {
	word = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, word)
	if word == "" {
		return "-"
	}
	return word[:min(len(word), 255)]
}

// AppendOctetCounted appends a message in the frame that streams need (RFC 6587, 3.4.1, and RFC 5425, 4.3).
func AppendOctetCounted(b, message []byte) []byte {
	b = append(strconv.AppendInt(b, int64(len(message)), 10), ' ')
	return append(b, message...)
}

// JournalFields are the record's fields for systemd's journal, whose names are upper case.
func (r *Record) JournalFields() map[string]string {
	fields := map[string]string{"NAT_EVENT": r.Kind.String()}
	if r.Kind == Lost || r.Kind == Start {
		fields["NAT_COUNT"] = strconv.FormatUint(r.Count, 10)
	}
	if r.Kind != Begin && r.Kind != End {
		return fields
	}
	f := &r.Flow
	fields["NAT_PROTOCOL"] = strings.TrimSpace(string(f.Proto().AppendName(nil)))
	fields["NAT_KIND"] = f.NAT().String()
	fields["NAT_CLIENT"], fields["NAT_ASKED"] = f.Client().String(), f.AskedFor().String()
	fields["NAT_SEEN_AS"], fields["NAT_SERVER"] = f.SeenAs().String(), f.ServedBy().String()
	if f.Counts() {
		fields["NAT_PACKETS"], fields["NAT_BYTES"] = strconv.FormatUint(f.Packets(), 10), strconv.FormatUint(f.Bytes(), 10)
	}
	if r.Out != "" {
		fields["NAT_OUT"] = r.Out
	}
	fields["NAT_JSON"] = string(r.AppendJSON(nil))
	return fields
}
