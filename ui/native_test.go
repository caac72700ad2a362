package ui

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"testing"
	"testing/synctest"

	"nattui/rules"
	"nattui/rules/nft"
)

// nativeRules are those of testdata/native.json, as package nftables reads them from the kernel.
func nativeRules(t *testing.T) *nft.Ruleset {
	t.Helper()
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the ruleset was recorded on a machine that keeps numbers the other way round")
	}
	text, err := os.ReadFile("testdata/native.json")
	if err != nil {
		t.Fatal(err)
	}
	set := new(nft.Ruleset)
	if err := json.Unmarshal(text, set); err != nil {
		t.Fatal(err)
	}
	return set
}

// newNativeStage shows native rules beside those of iptables.
func newNativeStage(t *testing.T, width, height int, text map[rules.Variant]string) *stage {
	s := newStage(t, width, height, "")
	s.kernel.sets = sets(t, text)
	s.native = nativeRules(t)
	s.tables(true)
	return s
}

func TestPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, size := range []struct {
			w, h int
			name string
		}{{80, 24, "native-80x24"}, {120, 40, "native-120x40"}, {170, 40, "native-170x40"}} {
			newNativeStage(t, size.w, size.h, map[rules.Variant]string{v4: gatewayRules}).golden(size.name)
		}
	})
}

// Chains and maps open in place, elements of verdict maps lead on, and the details say what nft would do.
func TestNativeOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newNativeStage(t, 120, 40, nil)
		s.sees("table inet fw4 · dstnat · fw4 · priority -100")
		s.sees("FORWARD ends with drop (inet fw4 forward)")
		s.press("enter")
		s.sees("192.168.0.3:443")
		s.press("down", "down", "enter")
		s.sees("203.0.113.1 . 25")
		s.press("down")
		s.sees("TCP to 203.0.113.1 port 22 goes to 192.168.0.4 port 22.")
		s.press("down", "down", "enter", "down", "enter")
		s.sees("this host :5353")
		s.golden("native-open")
		s.press("home", "down", "enter")
		s.golden("native-details")
	})
}

// The cursor is never on a line over a chain's rules.
func TestHeadsAreSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newNativeStage(t, 80, 24, map[rules.Variant]string{v4: gatewayRules})
		screen := s.app.screens[0].(*rulesScreen)
		for range 30 {
			if _, it, _ := screen.current(); it.head {
				t.Fatalf("the cursor is on %q", it.note)
			}
			s.press("down")
		}
		for range 30 {
			s.press("up")
			if _, it, _ := screen.current(); it.head {
				t.Fatalf("the cursor is on %q", it.note)
			}
		}
		s.sees("▌   1  tcp to 203.0.113.1:80")
	})
}

// A backend without rules names those that have some.
func TestNarrowedToNothingNamesTheRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const empty = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"
		s := newStage(t, 100, 50, gatewayRules)
		s.kernel.sets[rules.Variant{Family: rules.IPv4, Backend: rules.Legacy}] = sets(t, map[rules.Variant]string{v4: empty})[v4]
		s.tables(true)
		s.press("b", "b")
		s.sees("only legacy is shown")
		s.sees("none in legacy; 4 in nft (b)")
		s.sees("none in legacy; 2 in nft (b)")
		s.press("/")
		s.write("web")
		s.sees("none in legacy; 4 in nft (b)")
		s.fits()
	})
}

func TestNarrowing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const legacy = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -m udp --dport 69 -j REDIRECT --to-ports 6969\nCOMMIT\n"
		s := newNativeStage(t, 100, 50, map[rules.Variant]string{v4: gatewayRules, {Family: rules.IPv4, Backend: rules.Legacy}: legacy})
		s.sees("iptables legacy · nat PREROUTING · priority -100 · order not known")
		all := []string{"192.168.0.2:8080", "6969", "table inet fw4 · dstnat"}
		for i, only := range []string{"nft", "legacy", "native"} {
			s.press("b")
			s.sees("only " + only + " is shown")
			for j, text := range all {
				if i == j {
					s.sees(text)
				} else {
					s.lacks(text)
				}
			}
		}
		s.press("b")
		for _, text := range all {
			s.sees(text)
		}
	})
}

// The other family has the native rules that its packets come to.
func TestNativeFamilies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newNativeStage(t, 80, 24, nil)
		s.sees("table ip gw · pre")
		s.press("v")
		s.sees("table inet fw4 · dstnat")
		s.lacks("table ip gw")
	})
}

func TestNativeFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newNativeStage(t, 80, 24, map[rules.Variant]string{v4: gatewayRules})
		s.press("/")
		s.write("published")
		s.sees("table ip gw · pre")
		s.lacks("dstnat")
		s.lacks("8443")
	})
}

func TestNativeChains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newNativeStage(t, 80, 24, nil)
		s.press("c")
		s.golden("native-chains")
		s.press("down", "down", "down", "down", "enter")
		s.sees("table inet fw4 forward")
		s.sees("policy drop")
		s.sees("accepted")
		s.lacks("untouched")
		s.press("esc")
		s.sees("in ▸ PREROUTING")
	})
}
