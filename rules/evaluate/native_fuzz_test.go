package evaluate

import (
	"encoding/json"
	"testing"

	"nattui/rules/nft"
)

// FuzzRecordedNative holds that no recorded tables, however damaged, end the evaluation.
func FuzzRecordedNative(f *testing.F) {
	text, err := json.Marshal(kubeNative(2))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, uint32(1), uint32(4), uint32(2))
	f.Fuzz(func(t *testing.T, text []byte, reg, size, op uint32) {
		set := new(nft.Ruleset)
		if json.Unmarshal(text, set) != nil {
			return
		}
		data := make([]byte, size%80)
		chain := &nft.Chain{Name: "odd", Hook: "prerouting", Type: "filter", Policy: nft.Verdict{Code: nft.Accept}, Rules: []*nft.Rule{
			{Exprs: nft.Exprs{nft.Payload{Base: nft.NetworkHeader, Offset: op % 70, Len: size % 80, Into: nft.Register(reg % 30)}, nft.Cmp{Op: "eq", Reg: nft.Register(reg % 30), Data: data}}},
			{Exprs: nft.Exprs{nft.Bitwise{From: nft.Register(reg % 30), Into: nft.Register(op % 30), Len: size % 80, Op: op % 4, Mask: data, Xor: data}, nft.Range{Op: "eq", Reg: nft.Register(reg % 30), From: data, To: data}}},
			{Exprs: nft.Exprs{nft.ByteOrder{From: nft.Register(reg % 30), Into: nft.Register(op % 30), Len: size % 80, Size: op % 9}, nft.NAT{Family: nft.IPv4, AddrMin: nft.Register(reg % 30), AddrMax: nft.Register(op % 30)}}},
		}}
		table := &nft.Table{Family: nft.IPv4, Name: "odd", Chains: []*nft.Chain{chain}}
		chain.Table = table
		set.Tables = append(set.Tables, table)
		host := gateway()
		host.Native = CompileNative(set)
		e := NewEvaluator(host)
		p := parsePacket(t, "tcp 192.168.0.7:1000 10.96.0.1:80 in=lan0")
		e.Outcomes(nil, &p)
		e.Classes()
		if _, err := e.Evaluate(p); err != nil {
			t.Fatal(err)
		}
	})
}
