package commit

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// unitDirectories are those of systemd.unit(5) that outlive a start, and those of its generators, which are filled anew from
// such files; the first has precedence.
var unitDirectories = []string{"/etc/systemd/system", "/run/systemd/generator", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system", "/run/systemd/generator.late"}

// units are the unit files of a host, as one look at its directories finds them.
type units struct {
	hostFiles
	seen    map[string]stamp    // the directories
	files   map[string]string   // of each unit the one that has precedence
	aliases map[string][]string // names that are links to a unit
	wanted  map[string][]string // which units have one started
}

// look looks at all unit files: one pass over all of them costs less than a search for each name in each directory.
func (h hostFiles) look() *units {
	u := &units{h, map[string]stamp{}, map[string]string{}, map[string][]string{}, map[string][]string{}}
	for _, dir := range unitDirectories {
		for _, e := range u.read(dir) {
			path := filepath.Join(dir, e.Name())
			by := strings.TrimSuffix(strings.TrimSuffix(e.Name(), ".wants"), ".requires")
			if by != e.Name() {
				for _, l := range u.read(path) {
					u.wanted[l.Name()] = append(u.wanted[l.Name()], by)
				}
				continue
			}
			if u.files[e.Name()] == "" {
				u.files[e.Name()] = path
			}
			if e.Type()&os.ModeSymlink != 0 {
				if target, err := os.Readlink(h.path(path)); err == nil {
					unit := filepath.Base(target)
					u.aliases[unit] = append(u.aliases[unit], e.Name())
				}
			}
		}
	}
	return u
}

// read is a directory's entries; what it looked like is noted before.
func (u *units) read(dir string) []os.DirEntry {
	u.seen[dir] = u.stamp(dir)
	entries, _ := os.ReadDir(u.path(dir))
	return entries
}

// stamp is what a directory looks like from outside; another one where an entry came, went or was replaced. The zero
// value is that of none.
type stamp struct {
	device, inode uint64
	changed       syscall.Timespec
}

func (h hostFiles) stamp(dir string) stamp {
	info, err := os.Stat(h.path(dir))
	if err != nil {
		return stamp{}
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return stamp{}
	}
	return stamp{uint64(s.Dev), s.Ino, s.Ctim}
}

// coarse is more than a file system's clock is: of two changes within it the second may leave no other stamp.
const coarse = 2 * time.Second

// hold tells that the directories are as they were.
func (u *units) hold() bool {
	for dir, was := range u.seen {
		if u.stamp(dir) != was {
			return false
		}
	}
	return true
}

// settled tells that the directories had been left alone for a while when they were looked at.
func (u *units) settled(at time.Time) bool {
	for _, was := range u.seen {
		if at.Sub(time.Unix(was.changed.Unix())) < coarse {
			return false
		}
	}
	return true
}

// lastUnits are the units of each root that were looked at, while nothing has changed in their directories.
var lastUnits = struct {
	sync.Mutex
	of map[hostFiles]*units
}{of: map[hostFiles]*units{}}

// units are the unit files as they are now; they are not to be changed.
func (h hostFiles) units() *units {
	lastUnits.Lock()
	defer lastUnits.Unlock()
	if u := lastUnits.of[h]; u != nil && u.hold() {
		return u
	}
	now := time.Now()
	u := h.look()
	delete(lastUnits.of, h)
	if u.settled(now) {
		lastUnits.of[h] = u
	}
	return u
}
