package commit

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Where systemd does not start guards again that were killed, they come in pairs: the second waits for the first one's
// mark, which the kernel gives back when its process ends, however that ends. Then it is the first, and starts another
// second; and the first starts the second again. Only who kills both at a time gets rid of them, and then the next
// nattui that changes something, or opens its screens, starts them anew. Both end with their change.

// pairVariable is set in the environment of guards that come in pairs.
const pairVariable = "NATTUI_GUARDS"

func paired() bool { return os.Getenv(pairVariable) == "2" }

// guardProcess is a guard of a pair, not yet started, in a session of its own.
func (c *Committer) guardProcess(id string) *exec.Cmd {
	argv := append(append([]string(nil), c.guard...), id)
	cmd := exec.Command(argv[0], argv[1:]...)
	if argv[0] == ownProgram {
		cmd.Args[0] = os.Args[0] // what ps shows
	}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), StateVariable+"="+c.store.dir, pairVariable+"=2")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

const (
	// secondPause is how long after its end a second is started again, and at most, where it ends again and again.
	secondPause     = 100 * time.Millisecond
	secondPauseMost = time.Second
)

// keepSecond has a second guard there until ctx ends.
func (g *guard) keepSecond(ctx context.Context) {
	for pause := secondPause; ctx.Err() == nil; pause = min(2*pause, secondPauseMost) {
		begun := g.c.clock.SinceBoot()
		if cmd := g.c.guardProcess(g.id); cmd.Start() == nil {
			_ = cmd.Wait()
		}
		if g.c.clock.SinceBoot()-begun > secondPauseMost {
			pause = secondPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// standBy waits until the first guard is gone, or does not do what is due; false where nothing is left to do.
func (g *guard) standBy() bool {
	free := g.markFree()
	for {
		g.last = g.read(false)
		if !g.last.open() {
			return false
		}
		select {
		case <-free:
			g.last = g.read(false)
			return g.last.open()
		case <-time.After(min(longestPause, g.left()+overdue)):
			if g.last = g.read(false); g.last.open() && g.late() {
				return true
			}
		}
	}
}

// markFree tells when nobody holds the mark any more.
func (g *guard) markFree() <-chan struct{} {
	free := make(chan struct{})
	file, err := g.c.store.open(guardName(g.id), os.O_RDONLY)
	if err != nil {
		close(free)
		return free
	}
	go func() {
		defer close(free)
		defer file.Close()
		shared := &unix.Flock_t{Type: unix.F_RDLCK}
		for unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLKW, shared) == unix.EINTR {
			continue
		}
	}()
	return free
}

// due is when the entry is to be rolled back.
func (g *guard) due() moment {
	end, _ := g.last.ending()
	return end
}

func (g *guard) left() time.Duration { return g.due().left(g.c.clock) }

// late reports that the entry should have been rolled back for a while.
func (g *guard) late() bool {
	end := g.due()
	return !end.zero() && end.Boot == g.c.clock.Boot() && end.At+overdue < g.c.clock.SinceBoot()
}
