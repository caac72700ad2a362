package commit_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nattui/model/host"
	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/nftables"
)

// dockerLike is what Docker makes, told by its names.
const dockerLike = `*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -j RETURN
COMMIT
`

const ours = `*nat
:MINE - [0:0]
-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j MINE
-A POSTROUTING -o wan0 -j MASQUERADE
-A MINE -m comment --comment "the shop, \"new\"" -j DNAT --to-destination 192.168.0.2
COMMIT
*filter
:INPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A FORWARD -i wan0 -p tcp -m tcp --dport 80 -j ACCEPT
COMMIT
`

// booting is a host whose boot is to be tried: files at a root of its own.
type booting struct {
	*gateway
	root string
}

// onHost runs a test on a host that has the files.
func onHost(t *testing.T, files []string, test func(b *booting)) {
	t.Helper()
	for _, at := range []rules.Variant{variants[0], variants[2]} {
		t.Run(at.Backend.String(), func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			b := &booting{newGateway(t, at), t.TempDir()}
			for _, name := range files {
				path := filepath.Join(b.root, name)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o755)); err != nil {
					t.Fatal(err)
				}
			}
			store, err := commit.Open(b.dir)
			if err != nil {
				t.Fatal(err)
			}
			b.c = commit.New(store, commit.Kernel{Tables: b.tables, Settings: settings{}, Native: &nftables.Changer{}}, commit.Setup{Root: b.root, Guard: guardCommand()})
			test(b)
		})
	}
}

func (b *booting) load(text string) {
	b.Helper()
	cmd := exec.Command(b.program()+"-restore", "--noflush")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
}

