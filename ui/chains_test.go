package ui

import (
	"testing"
	"testing/synctest"

	"nattui/rules"
)

// chainsText has chains that lead to others, to the same one, and one that nothing leads to.
const chainsText = `*nat
:PREROUTING ACCEPT [31:1860]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [9:540]
COMMIT
*filter
:INPUT ACCEPT [812:48720]
:FORWARD DROP [12345:740700]
:OUTPUT ACCEPT [4:240]
:left-behind - [0:0]
:guests - [0:0]
:web - [0:0]
[700:42000] -A FORWARD -i lan0 -j guests
[41:2460] -A FORWARD -i wan0 -j web
[9:540] -A guests -p tcp -j web
[3:180] -A web -p tcp -m tcp --dport 80 -j ACCEPT
COMMIT
`

func TestChainsAsTheyLeadToEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, chainsText)
		s.press("c")
		s.golden("chains-80x24")
		s.press("/")
		s.write("web")
		s.press("enter", "enter")
		s.sees("web")
		s.sees("TCP to port 80 is let through as it is")
		s.press("c")
		s.kernel.sets = sets(t, map[rules.Variant]string{v4: gatewayRules})
		s.tables(true)
		s.sees("DOCKER") // current while it is open
		s.lacks("guests")
		s.press("esc", "esc")
	})
}

func TestChainsWide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 120, 24, chainsText)
		s.press("c")
		s.golden("chains-120x24")
	})
}
