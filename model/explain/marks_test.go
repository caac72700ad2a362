package explain

import (
	"net/netip"
	"testing"

	"nattui/model/facts"
	"nattui/rules"
)

// TestBlastConditions: where a login may already be dropped by what cannot be known, another such condition is seen, though the
// login may end in no other way than before; one that stays as it is, or is about others, is not.
func TestBlastConditions(t *testing.T) {
	const listed = "-A INPUT -m set --match-set a src -j DROP"
	for _, c := range []struct {
		name, before, after string
		own                 bool
	}{
		{"another list beside one", listed, listed + "\n-A INPUT -m set --match-set b src -j DROP", true},
		{"another list in its place", listed, "-A INPUT -m set --match-set b src -j DROP", true},
		{"the list turned around", listed, "-A INPUT -m set ! --match-set a src -j DROP", true},
		{"the order of two", listed + "\n-A INPUT -m set --match-set b src -j ACCEPT", "-A INPUT -m set --match-set b src -j ACCEPT\n" + listed, true},
		{"what is about others", listed, listed + "\n-A INPUT -p udp -m set --match-set b src -j DROP", false},
		{"nothing", listed, listed, false},
	} {
		if got := blastOfMangle(t, nil, c.before, c.after); got.Own != c.own {
			t.Errorf("%s: own %v (%s); want %v", c.name, got.Own, got.OwnWhy, c.own)
		}
	}
}

// TestBlastMarks: the mark of a connection is kept from one of its packets to the next, whichever rule set it, and answers may
// have that of the packet which began it.
func TestBlastMarks(t *testing.T) {
	const set, restore = "-A PREROUTING -i wan0 -j CONNMARK --set-xmark 0x5/0xffffffff", "-A OUTPUT -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff"
	blackhole := func(f *facts.Facts) {
		f.PolicyRules = append(f.PolicyRules, facts.PolicyRule{Family: rules.IPv4, Priority: 5, Mark: 5, Mask: ^uint32(0), Action: facts.RuleTable, Table: 5, SuppressPrefix: -1})
		f.Routes = append(f.Routes, facts.RouteEntry{Table: 5, Kind: facts.RouteBlackhole, Dst: netip.MustParsePrefix("0.0.0.0/0")})
	}
	marks := func(f *facts.Facts) { f.Settings.FwmarkAccept = facts.SettingOn }
	unmarked := func(f *facts.Facts) { f.Settings.FwmarkAccept = facts.SettingOff }
	for _, c := range []struct {
		name          string
		host          func(*facts.Facts)
		before, added string
		own           bool
	}{
		{"dropped by the connection's mark", nil, set, "-A OUTPUT -m connmark --mark 0x5 -j DROP", true},
		{"set behind, and asked for before", nil, "-A POSTROUTING -j CONNMARK --set-xmark 0x9/0xffffffff", "-A INPUT -m connmark --mark 0x9 -j DROP", true},
		{"restored, and routed by it", blackhole, set, restore, true},
		{"restored, where answers are not marked", func(f *facts.Facts) { blackhole(f); unmarked(f) }, set, restore, true},
		{"restored where nothing asks for it", unmarked, set, "-A OUTPUT -p udp -m connmark --mark 0x5 -j DROP", false},
		{"of the packet that began it", marks, "-A PREROUTING -i wan0 -j MARK --set-xmark 0x5/0xffffffff", "-A OUTPUT -m mark --mark 0x5 -j DROP", true},
		{"which answers do not have", unmarked, "-A PREROUTING -i wan0 -j MARK --set-xmark 0x5/0xffffffff", "-A OUTPUT -m mark --mark 0x5 -j DROP", false},
		{"others beside all that", blackhole, set + "\n" + restore, "-A INPUT -p udp -j DROP", false},
	} {
		if got := blastOfMangle(t, c.host, c.before, c.before+"\n"+c.added); got.Own != c.own {
			t.Errorf("%s: own %v (%s); want %v", c.name, got.Own, got.OwnWhy, c.own)
		}
	}
}

// blastOfMangle is what a change of lines in table mangle bears on for an operator who came over wan0.
func blastOfMangle(t *testing.T, host func(*facts.Facts), before, after string) Blast {
	t.Helper()
	known, sets := explainGateway(t, "")
	known.Session = &facts.Session{Client: netip.MustParseAddrPort("198.51.100.9:50000"), Server: netip.MustParseAddrPort("203.0.113.1:22")}
	if host != nil {
		host(known)
	}
	return BlastOf(known, Rules{Sets: withMangle(t, sets, before)}, Rules{Sets: withMangle(t, sets, after)}, rules.Plan{}, nil, 0)
}