func (b *booting) options(managers ...string) commit.SaveOptions {
	b.Helper()
	all, err := b.tables.ReadAll(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	for variant := range all {
		if variant != b.at {
			delete(all, variant)
		}
	}
	return commit.SaveOptions{Sets: all, Standby: b.at.Backend, Managers: managers}
}

func (b *booting) file(path string) string {
	b.Helper()
	text, err := os.ReadFile(filepath.Join(b.root, path))
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

// clear leaves the tables as they are when a host starts.
func (b *booting) clear() {
	b.Helper()
	for _, table := range []string{"nat", "filter"} {
		b.iptables("-t", table, "-F")
		b.iptables("-t", table, "-X")
	}
	for _, chain := range []string{"INPUT", "FORWARD", "OUTPUT"} {
		b.iptables("-P", chain, "ACCEPT")
	}
}

func (b *booting) save(managers ...string) (commit.Entry, commit.Saving) {
	b.Helper()
	e, saving, err := b.c.Save(context.Background(), b.options(managers...))
	if err != nil {
		b.Fatal(err)
	}
	return e, saving
}

// restore does what the unit does at boot.
func (b *booting) restore() {
	b.Helper()
	o := commit.SaveOptions{Standby: b.at.Backend}
	if _, err := b.c.Restore(context.Background(), o, []rules.Variant{b.at}); err != nil {
		b.Fatal(err)
	}
}

// TestOwnUnit keeps the rules on a host where nothing else does, starts the host
// again with Docker there first, and finds both.
func TestOwnUnit(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		b.load(ours)
		b.iptables("-P", "FORWARD", "DROP") // as Docker leaves it, whether it will do so again or not
		own := b.state()
		b.load(dockerLike)
		both := lines(b.state())
		e, saving := b.save("docker")
		if saving.Method != "the unit nattui.service" || saving.Kept != 5 || saving.Left["docker"] != 5 {
			b.Errorf("saved: %+v", saving)
		}
		if !slices.Contains(saving.Notes, "docker adds its own rules when it starts; they are not saved") {
			b.Errorf("the notes are %q", saving.Notes)
		}
		if link, err := os.Readlink(filepath.Join(b.root, "/etc/systemd/system/multi-user.target.wants/nattui.service")); err != nil || link != "/etc/systemd/system/nattui.service" {
			b.Errorf("the unit is not enabled: %q, %v", link, err)
		}
		if drift, err := b.c.Drift(b.options()); err != nil || !drift.None() || drift.Nothing {
			b.Errorf("drift right after saving: %+v, %v", drift, err)
		}
		restore := b.restore
		b.clear()
		restore()
		if got, want := lines(b.state()), lines(own); !slices.Equal(got, want) {
			b.Errorf("after a start without Docker:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		b.clear()
		b.load(dockerLike)
		restore()
		restore() // once more changes nothing
		if got := lines(b.state()); !slices.Equal(got, both) {
			b.Errorf("after a start with Docker:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(both, "\n"))
		}
		if again, saving := b.save(); again.ID != "" || saving.Changes() {
			b.Errorf("saving again changed something: %+v", again)
		}
		if _, err := b.c.Undo(context.Background(), e.ID, commit.Options{}); err != nil {
			b.Fatal(err)
		}
		for _, f := range saving.Files {
			if _, err := os.Lstat(filepath.Join(b.root, f.Path)); err == nil {
				b.Errorf("%s is still there", f.Path)
			}
		}
		// And undoing that saves them again.
		again, err := b.c.Undo(context.Background(), "2", commit.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if drift, err := b.c.Drift(b.options()); err != nil || !drift.None() || drift.Nothing {
			b.Errorf("after undoing the undoing: %+v, %v", drift, err)
		}
		if _, err := b.c.Undo(context.Background(), again.ID, commit.Options{}); err != nil {
			b.Fatal(err)
		}
	})
}

// TestPoliciesComeBack: a chain is closed after a reboot as it was before, whoever has rules in it, and whether forwarding
// is on before Docker starts or not.
func TestPoliciesComeBack(t *testing.T) {
	const others = "*filter\n:f2b-sshd - [0:0]\n-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n-A f2b-sshd -j RETURN\nCOMMIT\n"
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		b.load(ours)
		b.load(dockerLike)
		b.load(others)
		before := lines(b.state())
		b.save("docker", "fail2ban")
		b.clear()
		b.restore()
		// Docker finds forwarding switched on, and does not close FORWARD.
		b.load(strings.Replace(dockerLike, ":FORWARD DROP", ":FORWARD -", 1))
		b.load(others)
		if got := lines(b.state()); !slices.Equal(got, before) {
			b.Errorf("after a start:\n%s\nbefore\n%s", strings.Join(got, ""), strings.Join(before, ""))
		}
	})
}

// TestForwardPolicyAlone: where a switch alone is saved that has Docker leave FORWARD open, what closes it is saved too.
func TestForwardPolicyAlone(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		b.load(dockerLike)
		if drift, err := b.c.Drift(b.options("docker")); err != nil || !drift.None() {
			b.Errorf("of Docker alone: %+v, %v", drift, err)
		}
		if now, err := host.Sysctl("net.ipv4.ip_forward"); err != nil || now == "1" {
			b.Skipf("forwarding is %q, %v", now, err)
		}
		b.run(rules.Plan{Title: "Test.", Steps: []rules.Step{{Sysctl: &rules.Sysctl{Name: "net.ipv4.ip_forward", Value: "1"}}}}, commit.Options{})
		b.save("docker")
		if text := b.file("/etc/nattui/ipv4." + b.at.Backend.String()); !strings.Contains(text, ":FORWARD DROP") {
			b.Errorf("saved is\n%s", text)
		}
	})
}

// TestPoliciesOfOwners: the policies that ufw and firewalld set are theirs, also beside Docker and where forwarding is saved.
func TestPoliciesOfOwners(t *testing.T) {
	for name, others := range map[string]string{
		"ufw":       "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:ufw-before-input - [0:0]\n:ufw-before-forward - [0:0]\n-A INPUT -j ufw-before-input\n-A FORWARD -j ufw-before-forward\nCOMMIT\n",
		"firewalld": "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:INPUT_direct - [0:0]\n:FORWARD_direct - [0:0]\n-A INPUT -j INPUT_direct\n-A FORWARD -j FORWARD_direct\nCOMMIT\n",
	} {
		t.Run(name, func(t *testing.T) {
			onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
				b.load(strings.Replace(ours, ":INPUT DROP", ":INPUT -", 1))
				b.load(dockerLike)
				b.load(others)
				b.save(name, "docker")
				path := "/etc/nattui/ipv4." + b.at.Backend.String()
				if text := b.file(path); strings.Contains(text, "DROP") {
					b.Errorf("saved is\n%s", text)
				}
				b.clear()
				b.restore()
				if got := b.state(); strings.Contains(got, "DROP") {
					b.Errorf("after a start without %s:\n%s", name, got)
				}
				// An older nattui saved them as the administrator's.
				text := strings.Replace(b.file(path), ":FORWARD -", ":FORWARD DROP", 1)
				if err := os.WriteFile(filepath.Join(b.root, path), []byte(text), 0o600); err != nil {
					b.Fatal(err)
				}
				b.load(strings.ReplaceAll(others, "DROP", "ACCEPT"))
				r, err := b.c.Restore(context.Background(), commit.SaveOptions{Standby: b.at.Backend}, []rules.Variant{b.at})
				if want := "the policy DROP of FORWARD was not restored: " + name + " sets it there"; err != nil || !slices.Contains(r.Notes, want) {
					b.Errorf("the notes are %q, %v", r.Notes, err)
				}
				if got := b.state(); strings.Contains(got, "DROP") {
					b.Errorf("after a start with %s:\n%s", name, got)
				}
			})
		})
	}
}

