package commit

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Clock tells the time. Deadlines are measured with Boot and SinceBoot, the rest
// is for showing.
type Clock interface {
	// Now is the wall clock's time, which may jump.
	Now() time.Time
	// Boot identifies this run of the kernel.
	Boot() string
	// SinceBoot is the time since then, sleep included. It only grows.
	SinceBoot() time.Duration
}

// KernelClock is the clock of this host.
func KernelClock() Clock { return kernelClock{} }

// kernelClock reads CLOCK_BOOTTIME and /proc/sys/kernel/random/boot_id.
type kernelClock struct{}

func (kernelClock) Now() time.Time { return time.Now() }

func (kernelClock) Boot() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(id))
}

func (kernelClock) SinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(fmt.Sprintf("clock_gettime(CLOCK_BOOTTIME): %v", err)) // Linux 2.6.39 has it
	}
	return time.Duration(t.Nano())
}

// moment is a time within one run of the kernel.
type moment struct {
	Boot string        `json:"boot"`
	At   time.Duration `json:"at"` // nanoseconds since boot
}

func (m moment) zero() bool { return m.Boot == "" }

// in is the moment that is d from now.
func in(c Clock, d time.Duration) moment { return moment{c.Boot(), c.SinceBoot() + d} }

// left is the time until the moment; what belongs to another run of the kernel is over.
func (m moment) left(c Clock) time.Duration {
	if m.Boot != c.Boot() {
		return 0
	}
	return max(0, m.At-c.SinceBoot())
}
