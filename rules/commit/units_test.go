package commit

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestUnitsHold: what was read of unit files holds until an entry of a directory comes, goes or is replaced.
func TestUnitsHold(t *testing.T) {
	const dir, wants = "etc/systemd/system", "etc/systemd/system/multi-user.target.wants"
	for name, change := range map[string]func(root string) error{
		"a unit comes": func(root string) error { return os.WriteFile(filepath.Join(root, dir, "new.service"), nil, 0o600) },
		"a unit goes":  func(root string) error { return os.Remove(filepath.Join(root, dir, "old.service")) },
		"a unit is enabled": func(root string) error {
			return os.Symlink("../old.service", filepath.Join(root, wants, "old.service"))
		},
		"a unit is masked": func(root string) error {
			path := filepath.Join(root, dir, "old.service")
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Symlink("/dev/null", path)
		},
		"the first directory of its kind": func(root string) error { return os.MkdirAll(filepath.Join(root, "usr/lib/systemd/system"), 0o755) },
		"a directory is another one": func(root string) error {
			if err := os.Rename(filepath.Join(root, wants), filepath.Join(root, "aside")); err != nil {
				return err
			}
			return os.Mkdir(filepath.Join(root, wants), 0o755)
		},
	} {
		root := t.TempDir()
		if err := os.MkdirAll(filepath.Join(root, wants), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, dir, "old.service"), []byte("[Service]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		read := hostFiles(root).look()
		if !read.hold() {
			t.Errorf("before %s nothing has changed", name)
		}
		if read.settled(time.Now()) || !read.settled(time.Now().Add(time.Hour)) {
			t.Errorf("before %s: directories changed a moment ago are not settled, and are after an hour", name)
		}
		time.Sleep(10 * time.Millisecond) // longer than the tick of a file system's clock
		if err := change(root); err != nil {
			t.Fatal(err)
		}
		if read.hold() {
			t.Errorf("%s, and what was read before still holds", name)
		}
	}
}