// Rules that the administrator put into Docker's DOCKER-USER are his own: they are
// back after a start, whether Docker comes later or was there first, and nothing
// of Docker's comes with them.
func TestDockerUserRulesAreKept(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		b.load(dockerLike)
		b.iptables("-I", "DOCKER-USER", "-s", "10.66.0.0/16", "-j", "DROP")
		_, saving := b.save("docker")
		if saving.Kept != 1 || saving.Left["docker"] != 5 {
			b.Errorf("saved: %+v", saving)
		}
		kept := b.file("/etc/nattui/ipv4." + b.at.Backend.String())
		for line := range strings.Lines(kept) {
			if strings.HasPrefix(line, "-A") && line != "-A DOCKER-USER -s 10.66.0.0/16 -j DROP\n" {
				b.Errorf("of Docker's own, this is kept: %s", line)
			}
		}
		restore := b.restore
		b.clear()
		restore()
		// As Docker starts: the chain is made unless it is there, ended by RETURN
		// unless it has that, and jumped to from the front of FORWARD.
		if exec.Command(b.program(), "-n", "-L", "DOCKER-USER").Run() != nil {
			b.iptables("-N", "DOCKER-USER")
		}
		if exec.Command(b.program(), "-C", "DOCKER-USER", "-j", "RETURN").Run() != nil {
			b.iptables("-A", "DOCKER-USER", "-j", "RETURN")
		}
		b.iptables("-I", "FORWARD", "-j", "DOCKER-USER")
		want := "filter -A FORWARD -j DOCKER-USER\nfilter :DOCKER-USER -\nfilter -A DOCKER-USER -s 10.66.0.0/16 -j DROP\nfilter -A DOCKER-USER -j RETURN\n"
		if got := b.state(); !strings.Contains(got, want) {
			b.Errorf("after a start before Docker:\n%s", got)
		}
		b.clear()
		b.load(dockerLike)
		restore()
		want = "filter -A FORWARD -j DOCKER-USER\nfilter :DOCKER-USER -\nfilter -A DOCKER-USER -s 10.66.0.0/16 -j DROP\n"
		if got := b.state(); !strings.Contains(got, want) || !strings.Contains(got, "-A DOCKER ! -i docker0") {
			b.Errorf("after a start behind Docker:\n%s", got)
		}
	})
}

// lines sorts what stands where nothing but the order of chains may differ.
func lines(state string) []string { return slices.Sorted(strings.Lines(state)) }

func TestNetfilterPersistent(t *testing.T) {
	onHost(t, []string{"/usr/sbin/netfilter-persistent"}, func(b *booting) {
		b.load(ours)
		b.iptables("-P", "FORWARD", "DROP")
		own := b.state()
		b.load(dockerLike)
		path := filepath.Join(b.root, "/etc/iptables/rules.v4")
		old := "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 10.9.9.9/32 -j ACCEPT\nCOMMIT\n"
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(old), 0o640)); err != nil {
			b.Fatal(err)
		}
		drift, err := b.c.Drift(b.options())
		if err != nil || len(drift.Saved) != 1 || drift.Saved[0].Line != "-A PREROUTING -s 10.9.9.9/32 -j ACCEPT" || len(drift.Running) != 8 {
			b.Errorf("drift: %+v, %v", drift, err)
		}
		if _, _, err := b.c.Save(context.Background(), b.options()); err == nil {
			b.Error("a rule that somebody else has saved is lost without a question")
		}
		agreed := b.options()
		agreed.Replace = true
		e, saving, err := b.c.Save(context.Background(), agreed)
		if err != nil {
			b.Fatal(err)
		}
		if saving.Method != "netfilter-persistent" || len(saving.Files) != 1 {
			b.Errorf("saved: %+v", saving)
		}
		b.clear()
		cmd := exec.Command(b.program() + "-restore")
		cmd.Stdin = strings.NewReader(b.file("/etc/iptables/rules.v4"))
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		if got, want := lines(b.state()), lines(own); !slices.Equal(got, want) {
			b.Errorf("after a start:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		b.iptables("-t", "nat", "-A", "POSTROUTING", "-s", "10.8.8.8", "-j", "ACCEPT")
		if drift, err = b.c.Drift(b.options()); err != nil || len(drift.Running) != 1 || len(drift.Saved) != 0 {
			b.Errorf("drift: %+v, %v", drift, err)
		}
		if _, err := b.c.Undo(context.Background(), e.ID, commit.Options{}); err != nil {
			b.Fatal(err)
		}
		if got := b.file("/etc/iptables/rules.v4"); got != old {
			b.Errorf("after undoing, the file is %q", got)
		}
	})
}

