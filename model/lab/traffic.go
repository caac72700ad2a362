package lab

import (
	"context"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Traffic ends by itself, lest a forgotten lab keeps a machine busy.
const (
	talkFor  = 8 * time.Hour
	floodFor = 10 * time.Minute
)

// talk is a question that one machine keeps asking.
type talk struct {
	from    machine
	network string // tcp, udp, icmp
	source  string // address and port that it comes from; empty: any
	to      string // address and port
	every   time.Duration
	stays   bool // one long connection instead
}

// startTraffic starts everything that the scenario's machines have to say.
func (n *Network) startTraffic(ctx context.Context, s Scenario) {
	for _, t := range s.talks {
		to := netip.MustParseAddrPort(t.to)
		if to.Addr().Is6() && !n.HasIPv6 {
			continue
		}
		go t.run(ctx, n.machine(t.from), to)
	}
	if s.flood != nil {
		go s.flood.run(ctx, n.machine(s.flood.from))
	}
}

// run asks until ctx is done. An unanswered question is not an error: the
// operator may just have deleted the rule that it depended on.
func (t talk) run(ctx context.Context, from *Node, to netip.AddrPort) {
	ctx, cancel := context.WithTimeout(ctx, talkFor)
	defer cancel()
	pause := t.every
	var source netip.AddrPort
	if t.source != "" {
		source = netip.MustParseAddrPort(t.source)
	}
	if t.stays {
		pause = time.Second // before it connects again
	}
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for ctx.Err() == nil {
		switch {
		case t.stays:
			_ = from.stream(ctx, to)
		case t.network == "icmp":
			_, _ = from.Ping(ctx, to.Addr())
		default:
			t.ask(ctx, from, source, to)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// ask asks once. A fixed source port is not kept for long: others may want to ask from it too.
func (t talk) ask(ctx context.Context, from *Node, source, to netip.AddrPort) {
	if source.IsValid() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.every/2)
		defer cancel()
	}
	_, _ = from.AskFrom(ctx, t.network, source, to)
}

// flood is many short UDP flows: one question each, from ever new ports.
type flood struct {
	from      machine
	to        netip.AddrPort
	perSecond int
}

// run opens the flows in bursts, a hundred a second, from one thread that stays
// in the node's namespace.
func (f flood) run(ctx context.Context, from *Node) {
	ctx, cancel := context.WithTimeout(ctx, floodFor)
	defer cancel()
	const bursts = 100
	_ = from.Do(func() error {
		ticker := time.NewTicker(time.Second / bursts)
		defer ticker.Stop()
		var waiting openSockets
		defer waiting.closeAll()
		source := flowSource{address: from.IPv4}
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
			}
			for range f.perSecond / bursts {
				f.one(&source, &waiting)
			}
		}
	})
}

// one opens one flow. A port that is taken or a table that is full costs this
// flow, and nothing else.
func (f flood) one(source *flowSource, waiting *openSockets) {
	socket, err := openUDP(source.next())
	if err != nil {
		return
	}
	waiting.add(socket)
	_ = unix.Sendto(socket, []byte("who are you?\n"), 0, sockaddr(f.to))
}

// flowSource counts through the ports of an address that a client might use.
type flowSource struct {
	address netip.Addr
	port    uint16
}

func (s *flowSource) next() netip.AddrPort {
	const lowest = 1024
	s.port = max(s.port+1, lowest) // from 65535 to 0, and on from lowest
	return netip.AddrPortFrom(s.address, s.port)
}

// openSockets keeps the latest sockets open for a while, so that answers find
// somebody at home instead of drawing ICMP errors.
type openSockets struct {
	sockets [256]int
	count   int
}

func (o *openSockets) add(socket int) {
	place := &o.sockets[o.count%len(o.sockets)]
	if o.count >= len(o.sockets) {
		unix.Close(*place)
	}
	*place = socket
	o.count++
}

func (o *openSockets) closeAll() {
	for _, socket := range o.sockets[:min(o.count, len(o.sockets))] {
		unix.Close(socket)
	}
}
