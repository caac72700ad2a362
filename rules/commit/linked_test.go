package commit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nattui/rules/commit"
)

// TestSavingFollowsALink: where the file of the rules is a link, what it leads to is written and keeps its mode, and the link
// stays; undoing puts that back, and removes what was not there.
func TestSavingFollowsALink(t *testing.T) {
	for _, there := range []bool{true, false} {
		onHost(t, []string{"/usr/sbin/netfilter-persistent"}, func(b *booting) {
			b.load(ours)
			link, target := filepath.Join(b.root, "/etc/iptables/rules.v4"), filepath.Join(b.root, "/etc/myrules")
			err := errors.Join(os.MkdirAll(filepath.Dir(link), 0o755), os.Symlink("../myrules", link))
			if there {
				err = errors.Join(err, os.WriteFile(target, []byte("*nat\nCOMMIT\n"), 0o640))
			}
			if err != nil {
				b.Fatal(err)
			}
			agreed := b.options()
			agreed.Replace = true
			e, saving, err := b.c.Save(context.Background(), agreed)
			if err != nil {
				b.Fatal(err)
			}
			if told := strings.Join(saving.Notes, "\n"); !strings.Contains(told, "/etc/iptables/rules.v4 is a link to /etc/myrules: that file is written") {
				b.Errorf("said: %s", told)
			}
			if to, err := os.Readlink(link); err != nil || to != "../myrules" {
				b.Errorf("the link leads to %q, %v", to, err)
			}
			info, err := os.Lstat(target)
			if err != nil || there && info.Mode() != 0o640 || !strings.Contains(b.file("/etc/myrules"), "-A POSTROUTING -o wan0 -j MASQUERADE") {
				b.Errorf("the target is %v, %v\n%s", info, err, b.file("/etc/myrules"))
			}
			if _, err := b.c.Undo(context.Background(), e.ID, commit.Options{}); err != nil {
				b.Fatal(err)
			}
			if to, err := os.Readlink(link); err != nil || to != "../myrules" {
				b.Errorf("after undoing the link leads to %q, %v", to, err)
			}
			if text, err := os.ReadFile(target); there != (err == nil) || there && string(text) != "*nat\nCOMMIT\n" {
				b.Errorf("after undoing: %q, %v", text, err)
			}
		})
	}
}
