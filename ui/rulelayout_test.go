package ui

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
)

// longAddresses are rules of IPv6 that differ in the last part of an address and in a port.
func longAddresses() string {
	var b strings.Builder
	b.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n")
	for i := range 12 {
		fmt.Fprintf(&b, "[0:0] -A PREROUTING -d 2001:db8:1:abcd:1111:2222:3333:def%x/128 -p tcp -m tcp --dport %d -j DNAT --to-destination [2001:db8:2:ffff:eeee:dddd:cccc:bbb%x]:%d\n", i, 10000+i, i, 8000+i)
	}
	return b.String() + "COMMIT\n"
}

// An address that is too long for its column loses its middle: what tells rules apart stays.
func TestLongAddressesKeepTheirEnds(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {120, 40}, {200, 50}, {250, 70}} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, size.w, size.h, gatewayRules)
			v6 := rules.Variant{Family: rules.IPv6, Backend: rules.NFT}
			s.kernel.sets[v6] = sets(t, map[rules.Variant]string{v6: longAddresses()})[v6]
			s.tables(true)
			s.press("v")
			for i := range 8 {
				s.sees(fmt.Sprintf("def%x]:%d", i, 10000+i))
				s.sees(fmt.Sprintf("bbb%x]:%d", i, 8000+i))
			}
			s.fits()
		})
	}
}

// One rule that is longer than the screen leaves the comments of the others where they are.
func TestOneLongRuleLeavesTheComments(t *testing.T) {
	long := "-A PREROUTING -s 198.51.100.0/24 -d 203.0.113.1/32 -i wan0 -p tcp -m multiport --dports 1000:1100,2000:2100,3000:3100,4000:4100,5000:5100 -m conntrack --ctstate NEW -j DNAT --to-destination 192.168.0.2-192.168.0.20:8000-8100\n"
	text := strings.ReplaceAll(gatewayRules, "-p tcp -m tcp --dport 8443 ", "-p tcp -m tcp --dport 8443 -m comment --comment \"the second floor\" ")
	text = strings.Replace(text, "[8123:487380] -A PREROUTING", "[0:0] "+long+"[8123:487380] -A PREROUTING", 1)
	for _, size := range []struct{ w, h int }{{120, 40}, {200, 50}} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, size.w, size.h, text)
			s.sees("the second floor")
			s.sees(":8000-8100")
			s.fits()
		})
	}
}

// Chains stand beside each other only where nothing has to give way for it.
func TestChainsBesideEachOtherHideNothing(t *testing.T) {
	text := strings.ReplaceAll(gatewayRules, "-p tcp -m tcp --dport 8443 ", "-p tcp -m tcp --dport 8443 -m comment --comment \"the shop of the second floor, until its machine has moved\" ")
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 250, 70, text)
		s.sees("the shop of the second floor, until its machine has moved")
		if n := strings.Count(s.screen(), "bytes"); n != 2 {
			t.Errorf("bytes are told of %d chains of 2:\n%s", n, s.screen())
		}
		s.fits()
	})
}

// crowded has rules of which the ends tell them apart, and comments.
func crowded() string {
	var b strings.Builder
	b.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n")
	b.WriteString("[0:0] -A PREROUTING -i wan0 -p tcp -m tcp --dport 8443 -m comment --comment \"web server of the office\" -j DNAT --to-destination 192.168.0.10:443\n")
	for _, net := range []string{"10.11.67", "172.16.0", "172.16.16", "192.168.0"} {
		b.WriteString("[0:0] -A POSTROUTING -s " + net + ".0/24 -o tap20 -j MASQUERADE\n")
	}
	b.WriteString("[0:0] -A POSTROUTING -s 192.168.0.0/24 -o br0 -m comment --comment \"share the line with the LAN\" -j MASQUERADE\n")
	b.WriteString("[0:0] -A POSTROUTING -s 192.168.0.0/24 -d 192.168.0.10/32 -p tcp -m tcp --dport 443 -j SNAT --to-source 192.168.0.1\n")
	return b.String() + "COMMIT\n"
}

// Figures that are all 0, or not there, give way before a match is cut; a hit of the filter is in sight where it is cut all
// the same.
func TestTextComesBeforeFiguresThatTellNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, strings.Replace(crowded(), "-s 192.168.0.0/24 -d 192.168.0.10/32 -p tcp -m tcp --dport 443", "-p tcp -m tcp --dport 443", 1))
		for _, net := range []string{"10.11.67", "172.16.0", "172.16.16", "192.168.0"} {
			s.sees("from " + net + ".0/24 out tap20")
		}
		s.sees("pkts")
		s.send(tea.WindowSizeMsg{Width: 50, Height: 24})
		s.press("/")
		s.write("tap20")
		if n := strings.Count(s.screen(), "tap20"); n < 5 {
			t.Errorf("the filter's hits are cut away:\n%s", s.screen())
		}
	})
}

