package commit_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nattui/rules"
	"nattui/rules/commit"
)

// TestUnreadableRulesAreNotSaved: what the restore program could not read is left out and said, the rest comes back, by
// nattui and by the script that runs without it.
func TestUnreadableRulesAreNotSaved(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		b.load(ours)
		want := b.state()
		b.iptables("-I", "FORWARD", "1", "-s", "10.0.0.7", "-m", "comment", "--comment", "two\nCOMMIT\n*filter\n-A INPUT -j DROP\nCOMMIT", "-j", "ACCEPT")
		_, saving := b.save()
		if saving.Kept != 5 || len(saving.Unreadable) != 1 || !strings.Contains(saving.Unreadable[0].String(), "10.0.0.7") {
			b.Errorf("saved: %+v", saving)
		}
		path := "/etc/nattui/ipv4." + b.at.Backend.String()
		if text := b.file(path); strings.Contains(text, "10.0.0.7") || strings.Count(text, "COMMIT") != 2 {
			b.Errorf("the file is\n%s", text)
		}
		if drift, err := b.c.Drift(b.options()); err != nil || len(drift.Running) != 1 || len(drift.Saved) != 0 {
			b.Errorf("it differs by %+v, %v", drift, err)
		}
		b.clear()
		b.restore()
		b.same("restored", b.state(), want)
		b.clear()
		b.runScript()
		b.same("restored without nattui", b.state(), want)
		// An older nattui saved such rules, and a file may have been edited.
		bad := "-A FORWARD -s 10.0.0.7/32 -m comment --comment \"two\nCOMMIT\n-A INPUT -j DROP\" -j ACCEPT\n-A FORWARD -m nosuchmatch -j ACCEPT\n"
		text := strings.Replace(b.file(path), "-A FORWARD", bad+"-A FORWARD", 1)
		text = strings.Replace(text, "-A PREROUTING", "and so on\n-A PREROUTING --match-nothing -j LOG\n-A PREROUTING", 1)
		if err := os.WriteFile(filepath.Join(b.root, path), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		b.clear()
		r, err := b.c.Restore(context.Background(), commit.SaveOptions{Standby: b.at.Backend}, []rules.Variant{b.at})
		b.same("from a damaged file", b.state(), want)
		for _, part := range []string{"10.0.0.7", "nosuchmatch", "--match-nothing"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				b.Errorf("%s is not named: %v", part, err)
			}
		}
		if !slices.ContainsFunc(r.Notes, func(note string) bool { return strings.Contains(note, "and so on") }) {
			b.Errorf("the notes are %q", r.Notes)
		}
	})
}

// runScript runs the script that is saved, over the files of this host.
func (b *booting) runScript() {
	b.Helper()
	script := strings.ReplaceAll(b.file("/etc/nattui/restore"), "/etc/nattui/", filepath.Join(b.root, "/etc/nattui")+"/")
	cmd := exec.Command("sh")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Errorf("%v: %s\n%s", err, out, script)
	}
}

// TestScriptSavesOthers: without nattui, a line that is refused does not lose the others, and nothing is closed or dropped that
// it may have let pass.
func TestScriptSavesOthers(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		b.load(ours)
		want := strings.Replace(b.state(), "filter :INPUT DROP", "filter :INPUT ACCEPT", 1)
		b.save()
		path := filepath.Join(b.root, "/etc/nattui/ipv4."+b.at.Backend.String())
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(text), "-A INPUT -i lo -j ACCEPT\n", "-A INPUT -m nosuchmatch -j ACCEPT\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j DROP\n", 1)), 0o600); err != nil {
			b.Fatal(err)
		}
		b.clear()
		script := strings.ReplaceAll(b.file("/etc/nattui/restore"), "/etc/nattui/", filepath.Join(b.root, "/etc/nattui")+"/")
		cmd := exec.Command("sh")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "nosuchmatch") {
			b.Errorf("%v: %s", err, out)
		}
		b.same("by the script", b.state(), want)
	})
}

// TestSavedFileIsTried: what the restore program complains of is left out before the file is replaced, and where it names
// no rule, the file that is there stays.
func TestSavedFileIsTried(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		b.load(ours)
		end := b.oddlyAt("case \"$*\" in *--test*) grep -n 'i lo' | sed 's/:.*//;s/^/Error occurred at line: /' | grep . >&2 && exit 2; exit 0;; esac\n%s \"$@\"")
		_, saving := b.save()
		if saving.Kept != 4 || len(saving.Unreadable) != 1 || strings.Contains(b.file("/etc/nattui/ipv4."+b.at.Backend.String()), "-i lo") {
			b.Errorf("saved: %+v", saving)
		}
		end()
		before := b.file("/etc/nattui/ipv4." + b.at.Backend.String())
		end = b.oddlyAt("case \"$*\" in *--test*) cat >/dev/null; echo 'out of order' >&2; exit 2;; esac\n%s \"$@\"")
		if _, _, err := b.c.Save(context.Background(), b.options()); err == nil || !strings.Contains(err.Error(), "out of order") {
			b.Errorf("the error is %v", err)
		}
		end()
		b.same("the file", b.file("/etc/nattui/ipv4."+b.at.Backend.String()), before)
	})
}

// oddlyAt is oddly for a host with files.
func (b *booting) oddlyAt(script string) (end func()) {
	b.Helper()
	open := func() {
		store, err := commit.Open(b.dir)
		if err != nil {
			b.Fatal(err)
		}
		b.c = commit.New(store, commit.Kernel{Tables: b.tables, Settings: settings{}}, commit.Setup{Root: b.root, Guard: guardCommand()})
	}
	away := b.oddly(odd{script: script})
	open()
	return func() {
		away()
		open()
	}
}

// TestRestoreFromAFileCutShort: wherever a saved file was cut, what drops packets comes only with what lets the operator
// in, no rule comes without its conditions, and the file is named.
func TestRestoreFromAFileCutShort(t *testing.T) {
	const accepts = "-A INPUT -s 203.0.113.0/24 -p tcp -m tcp --dport 22 -j ACCEPT"
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		b.load("*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\n" + accepts + "\nCOMMIT\n")
		b.save()
		path := "/etc/nattui/ipv4." + b.at.Backend.String()
		whole := b.file(path)
		begin := strings.Index(whole, "*filter")
		for _, at := range []int{0, begin - 9, begin, begin + 4, strings.Index(whole, "-A INPUT -i lo"), strings.Index(whole, accepts), strings.Index(whole, " --dport 22"), strings.Index(whole, " -j ACCEPT\nCOMMIT"), strings.LastIndex(whole, "COMMIT"), len(whole) - 3} {
			b.clear()
			if err := os.WriteFile(filepath.Join(b.root, path), []byte(whole[:at]), 0o600); err != nil {
				b.Fatal(err)
			}
			_, err := b.c.Restore(context.Background(), commit.SaveOptions{Standby: b.at.Backend}, []rules.Variant{b.at})
			if err == nil || !strings.Contains(err.Error(), path+" is damaged") {
				b.Errorf("cut at %d: %v", at, err)
			}
			got := b.state()
			if strings.Contains(got, ":INPUT DROP") && !strings.Contains(got, accepts) {
				b.Errorf("cut at %d, the gateway is closed:\n%s", at, got)
			}
			if strings.Count(got, "-A INPUT") != strings.Count(got, "-A INPUT -i lo -j ACCEPT")+strings.Count(got, accepts) {
				b.Errorf("cut at %d, half a rule:\n%s", at, got)
			}
		}
	})
}
