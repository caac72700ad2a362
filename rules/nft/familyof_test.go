package nft

import (
	"slices"
	"testing"

	"nattui/rules"
)

// TestFamiliesOf: a rule of an inet table is told for the family that it does something for.
func TestFamiliesOf(t *testing.T) {
	c := &Chain{Table: &Table{Family: INet, Name: "gw"}, Name: "pre", Hook: "prerouting", Type: "nat"}
	family := func(op string, f Family) Exprs {
		return Exprs{Meta{Key: "nfproto", Reg: 1}, Cmp{Op: op, Reg: 1, Data: []byte{byte(f)}}}
	}
	address := Immediate{Into: 1, Data: []byte{10, 0, 0, 1}}
	four, six := []rules.Family{rules.IPv4}, []rules.Family{rules.IPv6}
	for name, test := range map[string]struct {
		exprs Exprs
		want  []rules.Family
	}{
		"dnat ip to":                {Exprs{address, NAT{Family: IPv4, AddrMin: 1}}, four},
		"snat ip6 to":               {Exprs{Immediate{Into: 1, Data: make([]byte, 16)}, NAT{Family: IPv6, Source: true, AddrMin: 1}}, six},
		"dnat to a port":            {Exprs{NAT{Family: INet, ProtoMin: 1}}, rules.Families[:]},
		"masquerade":                {Exprs{Masq{}}, rules.Families[:]},
		"masquerade of IPv6":        {append(family("eq", IPv6), Masq{}), six},
		"masquerade of all but it":  {append(family("neq", IPv6), Masq{}), four},
		"an address of before":      {Exprs{CT{Key: "src_ip", Dir: "original", Reg: 1}, Cmp{Op: "eq", Reg: 1, Data: []byte{10, 0, 0, 1}}}, four},
		"IPv6 to an IPv4 address":   {append(family("eq", IPv6), address, NAT{Family: IPv4, AddrMin: 1}), nil},
		"IPv4 to an IPv4 address":   {append(family("eq", IPv4), address, NAT{Family: IPv4, AddrMin: 1}), four},
		"what is neither, accepted": {Exprs{Immediate{Verdict: &Verdict{Code: Accept}}}, rules.Families[:]},
	} {
		r := &Rule{Exprs: test.exprs}
		said, got := r.ToIPTables(c, nil)
		if !slices.Equal(got, test.want) || (len(got) == 0) != slices.ContainsFunc(said.Lacks, func(l string) bool { return l == "IPv4 and IPv6 in one rule, which matches nothing" }) {
			t.Errorf("%s: %v, lacking %q, want %v", name, got, said.Lacks, test.want)
		}
	}
}

// TestTranslatedFamily: a rule of an inet table that translates to addresses of one family says so of its packets.
func TestTranslatedFamily(t *testing.T) {
	table := &Table{Family: INet, Name: "gw"}
	published := &Set{Table: table, Name: "published", KeyLen: 1}
	table.Sets = []*Set{published}
	c := &Chain{Table: table, Name: "pre", Hook: "prerouting", Type: "nat"}
	r := &Rule{Exprs: Exprs{Meta{Key: "l4proto", Reg: 1}, Lookup{Set: "published", Key: 1, Into: 1, Map: true}, NAT{Family: IPv4, AddrMin: 1}}}
	read := r.Read(c, nil)
	if said := read.Sentence("pre"); read.Family != IPv4 || said != "Everything of IPv4 goes to what the map published says for its protocol." {
		t.Errorf("%v: %s", read.Family, said)
	}
}

// TestAddressBeforeTranslation: where the table tells the family, an address of a connection is one, whether or not the rule names
// its family.
func TestAddressBeforeTranslation(t *testing.T) {
	c := &Chain{Table: &Table{Family: IPv4, Name: "nat"}, Name: "pre", Hook: "prerouting", Type: "nat"}
	r := &Rule{Exprs: Exprs{CT{Key: "dst", Dir: "original", Reg: 1}, Cmp{Op: "eq", Reg: 1, Data: []byte{203, 0, 113, 1}}}}
	if got := r.Read(c, nil).Text(); got != "ct original ip daddr 203.0.113.1" {
		t.Errorf("it reads %q", got)
	}
}
