package explain

import (
	"net/netip"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// TestBlastAlteredPackets: a change that sends a packet the same way, but not as the same packet,
// may end a login as well as one that drops it.
func TestBlastAlteredPackets(t *testing.T) {
	known, sets := explainGateway(t, "")
	known.Session = &facts.Session{Client: netip.MustParseAddrPort("198.51.100.9:50000"), Server: netip.MustParseAddrPort("203.0.113.1:22")}
	for _, c := range []struct {
		name, before, after string
		own                 bool
	}{
		{"TTL that dies at the first router", "", "-A POSTROUTING -o wan0 -j TTL --ttl-set 1", true},
		{"TTL lowered", "", "-A POSTROUTING -j TTL --ttl-dec 60", true},
		{"TTL of replies in OUTPUT", "", "-A OUTPUT -p tcp -m tcp --sport 22 -j TTL --ttl-set 2", true},
		{"TTL of others", "", "-A POSTROUTING -d 198.51.100.77/32 -j TTL --ttl-set 1", false},
		{"TTL as programs send it", "", "-A POSTROUTING -o wan0 -j TTL --ttl-set 65", false},
		{"TTL raised", "", "-A PREROUTING -j TTL --ttl-inc 1", false},
		{"TTL sometimes", "", "-A POSTROUTING -m statistic --mode random --probability 0.5 -j TTL --ttl-set 1", true},
		{"TTL lowered further", "-A POSTROUTING -j TTL --ttl-set 30", "-A POSTROUTING -j TTL --ttl-set 3", true},
		{"what keeps from it gone", "-A POSTROUTING -d 198.51.100.9/32 -j RETURN\n-A POSTROUTING -j TTL --ttl-set 1", "-A POSTROUTING -j TTL --ttl-set 1", true},
		{"segments of the answer", "", "-A OUTPUT -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1", true}, // SYN and ACK
		{"segments of new ones", "", "-A INPUT -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1", true},
		{"another class", "", "-A POSTROUTING -o wan0 -j CLASSIFY --set-class 0001:0009", true},
		{"a mark", "", "-A PREROUTING -p tcp -m tcp --dport 22 -j MARK --set-xmark 0x1/0xffffffff", true},
		{"a mark of the connection", "", "-A PREROUTING -j CONNMARK --set-xmark 0x1/0xffffffff", true},
		{"a mark of others", "", "-A PREROUTING -p tcp -m tcp --dport 23 -j MARK --set-xmark 0x1/0xffffffff", false},
		{"words in the log", "", "-A INPUT -j LOG", false},
		{"counting", "", "-A INPUT", false},
	} {
		before, after := withMangle(t, sets, c.before), withMangle(t, sets, c.after)
		got := BlastOf(known, Rules{Sets: before}, Rules{Sets: after}, rules.Plan{}, nil, 0)
		if got.Own != c.own {
			t.Errorf("%s: own %v (%s); want %v", c.name, got.Own, got.OwnWhy, c.own)
		}
	}
}

// TestBlastCarriers: what carries a connection may end it: neighbour discovery, messages about
// its size, the tunnel that it comes by.
func TestBlastCarriers(t *testing.T) {
	for _, c := range []struct {
		name, rule string
		family     rules.Family
		own        bool
	}{
		{"neighbour discovery", "-A INPUT -p ipv6-icmp -j DROP", rules.IPv6, true},
		{"its answers", "-A OUTPUT -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j DROP", rules.IPv6, true},
		{"echo requests", "-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j DROP", rules.IPv6, false},
		{"too big", "-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 2 -j DROP", rules.IPv6, true},
		{"fragmentation needed", "-A INPUT -p icmp -m icmp --icmp-type 3/4 -j DROP", rules.IPv4, true},
		{"echo", "-A INPUT -p icmp -m icmp --icmp-type 8 -j DROP", rules.IPv4, false},
		{"what comes in a tunnel", "-A INPUT -p gre -j DROP", rules.IPv4, true},
		{"another tunnel", "-A INPUT -p ipv6 -j DROP", rules.IPv4, false},
	} {
		known, sets := explainGateway(t, "")
		known.Addresses = append(known.Addresses, facts.Address{Link: "wan0", Prefix: netip.MustParsePrefix("2001:db8:1::1/64")})
		known.Session = &facts.Session{Client: netip.MustParseAddrPort("198.51.100.9:50000"), Server: netip.MustParseAddrPort("203.0.113.1:22")}
		for _, table := range []uint32{facts.TableMain, facts.TableLocal} {
			route := facts.RouteEntry{Table: table, Kind: facts.RouteUnicast, Dst: netip.MustParsePrefix("2001:db8:1::/64"), Hops: []facts.Hop{{Out: "wan0"}}}
			if table == facts.TableLocal {
				route.Kind, route.Dst = facts.RouteLocal, netip.MustParsePrefix("2001:db8:1::1/128")
			}
			known.Routes = append(known.Routes, route)
			known.PolicyRules = append(known.PolicyRules, facts.PolicyRule{Family: rules.IPv6, Priority: facts.TableLocal - table, Table: table, SuppressPrefix: -1})
		}
		known.Ways = []facts.Way{
			{Kind: facts.WaySSH, Proto: rules.TCP, Client: netip.MustParseAddrPort("[2001:db8:1::9]:50000"), Server: netip.MustParseAddrPort("[2001:db8:1::1]:22")},
			{Kind: facts.WayVPN, Proto: rules.GRE, Server: netip.AddrPortFrom(netip.IPv4Unspecified(), 0), Program: "gre1"},
		}
		text := "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" + c.rule + "\nCOMMIT\n"
		tables, err := rules.Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		after := map[rules.Variant]*rules.Ruleset{{Family: c.family}: {Family: c.family, Tables: tables}}
		if c.family == rules.IPv6 {
			after[rules.Variant{}] = sets[rules.Variant{}]
		} else {
			after[rules.Variant{}].Tables = append(after[rules.Variant{}].Tables, sets[rules.Variant{}].Tables...)
		}
		got := BlastOf(known, Rules{Sets: sets}, Rules{Sets: after}, rules.Plan{}, nil, 0)
		if got.Own != c.own {
			t.Errorf("%s: own %v (%s); want %v", c.name, got.Own, got.OwnWhy, c.own)
		}
	}
}

// withMangle adds lines to table mangle.
func withMangle(t *testing.T, sets map[rules.Variant]*rules.Ruleset, lines string) map[rules.Variant]*rules.Ruleset {
	t.Helper()
	text := "*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
	if lines != "" {
		text += lines + "\n"
	}
	tables, err := rules.Read(strings.NewReader(text + "COMMIT\n"))
	if err != nil {
		t.Fatal(err)
	}
	tables = append(tables, sets[rules.Variant{}].Tables...)
	return map[rules.Variant]*rules.Ruleset{{}: {Tables: tables}}
}

// TestBlastEndedLogin: whoever has come by an address that is gone comes again by another one.
func TestBlastEndedLogin(t *testing.T) {
	const door = "-A PREROUTING -p tcp -m tcp --dport 2200 -j REDIRECT --to-ports 2222\n"
	known, sets := explainGateway(t, door)
	known.Session = &facts.Session{Client: netip.MustParseAddrPort("198.51.100.9:50000"), Server: netip.MustParseAddrPort("203.0.113.77:2222"), Live: facts.SettingOff}
	for rule, own := range map[string]bool{
		"-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 9\n" + door: true,
		"-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 9\n" + door:   false,
		"-A PREROUTING -p tcp -m tcp --dport 23 -j REDIRECT --to-ports 9\n" + door:   false,
		"": true, // it may have come by 2200
	} {
		_, after := explainGateway(t, rule+"\n")
		if got := BlastOf(known, Rules{Sets: sets}, Rules{Sets: after}, rules.Plan{}, nil, 0); got.Own != own {
			t.Errorf("%s: own %v (%s)", rule, got.Own, got.OwnWhy)
		}
	}
}

// TestBlastOfRepliesPickedUp: where nothing tracks a login yet, the first packet of it that NAT meets may be a reply.
func TestBlastOfRepliesPickedUp(t *testing.T) {
	known, sets := explainGateway(t, "")
	known.Session = &facts.Session{Client: netip.MustParseAddrPort("198.51.100.9:50000"), Server: netip.MustParseAddrPort("203.0.113.1:22")}
	tracked := flow.NewFlows()
	batch := &flow.Batch{At: 1}
	c := batch.Next()
	c.Kind, c.Flow = flow.EventNew, flow.Flow{ID: 1, Orig: rules.MakeTuple(rules.TCP, known.Session.Client, known.Session.Server), Reply: rules.MakeTuple(rules.TCP, known.Session.Server, known.Session.Client)}
	tracked.Apply(batch)
	for _, c := range []struct {
		rule  string
		flows *flow.Flows
		own   bool
	}{
		{"-A OUTPUT -p tcp -m tcp --sport 22 -j DNAT --to-destination 192.168.7.10", nil, true},
		{"-A OUTPUT -p tcp -m tcp --sport 22 -j REDIRECT --to-ports 9", flow.NewFlows(), true},
		{"-A OUTPUT -d 198.51.100.0/24 -p tcp -j DNAT --to-destination 192.168.7.10", nil, true},
		{"-A OUTPUT -p tcp -m tcp --sport 23 -j REDIRECT --to-ports 9", nil, false},
		{"-A OUTPUT -p tcp -m tcp --sport 22 -j REDIRECT --to-ports 9", tracked, false},
	} {
		_, after := explainGateway(t, ":OUTPUT ACCEPT [0:0]\n"+c.rule+"\n")
		if got := BlastOf(known, Rules{Sets: sets}, Rules{Sets: after}, rules.Plan{}, c.flows, 0); got.Own != c.own {
			t.Errorf("%s: own %v (%s)", c.rule, got.Own, got.OwnWhy)
		}
	}
}

// TestBlastOfLists: a rule that keeps count of packets, for other rules to ask, is not harmless because it has no target.
func TestBlastOfLists(t *testing.T) {
	const asks = "-A PREROUTING -m recent --rcheck --hitcount 3 --name zz --mask 255.255.255.255 --rsource -j DROP\n"
	known, sets := explainGateway(t, "")
	known.Session = &facts.Session{Client: netip.MustParseAddrPort("198.51.100.9:50000"), Server: netip.MustParseAddrPort("203.0.113.1:22")}
	for rule, own := range map[string]bool{
		"-A PREROUTING -p tcp -m tcp --dport 22 -m recent --set --name zz --mask 255.255.255.255 --rsource":    true,
		"-A PREROUTING -p tcp -m tcp --dport 22 -m recent --rcheck --name zz --mask 255.255.255.255 --rsource": false,
		"-A PREROUTING -p tcp -m tcp --dport 99 -m recent --set --name zz --mask 255.255.255.255 --rsource":    false,
		"-A PREROUTING -p tcp -m tcp --dport 22":                                                               false,
	} {
		got := BlastOf(known, Rules{Sets: withMangle(t, sets, asks)}, Rules{Sets: withMangle(t, sets, rule+"\n"+asks)}, rules.Plan{}, nil, 0)
		if got.Own != own {
			t.Errorf("%s: own %v (%s); want %v", rule, got.Own, got.OwnWhy, own)
		}
	}
}

// TestNativeChangesAreWeighed holds that a plan that changes native rules is never called harmless without being worked out.
func TestNativeChangesAreWeighed(t *testing.T) {
	client, server := netip.MustParseAddrPort("203.0.113.9:50000"), netip.MustParseAddrPort("203.0.113.1:22")
	known := &facts.Facts{Session: &facts.Session{Client: client, Server: server, Live: facts.SettingOn}}
	plan := rules.Plan{Steps: rules.NativeSteps([]rules.NativeChange{{What: rules.NativeRule, Family: "inet", Table: "gw", Chain: "in", Text: "tcp dport 22 drop"}})}
	if got := BlastOf(known, Rules{}, Rules{}, plan, nil, 0); !got.Own {
		t.Error("it is said to be harmless, and nobody knows")
	}
	drops := &nft.Table{Family: nft.INet, Name: "gw"}
	drops.Chains = []*nft.Chain{{Table: drops, Name: "in", Hook: "input", Type: "filter", Policy: nft.Verdict{Code: nft.Drop}}}
	nothing := evaluate.CompileNative(&nft.Ruleset{})
	after := evaluate.CompileNative(&nft.Ruleset{Tables: []*nft.Table{drops}})
	known.Addresses = []facts.Address{{Prefix: netip.MustParsePrefix("203.0.113.1/24"), Link: "wan0"}}
	known.Native = nothing
	if got := BlastOf(known, Rules{Native: nothing}, Rules{Native: after}, plan, nil, 0); !got.Own {
		t.Errorf("a policy that drops the operator's connection: %s", got.OwnSentence())
	}
	if got := BlastOf(known, Rules{Native: nothing}, Rules{Native: nothing}, plan, nil, 0); got.Own {
		t.Errorf("a rule that changes nothing: %s", got.OwnSentence())
	}
}

// TestNativeChangesOfLaterAndBelow: a change is weighed by what holds once timeouts have passed, by what ARP needs, and by the
// sockets that packets bring along.
func TestNativeChangesOfLaterAndBelow(t *testing.T) {
	client, server := netip.MustParseAddrPort("203.0.113.9:50000"), netip.MustParseAddrPort("203.0.113.1:22")
	in := func(policy nft.VerdictCode, elements []nft.Element, more ...nft.Exprs) *evaluate.NativeProgram {
		table := &nft.Table{Family: nft.INet, Name: "gw"}
		table.Sets = []*nft.Set{{Table: table, Name: "ops", KeyLen: 4, Fields: []uint32{4}, Flags: nft.SetTimeout, Elements: elements}}
		chain := &nft.Chain{Table: table, Name: "in", Hook: "input", Type: "filter", Policy: nft.Verdict{Code: policy}}
		for i, exprs := range more {
			chain.Rules = append(chain.Rules, &nft.Rule{Handle: uint64(i + 1), Exprs: exprs})
		}
		table.Chains = []*nft.Chain{chain}
		return evaluate.CompileNative(&nft.Ruleset{Tables: []*nft.Table{table}})
	}
	verdict := func(code nft.VerdictCode) nft.Expr { return nft.Immediate{Verdict: &nft.Verdict{Code: code}} }
	ops := nft.Exprs{nft.Payload{Base: nft.NetworkHeader, Offset: 12, Len: 4, Into: 1}, nft.Lookup{Set: "ops", Key: 1}, verdict(nft.Accept)}
	root := nft.Exprs{nft.Meta{Key: "skuid", Reg: 1}, nft.Cmp{Op: "eq", Reg: 1, Data: []byte{0, 0, 0, 0}}, verdict(nft.Drop)}
	stays, passes := nft.Element{Key: []byte{203, 0, 113, 9}}, nft.Element{Key: []byte{203, 0, 113, 9}, Timeout: 60000, Expires: 50000}
	of := func(family string, text string) rules.Plan {
		return rules.Plan{Steps: rules.NativeSteps([]rules.NativeChange{{What: rules.NativeRule, Family: family, Table: "gw", Chain: "in", Text: text}})}
	}
	made := rules.Plan{Steps: rules.NativeSteps([]rules.NativeChange{{What: rules.NativeRule, Family: "inet", Table: "gw", Chain: "in", Handle: 1}})}
	open, nothing := nft.Exprs{verdict(nft.Accept)}, evaluate.CompileNative(&nft.Ruleset{})
	for _, c := range []struct {
		name          string
		before, after *evaluate.NativeProgram
		ending        []rules.Plan
		plan          rules.Plan
		own           bool
	}{
		{"an element that stays lets him in", in(nft.Accept, []nft.Element{stays}, ops), in(nft.Drop, []nft.Element{stays}, ops), nil, of("inet", "drop"), false},
		{"an element that passes lets him in", in(nft.Accept, []nft.Element{passes}, ops), in(nft.Drop, []nft.Element{passes}, ops), nil, of("inet", "drop"), true},
		{"a rule that stays lets him in", in(nft.Accept, nil, open), in(nft.Drop, nil, open), nil, of("inet", "drop"), false},
		{"a rule that ends lets him in", in(nft.Accept, nil, open), in(nft.Drop, nil, open), []rules.Plan{made}, of("inet", "drop"), true},
		{"the user of the socket", in(nft.Accept, nil), in(nft.Accept, nil, root), nil, of("inet", "meta skuid 0 drop"), true},
		{"ARP", nothing, nothing, nil, of("arp", "drop"), true},
		{"whatever arrives", nothing, nothing, nil, of("netdev", "ether type arp drop"), true},
		{"whatever is not IP", nothing, nothing, nil, of("netdev", "ether type != ip drop"), true},
		{"a map", nothing, nothing, nil, of("netdev", "meta protocol vmap { ip : accept, arp : drop }"), true},
		{"IP that arrives", nothing, nothing, nil, of("netdev", "tcp dport 9 drop"), false},
	} {
		known := &facts.Facts{Session: &facts.Session{Client: client, Server: server, Live: facts.SettingOn}, Native: c.before}
		known.Addresses = []facts.Address{{Prefix: netip.MustParsePrefix("203.0.113.1/24"), Link: "wan0"}}
		if got := BlastOf(known, Rules{Native: c.before, Ending: c.ending}, Rules{Native: c.after}, c.plan, nil, 0); got.Own != c.own {
			t.Errorf("%s: own %v: %s", c.name, got.Own, got.OwnSentence())
		}
	}
}
