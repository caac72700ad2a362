package ui

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// A number and G go to the rule of that number in the chain that the cursor is in, in one that is open too, and else in
// any that is.
func TestNumberGoesToARuleOfAnOpenChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		b.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:SERVICES - [0:0]\n-A PREROUTING -j SERVICES\n")
		for i := range 30 {
			fmt.Fprintf(&b, "-A SERVICES -p tcp -m tcp --dport %d -j REDIRECT --to-ports 1\n", 1001+i)
		}
		b.WriteString("COMMIT\n")
		s := newStage(t, 80, 24, b.String())
		s.press("enter")
		s.sees("tcp :1001")
		for _, from := range []string{"g", "j"} { // in PREROUTING, and in the open chain
			s.press(from, "1", "2", "G")
			if line := lineOf(s.screen(), "▌"); !strings.Contains(line, "tcp :1012") {
				t.Errorf("12G goes to %s", line)
			}
			s.lacks("there is no")
		}
		s.press("9", "9", "G")
		s.sees("no rule here has the number 99")
	})
}
