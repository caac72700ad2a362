package commit_test

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/rules"
	"nattui/rules/commit"
)

// ownNetwork runs the test again in a network namespace of its own, but with the
// process ids of the host: those that the kernel announces. It returns true in the
// outer process, once that is done.
func ownNetwork(t *testing.T) bool {
	t.Helper()
	const inside = "COMMIT_TEST_NETWORK"
	if os.Getenv(inside) != "" {
		return false
	}
	if ns, _ := os.Readlink("/proc/self/ns/pid"); os.Geteuid() != 0 || ns != "pid:[4026531836]" {
		t.Skip("it needs root and the first PID namespace: the kernel announces process ids of that one")
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+regexp.QuoteMeta(t.Name())+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), inside+"=1", "XTABLES_LOCKFILE="+t.TempDir()+"/lock")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil && strings.Contains(err.Error(), "operation not permitted"):
		t.Skip("no network namespace may be made here")
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	return true
}

// killer kills each iptables-restore in the instant in which the kernel announces
// its transaction: it has committed, and not ended.
type killer struct {
	on    atomic.Bool
	kills atomic.Int64
}

func newKiller(t *testing.T) *killer {
	t.Helper()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.NFNLGRP_NFTABLES); err != nil {
		t.Fatal(err)
	}
	k := &killer{}
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil && err != unix.EINTR && err != unix.ENOBUFS {
				return
			}
			if pid := committer(buf[:max(n, 0)]); pid > 0 && k.on.Load() && syscall.Kill(pid, syscall.SIGKILL) == nil {
				k.kills.Add(1)
			}
		}
	}()
	return k
}

// committer is the process that a datagram says has committed, if it is an
// iptables-restore; 0 otherwise.
func committer(b []byte) int {
	pid := 0
	for len(b) >= unix.SizeofNlMsghdr+4 {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr+4 || size > len(b) {
			break
		}
		if binary.NativeEndian.Uint16(b[4:]) == unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWGEN {
			name, number := "", 0
			for a := b[unix.SizeofNlMsghdr+4 : size]; len(a) >= 4; {
				n := int(binary.NativeEndian.Uint16(a))
				if n < 4 || n > len(a) {
					break
				}
				switch binary.NativeEndian.Uint16(a[2:]) {
				case unix.NFTA_GEN_PROC_PID:
					number = int(binary.BigEndian.Uint32(a[4:]))
				case unix.NFTA_GEN_PROC_NAME:
					name = strings.TrimRight(string(a[4:n]), "\x00")
				}
				a = a[min((n+3)&^3, len(a)):]
			}
			if strings.Contains(name, "-nft-r") || name == "nft" { // of 15 bytes
				pid = number
			}
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return pid
}

// TestKilledAtTheCommit has every iptables-restore killed between its commit and
// its end, for each kind of change, its undoing and its rollback.
func TestKilledAtTheCommit(t *testing.T) {
	long(t)
	if ownNetwork(t) {
		return
	}
	k := newKiller(t)
	for _, at := range variants[:2] { // those of nft
		g := newGateway(t, at)
		g.twins()
		old := g.state()
		for name, plan := range g.changes() {
			want := g.changed(plan, old)
			for _, confirm := range []time.Duration{0, time.Hour} {
				k.on.Store(true)
				e, err := g.c.Run(context.Background(), plan, commit.Options{Confirm: confirm})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				g.same(name, g.state(), want)
				err = g.takeBack(e, confirm)
				k.on.Store(false)
				if err != nil {
					t.Fatalf("%s, taken back: %v", name, err)
				}
				g.same(name+", taken back", g.state(), old)
			}
		}
		g.parkKilled(k, old)
		g.iptables("-t", "nat", "-F")
		g.iptables("-t", "filter", "-F")
	}
	if k.kills.Load() == 0 {
		t.Error("nobody was killed")
	}
	t.Logf("%d restores killed after their commit", k.kills.Load())
}

func (g *gateway) parkKilled(k *killer, old string) {
	g.Helper()
	k.on.Store(true)
	defer k.on.Store(false)
	e, err := g.c.Park(context.Background(), g.change(rules.Delete, 3, "-A PREROUTING -s "+g.addr(2)+" -j ACCEPT"), commit.Options{})
	if err != nil {
		g.Fatal(err)
	}
	if _, err := g.c.Unpark(context.Background(), e.ID, commit.Options{}); err != nil {
		g.Fatal(err)
	}
	g.same("parked and brought back", g.state(), old)
}
