package systems

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/lab"
)

// programVariable names the nattui that is tested.
const programVariable = "NATTUI_SYSTEMS_PROGRAM"

// patience is how long is waited for what must come; nothing takes as long, unless it does not come at all.
const patience = 60 * time.Second

// system is a Debian that boots: a gateway with a network on either side.
type system struct {
	*testing.T
	dir    string // its upper layer, and everything else of it
	name   string // of the machine and its networks
	nspawn *exec.Cmd
	ended  chan error
	init   int // its first process, as seen from here
	// ungroup ends what is left of it when nspawn has ended.
	ungroup func() error
}

// slots limits how many systems run at a time.
var slots = make(chan struct{}, 2)

var count atomic.Int32

// The addresses: the gateway between a network outside and one inside.
const (
	wanGateway, wanHost = "203.0.113.1", "203.0.113.9"
	lanGateway, lanHost = "192.168.7.1", "192.168.7.10"
)

// addressesUnit sets the gateway's addresses, where a program that manages networks would.
const addressesUnit = `[Unit]
Description=Addresses
DefaultDependencies=no
After=network-pre.target local-fs.target
Wants=network-pre.target network.target
Before=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/ip addr add ` + wanGateway + `/24 dev wan0
ExecStart=/usr/sbin/ip addr add ` + lanGateway + `/24 dev lan0
ExecStart=/usr/sbin/ip link set lo up
ExecStart=/usr/sbin/ip link set wan0 up
ExecStart=/usr/sbin/ip link set lan0 up
[Install]
WantedBy=multi-user.target
`

// boot prepares a system and starts it. Units of other programs that are to run are named; they are not running in
// a system where they are not. prepare, which may be nil, changes the files before the first boot.
func boot(t *testing.T, units []string, prepare func(s *system)) *system {
	t.Helper()
	if testing.Short() {
		t.Skip("left out of short mode: it boots a system")
	}
	if lacking != "" {
		lab.Lacks(t, lacking)
	}
	t.Parallel()
	slots <- struct{}{}
	t.Cleanup(func() { <-slots })
	s := &system{T: t, dir: t.TempDir(), name: fmt.Sprintf("system%d", count.Add(1))}
	s.mount()
	s.write("/etc/systemd/system/addresses.service", addressesUnit)
	s.link("/etc/systemd/system/multi-user.target.wants/addresses.service", "/etc/systemd/system/addresses.service")
	for _, unit := range units {
		s.chroot("systemctl", "enable", "-q", unit)
	}
	if prepare != nil {
		prepare(s)
	}
	s.host("ip", "netns", "add", s.name)
	s.host("ip", "netns", "add", s.name+"lan")
	t.Cleanup(func() {
		s.stop(syscall.SIGKILL)
		s.host("ip", "netns", "del", s.name)
		s.host("ip", "netns", "del", s.name+"lan")
	})
	s.start()
	return s
}

func (s *system) root() string { return filepath.Join(s.dir, "root") }

// mount lays an overlay over the prepared system, in memory.
func (s *system) mount() {
	s.Helper()
	must := func(err error) {
		s.Helper()
		if err != nil {
			s.Fatal(err)
		}
	}
	must(unix.Mount("tmpfs", s.dir, "tmpfs", 0, ""))
	s.Cleanup(func() { _ = unix.Unmount(s.dir, unix.MNT_DETACH) })
	for _, name := range []string{"root", "upper", "work"} {
		must(os.Mkdir(filepath.Join(s.dir, name), 0o755))
	}
	must(unix.Mount("overlay", s.root(), "overlay", 0, "lowerdir="+root+",upperdir="+s.dir+"/upper,workdir="+s.dir+"/work"))
	s.Cleanup(func() { _ = unix.Unmount(s.root(), unix.MNT_DETACH) })
	content, err := os.ReadFile(os.Getenv(programVariable))
	must(err)
	must(os.WriteFile(filepath.Join(s.root(), "usr/local/bin/nattui"), content, 0o755))
}

