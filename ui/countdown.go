package ui

import (
	"fmt"
	"time"

	"nattui/rules"
)

// countdown is the choice of how long a change waits to be confirmed.
type countdown uint8

// The choices, in the order in which one goes through them: who presses the key wants a countdown first of all.
const (
	countdownAuto  countdown = iota // only where the operator's own connection may be affected
	countdownShort                  // always, for so long
	countdownUsual
	countdownLong
	countdownOff // never
	countdowns
)

// time is how long a change waits. affected tells whether it may touch the
// operator's own connection.
func (c countdown) time(affected func() bool) time.Duration {
	switch c {
	case countdownOff:
		return 0
	case countdownShort:
		return 30 * time.Second
	case countdownUsual:
		return rules.ConfirmTime
	case countdownLong:
		return 5 * time.Minute
	}
	if affected() {
		return rules.ConfirmTime
	}
	return 0
}

// next is the choice after this one.
func (c countdown) next() countdown { return (c + 1) % countdowns }

// words say what the choice comes to. known tells whether it is known yet that the
// operator's own connection may be affected.
func (c countdown) words(affected, known bool) string {
	usual := fmt.Sprintf("%.0f s", rules.ConfirmTime.Seconds())
	switch {
	case c == countdownAuto && !known:
		return "auto: a countdown of " + usual + " if it may cut you off"
	case c == countdownAuto && affected:
		return "auto: rolled back after " + usual + " unless you confirm"
	case c == countdownAuto:
		return "auto: not needed here, applies at once"
	case c == countdownOff && affected:
		return "off: applies at once, even if it cuts you off"
	case c == countdownOff:
		return "off: applies at once"
	case c == countdownShort:
		return "rolled back after 30 s unless you confirm"
	case c == countdownLong:
		return "rolled back after 5 min unless you confirm"
	}
	return "rolled back after " + usual + " unless you confirm"
}
