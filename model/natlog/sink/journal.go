package sink

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"nattui/model/natlog"
)

// JournalSocket is where systemd-journald listens.
const JournalSocket = "/run/systemd/journal/socket"

// journal is systemd's journal, by its native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL): a datagram of fields for
// each record. The socket is connected, so that a journal that is busy is waited for; go-systemd's is not.
type journal struct {
	connection
	datagram []byte
}

// Journal sends to systemd's journal. It connects with the first record.
func Journal(trouble Trouble) Sink {
	j := &journal{}
	j.network, j.address, j.trouble = "unixgram", JournalSocket, trouble
	return j
}

// Send sends an entry for each record, with NAT_… fields beside its MESSAGE.
func (j *journal) Send(ctx context.Context, records []natlog.Record) error {
	for i := range records {
		j.datagram = appendEntry(j.datagram[:0], &records[i])
		err := j.until(ctx, func() error {
			if err := j.connect(ctx); err != nil {
				return err
			}
			return j.write(ctx, j.datagram)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func appendEntry(b []byte, r *natlog.Record) []byte {
	const informational, warning = "6", "4" // sd-daemon(3)
	priority := informational
	if r.Kind == natlog.Lost {
		priority = warning
	}
	b = appendField(b, "MESSAGE", r.Sentence())
	b = appendField(b, "PRIORITY", priority)
	b = appendField(b, "SYSLOG_IDENTIFIER", "nattui")
	fields := r.JournalFields()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		b = appendField(b, name, fields[name])
	}
	return b
}

// appendField appends a field; a value of several lines has its length before it.
func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	if strings.ContainsRune(value, '\n') {
		b = binary.LittleEndian.AppendUint64(append(b, '\n'), uint64(len(value)))
		return append(append(b, value...), '\n')
	}
	return append(append(append(b, '='), value...), '\n')
}