// start boots the system and waits until it is up.
func (s *system) start() {
	s.Helper()
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		s.Fatal(err)
	}
	defer log.Close()
	s.nspawn = exec.Command("nsenter", "--net=/run/netns/"+s.name, "systemd-nspawn", "-D", s.root(), "-M", s.name, "--register=no", "--keep-unit",
		"--capability=all", "--network-veth-extra=vw:wan0", "--network-veth-extra=vl:lan0", "-b")
	s.nspawn.Env = append(os.Environ(), "SYSTEMD_SECCOMP=0", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1")
	s.nspawn.Stdout, s.nspawn.Stderr = log, log
	s.ungroup = lab.ControlGroup(s, s.nspawn)
	if err := s.nspawn.Start(); err != nil {
		s.Fatal(err)
	}
	ended := make(chan error, 1)
	go func(cmd *exec.Cmd) { ended <- cmd.Wait() }(s.nspawn)
	s.ended, s.init = ended, 0
	fail := func(why any) {
		s.Helper()
		text, _ := os.ReadFile(log.Name())
		s.Fatalf("the system does not come up: %v\n%s", why, text)
	}
	for late := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-ended:
			ended <- err
			fail(err)
		default:
		}
		if s.up() {
			break
		}
		if time.Now().After(late) {
			fail("it takes too long")
		}
	}
	s.host("ip", "-n", s.name, "addr", "add", wanHost+"/24", "dev", "vw")
	s.host("ip", "-n", s.name, "link", "set", "vw", "up")
	s.host("ip", "-n", s.name, "link", "set", "vl", "netns", s.name+"lan")
	s.host("ip", "-n", s.name+"lan", "addr", "add", lanHost+"/24", "dev", "vl")
	for _, link := range []string{"lo", "vl"} {
		s.host("ip", "-n", s.name+"lan", "link", "set", link, "up")
	}
	s.host("ip", "-n", s.name+"lan", "route", "add", "default", "via", lanGateway)
}

// up reports whether everything that starts at boot has started, or failed.
func (s *system) up() bool {
	pid := s.nspawn.Process.Pid
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	fields := strings.Fields(string(children))
	if len(fields) == 0 {
		return false
	}
	s.init, _ = strconv.Atoi(fields[0])
	out, _ := s.try("systemctl", "is-system-running")
	state := strings.TrimSpace(out)
	return state == "running" || state == "degraded"
}

// stop ends the system, at once.
func (s *system) stop(signal syscall.Signal) {
	if s.init > 0 {
		_ = syscall.Kill(s.init, signal)
	}
	_ = s.nspawn.Process.Kill()
	<-s.ended
	s.ended <- nil
	s.clear()
}

// clear removes what an ended system leaves outside of its files.
func (s *system) clear() {
	s.Helper()
	if err := s.ungroup(); err != nil {
		s.Error(err)
	}
	s.ungroup = func() error { return nil }
}

// reboot starts the system again as an administrator would.
func (s *system) reboot() {
	s.Helper()
	s.try("systemctl", "reboot")
	select {
	case <-s.ended:
		s.clear()
	case <-time.After(patience):
		s.Fatal("the system does not end")
	}
	s.start()
}

// try runs a program in the system, with its output whatever it is.
func (s *system) try(argv ...string) (string, error) {
	enter := []string{
		"-t", strconv.Itoa(s.init), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "/usr/bin/env", "-i",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root",
	}
	out, err := exec.Command("nsenter", append(enter, argv...)...).CombinedOutput()
	return string(out), err
}

// run is try for what must succeed.
func (s *system) run(argv ...string) string {
	s.Helper()
	out, err := s.try(argv...)
	if err != nil {
		s.Fatalf("%q: %v: %s", argv, err, out)
	}
	return out
}

// host runs a program of this machine.
func (s *system) host(argv ...string) string {
	s.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		s.Errorf("%q: %v: %s", argv, err, out)
	}
	return string(out)
}

// chroot runs a program in the system's files before it boots, without any network.
func (s *system) chroot(argv ...string) {
	s.Helper()
	s.host(append([]string{"unshare", "--net", "chroot", s.root(), "env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, argv...)...)
}

// write puts a file of the system in place, before or after it has booted.
func (s *system) write(path, text string) {
	s.Helper()
	path = filepath.Join(s.root(), path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		s.Fatal(err)
	}
}

func (s *system) link(path, target string) {
	s.Helper()
	path = filepath.Join(s.root(), path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(target, path)); err != nil {
		s.Fatal(err)
	}
}

// read is a file of the system; "" if it is not there.
func (s *system) read(path string) string {
	content, _ := os.ReadFile(filepath.Join(s.root(), path))
	return string(content)
}

// rules are the rules of a table, and times how often a line stands in them.
func (s *system) rules(table string) string {
	s.Helper()
	return s.run("iptables", "-w", "5", "-t", table, "-S")
}

// once fails the test unless each line stands exactly once in the table.
func (s *system) once(table string, lines ...string) {
	s.Helper()
	now := s.rules(table)
	for _, line := range lines {
		if n := strings.Count("\n"+now, "\n"+line+"\n"); n != 1 {
			s.Errorf("%d times in table %s, instead of once: %s\n%s", n, table, line, now)
		}
	}
}

// eventually waits until something holds.
func (s *system) eventually(what string, holds func() bool) {
	s.Helper()
	for late := time.Now().Add(patience); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(late) {
			out, _ := s.try("sh", "-c", "ps axf; ss -tnp; iptables-save; systemctl --failed")
			s.Fatalf("waited in vain: %s\n%s", what, out)
		}
	}
}
