package sink

import (
	"context"
	"errors"
	"syscall"
	"time"

	"nattui/model/natlog"
)

// collector is a collector of IPFIX.
type collector struct {
	connection
	encoder  natlog.IPFIX
	every    time.Duration // templates are sent again over UDP
	told     time.Time     // when they were sent last; zero: not on this connection
	messages []natlog.Message
	sequence uint32 // how many data records were sent in this stream
	last     int    // over UDP: how many events the last message told, which an answer that nobody is there is about
}

// Messages fit into a packet of Ethernet with room for tunnels over UDP (RFC 7011, 10.3.3: at most 512 bytes where the
// path is not known, else its MTU), and may be larger on a stream.
const (
	datagramMost = 1400
	streamMost   = 16 << 10
)

// IPFIX sends NAT events to a collector: udp://HOST:4739 or tcp://HOST:4739. Over UDP the templates are sent again after
// every so long. domain is the observation domain.
func IPFIX(where string, domain uint32, every time.Duration, trouble Trouble) (Sink, error) {
	network, address, _, err := endpoint(where, "4739", "udp", "tcp")
	if err != nil {
		return nil, err
	}
	c := &collector{encoder: natlog.IPFIX{Domain: domain, Most: datagramMost}, every: every}
	if network == "tcp" {
		c.encoder.Most = streamMost
	}
	c.network, c.address, c.trouble = network, address, trouble
	return c, nil
}

// Send sends messages that tell the records.
func (c *collector) Send(ctx context.Context, records []natlog.Record) error {
	now := time.Now()
	c.messages = c.encoder.AppendRecords(c.messages[:0], records, now.UnixNano())
	for i := range c.messages {
		message := &c.messages[i]
		err := c.until(ctx, func() error {
			err := c.introduce(ctx)
			if err == nil {
				err = c.put(ctx, message)
			}
			if errors.Is(err, syscall.ECONNREFUSED) && !c.stream() {
				c.told = time.Time{} // whoever comes next does not know the templates
			}
			if err != nil && c.stream() && c.conn == nil {
				c.refused += c.unacknowledged()
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if gap, ok := c.gap(); ok {
		return c.Send(ctx, []natlog.Record{gap})
	}
	return nil
}

// Begin connects once and sends the templates, so that a collector that is not there is told at once.
func (c *collector) Begin(ctx context.Context) {
	c.connection.Begin(ctx)
	if c.conn == nil {
		return
	}
	err := c.introduce(ctx)
	if err == nil && !c.stream() && c.unheard() {
		err, c.told = syscall.ECONNREFUSED, time.Time{}
	}
	if err != nil && ctx.Err() == nil {
		c.failing = true
		c.trouble(err)
	}
}

// put sends a message, and keeps in mind what of it is still to arrive.
func (c *collector) put(ctx context.Context, message *natlog.Message) error {
	message.Stamp(c.sequence)
	refused := c.refused
	if err := c.write(ctx, message.Bytes); err != nil {
		if c.refused > refused { // the message before this one: as many as it told
			c.refused, c.last = refused+c.last, 0
		}
		return err
	}
	c.sequence += message.Records
	c.last = int(message.Events)
	c.sent(message.Events)
	return nil
}

// introduce connects, and sends the templates where the collector does not know them or has to be told again.
func (c *collector) introduce(ctx context.Context) error {
	if c.conn == nil {
		c.told = time.Time{}
	}
	if c.conn == nil {
		if err := c.connect(ctx); err != nil {
			return err
		}
		if c.stream() {
			c.sequence = 0 // a connection is a stream of its own
		}
	}
	if !c.told.IsZero() && (c.stream() || time.Since(c.told) < c.every) {
		return nil
	}
	templates := c.encoder.AppendTemplates(nil, time.Now().UnixNano())
	for i := range templates {
		if err := c.put(ctx, &templates[i]); err != nil {
			return err
		}
	}
	c.told = time.Now()
	return nil
}