// Recorded rules that nobody counted have no columns of figures at all.
func TestRecordedRulesWithoutFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, strings.ReplaceAll(crowded(), "[0:0] -A", "-A"))
		s.app.gw.Recorded, s.app.gw.ReadOnly = "gw.rules", true
		s.press("2", "1")
		s.sees("tcp from 192.168.0.0/24 to 192.168.0.10:443")
		s.lacks("pkts")
		s.lacks("/s")
	})
}

// A wider terminal shows no less, and what it shows does not depend on how wide it was before.
func TestMoreRoomShowsNoLess(t *testing.T) {
	for _, width := range []int{114, 120, 140, 160, 180, 200, 240} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, width, 40, crowded())
			s.sees("tcp from 192.168.0.0/24 to 192.168.0.10:443")
			s.sees("web server of the office")
			s.sees("share the line with the LAN")
			fresh := s.screen()
			s.send(tea.WindowSizeMsg{Width: 120, Height: 40})
			s.send(tea.WindowSizeMsg{Width: width, Height: 40})
			if s.screen() != fresh {
				t.Errorf("at %d the screen depends on the way there:\n%s\n%s", width, fresh, s.screen())
			}
			s.fits()
		})
	}
}

// A long rule of one chain does not cut those of the other.
func TestOneChainDoesNotCutTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const long = "-A PREROUTING -s 198.51.100.0/24 -d 203.0.113.1/32 -i wan0 -p tcp -m multiport --dports 1000:1100,2000:2100,3000:3100 -j DNAT --to-destination 192.168.0.2-192.168.0.20:8000-8100\n"
		s := newStage(t, 80, 24, "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"+long+"-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE\nCOMMIT\n")
		s.sees("192.168.0.2-192.168.0.20:8000-8100")
		s.sees("from 192.168.0.0/24 out wan0")
	})
}

// longNames has interfaces with names of 15 characters, many forwards, and one translation that is wide in a place.
func longNames(wide string) string {
	var b strings.Builder
	b.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n")
	for i := range 120 {
		to := fmt.Sprintf("192.168.0.%d:443", i+1)
		if i == 100 {
			to = wide
		}
		fmt.Fprintf(&b, "[%d:60] -A PREROUTING -i verylongnam0wan -d 203.0.113.250/32 -p tcp -m tcp --dport %d -j DNAT --to-destination %s\n", i, 1000+i, to)
	}
	b.WriteString("[9:60] -A POSTROUTING -s 192.168.0.0/24 -o verylongnam0wan -j MASQUERADE\n")
	return b.String() + "COMMIT\n"
}

// A translation that is wide elsewhere, in rows out of sight or of the other chain, does not cut what the rows in sight match.
func TestWideRowsElsewhereCutNothing(t *testing.T) {
	for _, wide := range []string{"192.168.0.1:443", "192.168.100.101-192.168.100.200:10000-20000"} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, 80, 24, longNames(wide))
			s.sees("tcp to 203.0.113.250:1000 in verylongnam0wan")
			s.sees("192.168.0.1:443")
			s.sees("from 192.168.0.0/24 out verylongnam0wan")
			title := lineOf(s.screen(), "becomes")
			for range 30 {
				s.press("pgdown")
			}
			s.press("pgup")
			if wide == "192.168.0.1:443" && lineOf(s.screen(), "becomes") != title {
				t.Errorf("columns have moved from\n%sto\n%s", title, s.screen())
			}
			s.press("g")
			s.sees("tcp to 203.0.113.250:1000 in verylongnam0wan")
			s.fits()
		})
	}
}

// What becomes of a connection does not name an interface again where that would cut something.
func TestAnInterfaceIsNamedTwiceOnlyWithRoom(t *testing.T) {
	rule := strings.Replace(longNames("192.168.0.1:443"), "-s 192.168.0.0/24", "-s 192.168.0.0/24 -d 198.51.100.9/32", 1)
	for width, want := range map[int]string{90: "from its address", 120: "from verylongnam0wan's address"} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, width, 24, rule)
			s.sees("from 192.168.0.0/24 to 198.51.100.9 out verylongnam0wan")
			s.sees(want)
			s.fits()
		})
	}
}

// From 160 columns on the details stand beside the list, whatever a rule of it says.
func TestDetailsStandBesideAnyList(t *testing.T) {
	long := strings.Repeat("until the machine of the second floor has moved ", 4)
	commented := strings.ReplaceAll(gatewayRules, "--dport 8443 ", "--dport 8443 -m comment --comment \""+long+"\" ")
	for _, rules := range []string{gatewayRules, commented, longNames("192.168.100.101-192.168.100.200:10000-20000"), crowded(), longAddresses()} {
		for _, width := range []int{160, 200, 239, 240, 250} {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, width, 50, rules)
				s.sees("│ Rule 1 of PREROUTING")
				for _, column := range []string{"match", "becomes", "pkts"} {
					s.sees(column)
				}
				s.fits()
			})
		}
	}
}
