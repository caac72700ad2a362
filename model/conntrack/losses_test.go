package conntrack

import (
	"testing"
	"time"
)

// tally is what the kernel says of datagrams it dropped.
type tally struct {
	drops uint32
	known bool
}

// TestLosses plays what a full buffer does to a follower: what the kernel says, what was read and how many
// events are known to be missing after each.
func TestLosses(t *testing.T) {
	const room = 3 * eventDatagrams
	type step struct {
		overrun bool // the kernel says that it dropped events; else so many datagrams are read
		read    int
		tally   tally // what the kernel's counter says then
		missed  uint32
		left    int // how many may still be read while the kernel drops
	}
	for name, steps := range map[string][]step{
		"nothing lost": {{read: 5}, {read: eventDatagrams}, {read: 0}},
		"lost, then the buffer is emptied": {
			{overrun: true, tally: tally{7, true}, missed: 7, left: room},
			{read: eventDatagrams, tally: tally{9, true}, left: room - eventDatagrams}, // not counted before it is empty
			{read: 10, tally: tally{9, true}, missed: 2},
			{read: 10, tally: tally{9, true}},
		},
		"what was counted before the kernel said so is not counted twice": {
			{overrun: true, tally: tally{1, true}, missed: 1, left: room},
			{read: 0, tally: tally{4, true}, missed: 3},
			{overrun: true, tally: tally{4, true}, missed: 0, left: room},
			{read: 0, tally: tally{4, true}, missed: 0},
			{overrun: true, tally: tally{4, true}, missed: 1, left: room}, // this one is new
		},
		"lost before it came to the socket": {
			{overrun: true, tally: tally{0, true}, missed: 1, left: room},
		},
		"the kernel does not count": {
			{overrun: true, missed: 1, left: room},
			{read: 3},
			{overrun: true, missed: 1, left: room},
		},
		"as much is read as the buffer can have held": {
			{overrun: true, tally: tally{2, true}, missed: 2, left: room},
			{read: eventDatagrams, left: room - eventDatagrams},
			{read: eventDatagrams, left: room - 2*eventDatagrams},
			{read: eventDatagrams, tally: tally{6, true}, missed: 4},
		},
		"the counter wraps around": {
			{overrun: true, tally: tally{1<<32 - 2, true}, missed: 1<<32 - 2, left: room},
			{read: 0, tally: tally{3, true}, missed: 5},
		},
	} {
		l := losses{room: room}
		for i, s := range steps {
			var missed uint32
			if s.overrun {
				missed = l.overrun(s.tally.drops, s.tally.known)
			} else if l.drain(s.read) {
				missed = l.settle(s.tally.drops, s.tally.known)
			}
			if missed != s.missed || l.congested != s.left {
				t.Errorf("%s, step %d: %d are missing, want %d, and %d may be read, want %d", name, i, missed, s.missed, l.congested, s.left)
			}
		}
	}
}

// TestRoomIsNeverTooSmall: no buffer holds more events than that, even if the kernel grows it to twice its size and
// each takes as little as any can.
func TestRoomIsNeverTooSmall(t *testing.T) {
	for _, buffer := range []int{0, 2304, 64 << 10, defaultReceiveBuffer, 1<<30 - 1} {
		if room := roomFor(buffer); int64(room)*eventLeast <= 2*int64(buffer) {
			t.Errorf("a buffer of %d bytes has room for %d events", buffer, room)
		}
	}
}

func TestCalm(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, test := range []struct {
		name string
		last time.Time
		want bool
	}{
		{"no losses", time.Time{}, false},
		{"just now", now, false},
		{"a moment ago", now.Add(-calmAfter + 1), false},
		{"some time ago", now.Add(-calmAfter), true},
	} {
		l := losses{last: test.last}
		if got := l.calm(now); got != test.want {
			t.Errorf("%s: calm is %v", test.name, got)
		}
		at, ok := l.calmAt()
		if lost := !test.last.IsZero(); ok != lost || lost && !l.calm(at) {
			t.Errorf("%s: calm at %v, %v", test.name, at, ok)
		}
	}
}