// TestSavingIsInterrupted ends nattui between the files it writes: the next one
// puts back what was written.
func TestSavingIsInterrupted(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		b.load(ours)
		files := 4
		if testing.Short() {
			files = 1
		}
		for last := 1; last <= files; last++ {
			b.interrupt(last)
			if e := b.entry("1"); e.State != commit.Pending {
				b.Fatalf("interrupted at file %d, the entry is %s", last, e.State)
			}
			if err := b.c.Recover(context.Background()); err != nil {
				b.Fatal(err)
			}
			if e := b.entry("1"); e.State != commit.RolledBack {
				b.Errorf("the entry is %s", e.State)
			}
			left, err := filepath.Glob(filepath.Join(b.root, "/etc/nattui/*"))
			if err != nil || len(left) > 0 {
				b.Errorf("interrupted at file %d, %q is left, %v", last, left, err)
			}
			b.forgetAll()
		}
	})
}

// interrupt begins to save and stops before the file of the number. The lock goes
// as it does with a process.
func (b *booting) interrupt(last int) {
	n := 0
	b.c.OnStep(func(name string) {
		if name != "file" {
			return
		}
		if n++; n == last {
			panic(name)
		}
	})
	defer func() {
		_ = recover()
		b.c.OnStep(func(string) {})
	}()
	_, _, _ = b.c.Save(context.Background(), b.options())
	b.Fatalf("there is no file %d", last)
}

func TestSavingIsRefused(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		b.load(ours)
		wants := filepath.Join(b.root, "/etc/systemd/system")
		// The last of the files cannot be written: there is a file where its directory should be.
		if err := errors.Join(os.MkdirAll(wants, 0o755), os.WriteFile(filepath.Join(wants, "multi-user.target.wants"), nil, 0o644)); err != nil {
			b.Fatal(err)
		}
		e, saving, err := b.c.Save(context.Background(), b.options())
		if !errors.Is(err, syscall.ENOTDIR) {
			b.Errorf("the error is %v", err)
		}
		if e.State == commit.Applied {
			b.Errorf("the entry is %+v", e)
		}
		for _, f := range saving.Files {
			if _, err := os.Lstat(filepath.Join(b.root, f.Path)); err == nil {
				b.Errorf("%s is left", f.Path)
			}
		}
	})
}

// TestWhatElseIsKept: temporary rules are not, settings that nattui has changed are.
func TestWhatElseIsKept(t *testing.T) {
	onHost(t, []string{"/usr/sbin/netfilter-persistent"}, func(b *booting) {
		b.load(ours)
		flip := flipped(b.T)
		b.run(rules.Plan{Title: "Test.", Steps: []rules.Step{{Sysctl: &rules.Sysctl{Name: "net.ipv4.ip_forward", Value: flip}}}}, commit.Options{})
		b.run(order{Variant: b.at, Lines: []string{"nat -A PREROUTING -s 10.7.7.7/32 -j ACCEPT"}}.plan(), commit.Options{For: time.Hour})
		b.save()
		if text := b.file("/etc/iptables/rules.v4"); strings.Contains(text, "10.7.7.7") || !strings.Contains(text, "MASQUERADE") {
			b.Errorf("the rules kept are\n%s", text)
		}
		if text := b.file("/etc/sysctl.d/90-nattui.conf"); text != "# Saved by nattui.\nnet.ipv4.ip_forward = "+flip+"\n" {
			b.Errorf("the settings kept are\n%s", text)
		}
		for _, id := range []string{"3", "2", "1"} {
			if _, err := b.c.Undo(context.Background(), id, commit.Options{}); err != nil {
				b.Fatal(err)
			}
		}
		if now, err := host.Sysctl("net.ipv4.ip_forward"); err != nil || now == flip {
			b.Errorf("ip_forward is %q, %v", now, err)
		}
		// A setting of a recipe that is meant for boot is kept at once.
		boot := &rules.Sysctl{Name: "net.ipv4.conf.all.route_localnet", Value: "1", Boot: true}
		e := b.run(rules.Plan{Title: "Test.", Steps: []rules.Step{{Sysctl: boot}}}, commit.Options{Confirm: time.Hour})
		if _, err := os.Stat(filepath.Join(b.root, "/etc/sysctl.d/90-nattui.conf")); err == nil {
			b.Error("kept before it was confirmed")
		}
		if _, err := b.c.Confirm(context.Background(), e.ID); err != nil {
			b.Fatal(err)
		}
		if text := b.file("/etc/sysctl.d/90-nattui.conf"); !strings.Contains(text, "net.ipv4.conf.all.route_localnet = 1\n") {
			b.Errorf("the settings kept are\n%s", text)
		}
		b.nobodyLeft()
	})
}

