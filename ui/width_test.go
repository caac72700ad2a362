package ui

import (
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"
)

// awkwardRules have what makes lines long: names, counters, addresses, letters
// that take two cells.
const awkwardRules = `*nat
:PREROUTING ACCEPT [184467440737095516:184467440737095516]
:POSTROUTING ACCEPT [0:0]
:a-chain-with-a-very-long-name - [0:0]
[184467440737095516:18446744073709551] -A PREROUTING -s 198.51.100.0/24 -d 203.0.113.1/32 -i enp0s31f6.1234 -p tcp -m tcp --sport 1024:65535 --dport 10000:20000 -m comment --comment "網站 對外服務 a long comment about what this rule is for" -j DNAT --to-destination 192.168.100.200-192.168.100.210:10000-20000
[1234567:1234567890] -A PREROUTING -m mark --mark 0x1 -j a-chain-with-a-very-long-name
[999999:999999] -A POSTROUTING -s 192.168.0.0/255.255.0.255 ! -o averylongname12 -p udp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15 -j MASQUERADE --to-ports 1024-65535 --random-fully
[0:0] -A a-chain-with-a-very-long-name -p tcp -j LOG --log-prefix "網站網站網站網站網站"
COMMIT
`

// Nothing sticks out of the terminal at any width: no screen, and none of the
// boxes over it.
func TestNothingIsWiderThanTheTerminal(t *testing.T) {
	ways := [][]string{
		{"1"},
		{"1", "?"},
		{"1", "enter"},
		{"1", "a"},
		{"1", "e"},
		{"1", "d"},
		{"1", "c"},
		{"1", "/"},
		{"1", "G", "enter"},
		{"1", "j"},
		{"1", "n"},
		{"1", "v"},
		{"1", "T"},
		{"1", "E"},
		{"1", "x"},
		{"1", "p"},
		{"2"},
		{"2", "enter"},
		{"2", "/"},
		{"2", "?"},
		{"2", "g"},
		{"3"},
		{"3", "enter"},
		{"3", "G", "enter"},
		{"3", "j", "enter"},
		{"4"},
		{"4", "enter"},
		{"4", "f"},
		{"4", "G", "enter"},
		{"4", "w"},
		{"4", "?"},
		{"5"},
		{"5", "/"},
		{"6"},
		{"6", "enter"},
	}
	for _, text := range []string{gatewayRules, brokenRules, awkwardRules} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := historyStage(t, 80, 24)
			s.kernel.sets = newStage(t, 80, 24, text).kernel.sets
			s.tables(true)
			for _, way := range ways {
				for len(s.app.dialogs) > 0 {
					s.press("esc")
				}
				s.press("esc", "esc", "esc")
				s.press(way...)
				for w := 40; w <= 250; w += stepped(1 + w/50*3) {
					s.send(tea.WindowSizeMsg{Width: w, Height: 12 + w%17})
					if s.fits(); t.Failed() {
						t.Fatalf("after the keys %q on %dx%d", way, w, s.app.height)
					}
				}
			}
		})
	}
}
