package ui

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/charmbracelet/x/ansi"
)

// hitsOn are the texts that are marked on the screen.
func hitsOn(s *stage) (hits []string) {
	open, end, _ := strings.Cut(s.app.look.Hit.Render("x"), "x")
	hit := regexp.MustCompile("(" + regexp.QuoteMeta(open) + `[^\x1b]*` + regexp.QuoteMeta(end) + ")+")
	for _, m := range hit.FindAllString(s.app.draw(), -1) {
		hits = append(hits, ansi.Strip(m))
	}
	return hits
}

// What the filter finds in a rule is marked in it, a part of a number as well; figures that have it are not.
func TestWhatAFilterFindsIsMarked(t *testing.T) {
	for word, want := range map[string][]string{
		"203":  {"203", "203", "203", "203"}, // two rows, the sentence and the rule's own line
		"8443": {"8443", "8443", "8443"},     // one row, which is the one told of
		"web":  {"web", "web", "web"},        // in its comment, which is a column, told of and in the rule's line
		"lan0": {"lan0", "lan0", "lan0"},     // an interface
		"512":  nil,                          // packets
		"DNAT": {"DNAT"},                     // said beneath the list alone
		"pre":  {"PRE", "PRE"},               // the chain, over its rules and in the rule's own line
		"0.2":  {"0.2", "0.2", "0.2", "0.2"}, // rows of both chains and of one that is led to, and the sentence
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, 110, 30, gatewayRules)
			s.press("/")
			s.write(word)
			s.press("enter")
			if got := hitsOn(s); !slices.Equal(got, want) {
				t.Errorf("of %q are marked %q, not %q:\n%s", word, got, want, s.screen())
			}
			s.fits()
		})
	}
}

// Words of the syntax keep no rule: nobody sees them in its row.
func TestWordsOfTheSyntaxKeepNothing(t *testing.T) {
	for _, word := range []string{"comment", "--dport", "dport", "destination", "addrtype", "/32"} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, 110, 30, gatewayRules)
			s.press("/")
			s.write(word)
			s.sees("none of 6 rules matches")
			s.sees("none of 2 rules matches")
		})
	}
}
