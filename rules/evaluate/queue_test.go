package evaluate

import (
	"encoding/binary"
	"testing"

	"nattui/rules"
	"nattui/rules/nft"
)

// queueCases are what becomes of a packet that a rule of a chain which drops what goes on hands to a program: where no
// program listens it is dropped, or with bypass goes on past the chain (nf_queue).
var queueCases = []struct {
	options string
	native  nft.ToQueue
	queues  []Queue
	want    string
}{
	{"--queue-num 1", nft.ToQueue{Num: 1, Total: 1}, nil, "?"},
	{"--queue-num 1", nft.ToQueue{Num: 1, Total: 1}, []Queue{}, "dropped"},
	{"--queue-num 1 --queue-bypass", nft.ToQueue{Num: 1, Total: 1, Flags: 1}, []Queue{}, "forward"},
	{"--queue-num 1", nft.ToQueue{Num: 1, Total: 1}, []Queue{{2, true}}, "dropped"},
	{"--queue-num 1", nft.ToQueue{Num: 1, Total: 1}, []Queue{{1, true}}, "?"},
	{"--queue-num 1 --queue-bypass", nft.ToQueue{Num: 1, Total: 1, Flags: 1}, []Queue{{1, true}}, "?"},
	{"--queue-num 1 --queue-bypass", nft.ToQueue{Num: 1, Total: 1, Flags: 1}, []Queue{{1, false}}, "dropped"},
	{"--queue-balance 1:3", nft.ToQueue{Num: 1, Total: 3}, []Queue{{2, true}}, "?"},
	{"--queue-balance 1:3", nft.ToQueue{Num: 1, Total: 3}, []Queue{{4, true}}, "dropped"},
	{"--queue-balance 1:3 --queue-bypass", nft.ToQueue{Num: 1, Total: 3, Flags: 1}, []Queue{}, "forward"},
}

func TestQueuesThatNobodyListensTo(t *testing.T) {
	for _, tt := range queueCases {
		host := gateway()
		host.Queues = tt.queues
		said := setOf(t, rules.IPv4, rules.NFT, "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -j NFQUEUE "+tt.options+"\n-A FORWARD -j DROP\nCOMMIT")
		q := NativeQueueingOf(tt.native)
		info := binary.NativeEndian.AppendUint16(nil, q.First)
		info = binary.NativeEndian.AppendUint16(info, q.Last-q.First+1)
		info = binary.NativeEndian.AppendUint16(info, uint16(tt.native.Flags))
		compat, _ := compatInfo{name: "NFQUEUE", rev: 3, info: info}.queueing()
		if of, ok := QueueingOf(&said.Tables[0].Chains[0].Rules[0].Target); !ok || of != q || compat != q {
			t.Errorf("%s is %+v, %+v in a native table, %+v in nft's words", tt.options, of, compat, q)
		}
		if got := endOf(t, host, Compile(said)); got != tt.want {
			t.Errorf("%s with %v: got %s, want %s", tt.options, tt.queues, got, tt.want)
		}
		table := &nft.Table{Family: nft.IPv4, Name: "ips"}
		chain := &nft.Chain{Name: "thru", Table: table, Type: "filter", Hook: "forward", Policy: nft.Verdict{Code: nft.Accept}}
		chain.Rules = []*nft.Rule{{Handle: 1, Exprs: []nft.Expr{tt.native}}, {Handle: 2, Exprs: []nft.Expr{nft.Immediate{Verdict: &nft.Verdict{Code: nft.Drop}}}}}
		table.Chains = []*nft.Chain{chain}
		host.Native = CompileNative(&nft.Ruleset{Tables: []*nft.Table{table}})
		if got := endOf(t, host); got != tt.want {
			t.Errorf("native %+v with %v: got %s, want %s", tt.native, tt.queues, got, tt.want)
		}
	}
	if got := NativeQueueingOf(nft.ToQueue{Chosen: true}).Unheard([]Queue{{9, true}}); got != Unknown {
		t.Errorf("a queue that the packet chooses is unheard: %v", got)
	}
}

// endOf is what becomes of a packet that is forwarded, ? where that is not certain.
func endOf(t *testing.T, host Host, programs ...*Program) string {
	t.Helper()
	path, err := NewEvaluator(host, programs...).Evaluate(parsePacket(t, "udp 203.0.113.10:1000 192.168.0.2:80 in=wan0 ttl=64"))
	if err != nil {
		t.Fatal(err)
	}
	if !path.Certain {
		return "?"
	}
	return path.Outcomes[0].Delivered.String()
}
