package sink

import (
	"context"
	"os"

	"nattui/model/natlog"
)

// syslogServer sends messages of RFC 5424: a datagram each, or with their length before them on a stream.
type syslogServer struct {
	connection
	sender  natlog.SyslogSender
	message []byte
	framed  []byte
}

// Syslog sends to a server: udp://HOST:514 (RFC 5426), tcp://HOST:601 (RFC 6587), tls://HOST:6514 (RFC 5425) or
// unix:///dev/log. authorities is a file of certificates that the server's is to be signed by; "" is the system's.
// It connects with the first record.
func Syslog(where, authorities string, trouble Trouble) (Sink, error) {
	port := "514"
	if len(where) > 4 {
		switch where[:4] {
		case "tcp:":
			port = "601"
		case "tls:":
			port = "6514"
		}
	}
	s := &syslogServer{}
	network, address, secure, err := endpoint(where, port, "udp", "tcp", "tls", "unix")
	if err != nil {
		return nil, err
	}
	s.network, s.address, s.trouble = network, address, trouble
	if secure {
		if s.tls, err = trusting(address, authorities); err != nil {
			return nil, err
		}
	}
	s.sender.PID = os.Getpid()
	s.sender.Host, _ = os.Hostname()
	return s, nil
}

// Send sends a message for each record.
func (s *syslogServer) Send(ctx context.Context, records []natlog.Record) error {
	for i := range records {
		if err := s.send(ctx, &records[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *syslogServer) send(ctx context.Context, r *natlog.Record) error {
	s.message = s.sender.AppendSyslog(s.message[:0], r)
	err := s.until(ctx, func() error {
		if err := s.connect(ctx); err != nil {
			return err
		}
		message := s.message
		if s.stream() {
			s.framed = natlog.AppendOctetCounted(s.framed[:0], s.message)
			message = s.framed
		}
		err := s.write(ctx, message)
		switch {
		case err == nil:
			s.sent(1)
		case s.stream() && s.conn == nil:
			s.refused += s.unacknowledged()
		}
		return err
	})
	if err != nil {
		return err
	}
	if gap, ok := s.gap(); ok {
		return s.send(ctx, &gap)
	}
	return nil
}
