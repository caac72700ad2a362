package doctor_test

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nattui/model/doctor"
	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// queueds are gateways with a rule that hands what is forwarded to a program.
var queueds = []struct {
	name   string
	spoil  func(w *ward)
	native string // a table whose rule does that; a kernel without nft_queue refuses it
	listen bool   // a program listens, and never says what is to become of packets
	said
}{
	{
		name: "nobody listens", spoil: func(w *ward) { w.iptables("iptables", "-A", "FORWARD", "-j", "NFQUEUE", "--queue-num", "3") },
		said: said{check: "queue-unheard", severity: doctor.SeverityError, says: "listens to queue 3"},
	},
	{
		name: "nobody listens to any of several", spoil: func(w *ward) { w.iptables("iptables", "-A", "FORWARD", "-j", "NFQUEUE", "--queue-balance", "4:7") },
		said: said{check: "queue-unheard", severity: doctor.SeverityError, says: "queues 4-7"},
	},
	{
		name: "nobody listens, and packets go on", spoil: func(w *ward) {
			w.iptables("iptables", "-A", "FORWARD", "-j", "NFQUEUE", "--queue-num", "3", "--queue-bypass")
			w.iptables("iptables", "-A", "FORWARD", "-j", "DROP") // past which they go
		},
		said: said{check: "queue-unheard", severity: doctor.SeverityNote, says: "without having been looked at", answered: true},
	},
	{
		name:   "a native rule, and nobody listens",
		native: "table inet ips {\n chain thru {\n type filter hook forward priority 5; tcp dport 8080 queue num 5\n }\n}\n",
		said:   said{check: "queue-unheard", severity: doctor.SeverityError, says: "queue 5"},
	},
	{
		name:   "a native rule, nobody listens, and packets go on",
		native: "table inet ips {\n chain thru {\n type filter hook forward priority 5; tcp dport 8080 queue flags bypass num 5; tcp dport 8080 drop\n }\n}\n",
		said:   said{check: "queue-unheard", severity: doctor.SeverityNote, says: "queue 5", answered: true},
	},
	{
		name: "somebody listens, and what he says is not known", listen: true, spoil: func(w *ward) { w.iptables("iptables", "-A", "FORWARD", "-j", "NFQUEUE", "--queue-num", "3") },
		said: said{never: "queue-unheard", check: "let-through", severity: doctor.SeverityUnknown, says: "queue 3"},
	},
}

// TestQueues holds what the doctor and the evaluator say of rules that hand packets to programs against real packets. Where the
// kernel refuses such a native rule, nothing has changed, and nothing is said of it.
func TestQueues(t *testing.T) {
	for _, q := range queueds {
		t.Run(q.name, func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			w.base()
			w.settle()
			switch {
			case q.native == "":
				q.spoil(w)
			case !w.queues(q.native):
				q.said = said{never: "queue-unheard", answered: true}
			}
			if q.listen {
				w.listens(3)
			}
			q.said.name, q.from, q.to = q.name, client, web
			w.meets(q.said)
			w.says(q.said)
			way := w.evaluates(evaluate.Packet{Protocol: rules.TCP, Src: netip.MustParseAddr("203.0.113.10"), SrcPort: 40000, Dst: netip.MustParseAddr("203.0.113.1"), DstPort: 80, In: "wan0"})
			switch end := way.Outcomes[0].Delivered; {
			case q.listen && way.Certain:
				t.Errorf("what a program decides is certain: %+v", way.Outcomes)
			case !q.listen && (!way.Certain || q.answered != (end == evaluate.Forwarded)):
				t.Errorf("certain %v, %s; answered %v", way.Certain, end, q.answered)
			}
		})
	}
}

// queues loads a table whose rule hands packets to a program; false where the kernel is built without what native tables do that
// by (nft_queue), and does not know the expression (ENOENT).
func (w *ward) queues(table string) bool {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "rules.nft")
	if err := os.WriteFile(path, []byte(table), 0o600); err != nil {
		w.t.Fatal(err)
	}
	_, err := w.Gateway.Output(w.t.Context(), "nft", "-f", path)
	if err != nil && !strings.Contains(err.Error(), "Could not process rule: No such file or directory") {
		w.t.Fatal(err)
	}
	return err == nil
}

// evaluates follows a packet as what-if does.
func (w *ward) evaluates(p evaluate.Packet) evaluate.Path {
	w.t.Helper()
	g := w.look()
	var programs []*evaluate.Program
	for _, s := range g.Sets {
		programs = append(programs, evaluate.Compile(s))
	}
	path, err := evaluate.NewEvaluator(g.Facts.Host(nil), programs...).Evaluate(p)
	if err != nil {
		w.t.Fatal(err)
	}
	return path
}

// listens has a program listen to a queue of the gateway, and say nothing about the packets (nfnetlink_queue.h).
func (w *ward) listens(queue uint16) {
	w.t.Helper()
	const (
		config           = unix.NFNL_SUBSYS_QUEUE<<8 | 2 // NFQNL_MSG_CONFIG
		command, params  = 1, 2                          // NFQA_CFG_CMD, NFQA_CFG_PARAMS
		bind, copyPacket = 1, 2                          // NFQNL_CFG_CMD_BIND, NFQNL_COPY_PACKET
	)
	message := func(attribute uint16, value []byte) []byte {
		body := binary.BigEndian.AppendUint16([]byte{unix.AF_UNSPEC, 0}, queue)
		body = binary.NativeEndian.AppendUint16(body, uint16(4+len(value)))
		body = append(binary.NativeEndian.AppendUint16(body, attribute), value...)
		body = append(body, make([]byte, (4-len(body)%4)%4)...)
		head := binary.NativeEndian.AppendUint32(nil, uint32(16+len(body)))
		head = binary.NativeEndian.AppendUint16(head, config)
		head = binary.NativeEndian.AppendUint16(head, unix.NLM_F_REQUEST)
		return append(append(head, make([]byte, 8)...), body...)
	}
	err := w.Gateway.Do(func() error {
		socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		w.t.Cleanup(func() { unix.Close(socket) })
		for _, m := range [][]byte{message(command, []byte{bind, 0, 0, 0}), message(params, []byte{0, 0, 0xff, 0xff, copyPacket})} {
			if err := unix.Sendto(socket, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