// untried is a kernel whose programs read everything.
type untried struct{ commit.Tables }

func (untried) Try(context.Context, rules.Variant, []byte) (int, error) { return 0, nil }

// fedoraUnits are those of iptables-services, enabled.
var fedoraUnits = []string{
	"/usr/lib/systemd/system/iptables.service", "/usr/lib/systemd/system/ip6tables.service",
	"/etc/systemd/system/multi-user.target.wants/iptables.service", "/etc/systemd/system/multi-user.target.wants/ip6tables.service",
}

func TestKeepers(t *testing.T) {
	tests := map[string]struct {
		files   []string
		conf    string // /etc/conf.d/iptables
		method  string
		written []string
	}{
		"fedora":  {append([]string{"/etc/sysconfig/iptables", "/usr/lib/systemd/systemd"}, fedoraUnits...), "", "iptables-services", []string{"/etc/sysconfig/iptables"}},
		"arch":    {[]string{"/usr/lib/systemd/system/iptables.service"}, "", "the unit iptables.service", []string{"/etc/iptables/iptables.rules"}},
		"gentoo":  {[]string{"/etc/init.d/iptables"}, "", "the OpenRC service iptables", []string{"/var/lib/iptables/rules-save"}},
		"alpine":  {[]string{"/etc/init.d/iptables"}, "IPTABLES_SAVE=\"/etc/iptables/rules-save\"\n", "the OpenRC service iptables", []string{"/etc/iptables/rules-save"}},
		"openrc":  {[]string{"/sbin/openrc-run"}, "", "the OpenRC service nattui", []string{"/etc/init.d/nattui", "/etc/nattui/ipv4.nft", "/etc/nattui/restore", "/etc/runlevels/default/nattui"}},
		"nothing": {nil, "", "/etc/nattui", []string{"/etc/nattui/ipv4.nft", "/etc/nattui/restore"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			put := func(name, text string) {
				path := filepath.Join(root, name)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range test.files {
				put(f, "\n")
			}
			if test.conf != "" {
				put("/etc/conf.d/iptables", test.conf)
			}
			store, err := commit.Open(filepath.Join(t.TempDir(), "state"))
			if err != nil {
				t.Fatal(err)
			}
			c := commit.New(store, commit.Kernel{Tables: untried{}, Settings: settings{}}, commit.Setup{Root: root})
			tables, err := rules.Read(strings.NewReader("*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o wan0 -j MASQUERADE\nCOMMIT\n"))
			if err != nil {
				t.Fatal(err)
			}
			variant := rules.Variant{Family: rules.IPv4, Backend: rules.NFT}
			_, saving, err := c.Save(context.Background(), commit.SaveOptions{
				Sets: map[rules.Variant]*rules.Ruleset{variant: {Family: variant.Family, Backend: variant.Backend, Tables: tables}}, Standby: rules.NFT,
			})
			if err != nil {
				t.Fatal(err)
			}
			written := map[string]bool{}
			for _, f := range saving.Files {
				written[f.Path] = true
				if _, err := os.Lstat(filepath.Join(root, f.Path)); err != nil {
					t.Error(err)
				}
			}
			if got := slices.Sorted(maps.Keys(written)); saving.Method != test.method || !slices.Equal(got, test.written) {
				t.Errorf("kept by %q in %q, want %q in %q", saving.Method, got, test.method, test.written)
			}
		})
	}
}
