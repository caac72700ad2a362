package conntrack

import (
	"sync/atomic"
	"time"
)

// giveWayStep is how often Follow looks whether it may go on.
const giveWayStep = time.Millisecond

// onItsWay is for how long after a screen was written Follow still leaves the processor to others: the kernel's thread of the
// terminal, and tmux or sshd behind it, have to run for it to be seen.
const onItsWay = 3 * time.Millisecond

// way is for how long Follow leaves the processor to others. It is safe for concurrent use.
type way struct {
	until, since, barred atomic.Int64 // in nanoseconds since began; until is 0 where nobody wants it
}

// began is when this program did: a clock that is set back does not make Follow wait.
var began = time.Now()

func sinceBegan() int64 { return int64(time.Since(began)) }

// give begins for so long at most, unless as much time has not gone by since the last one as that one took: whoever keeps a key
// pressed does not keep events from being read.
func (w *way) give(now int64, most time.Duration) {
	if now < w.barred.Load() || w.until.Load() > now {
		return
	}
	w.since.Store(now)
	w.barred.Store(now + 2*int64(most))
	w.until.Store(now + int64(most))
}

// end ends it soon.
func (w *way) end(now int64) {
	if end := now + int64(onItsWay); w.until.Load() > end {
		w.until.Store(end)
		w.barred.Store(end + (end - w.since.Load()))
	}
}

// GiveWay has Follow leave the processor to others for so long at most, as somebody waits for a screen: on a machine
// that is busy one of them has to wait, and the kernel keeps the events meanwhile. 0 ends that once the screen, which has been
// written, is on its way. It does not block.
func (t *Table) GiveWay(most time.Duration) {
	if most <= 0 {
		t.way.end(sinceBegan())
		return
	}
	t.way.give(sinceBegan(), most)
}

// giveWay waits as long as that is wanted, where the kernel has room for the events of so long.
func (f *follower) giveWay() {
	for most := sinceBegan() + int64(f.frame); f.frame >= giveWayStep && sinceBegan() < min(most, f.table.way.until.Load()); {
		time.Sleep(giveWayStep)
	}
}
