package iptables_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/iptables"
)

// onlyThese hides all administration tools of this host but copies of the named
// ones, each a link to its program. It must run in a mount namespace of its own.
func onlyThese(t *testing.T, names ...string) {
	t.Helper()
	programs := map[string][]byte{}
	for _, name := range names {
		for _, dir := range []string{"/usr/sbin", "/sbin"} {
			if image, err := os.ReadFile(filepath.Join(dir, name)); err == nil && programs[name] == nil {
				programs[name] = image
			}
		}
		if programs[name] == nil {
			t.Skipf("%s is not here", name)
		}
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil && !errors.Is(err, unix.ENOENT) {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
	for name, image := range programs {
		if err := os.WriteFile(filepath.Join("/usr/sbin", name), image, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoIptables(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	onlyThese(t)
	h, err := iptables.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if sets, err := h.ReadAll(context.Background()); err != nil || len(sets) != 0 {
		t.Errorf("read are %v, %v", sets, err)
	}
	if says := h.Unseen(); !strings.Contains(says, "would not be seen here") {
		t.Errorf("%q does not say what is not seen", says)
	}
	err = h.Lacking()
	var notInstalled *iptables.NotInstalled
	if !errors.As(err, &notInstalled) {
		t.Fatalf("%v, want *NotInstalled", err)
	}
	if len(notInstalled.Absent) != len(variants) {
		t.Errorf("absent are %v, want all four places", notInstalled.Absent)
	}
	if _, aptErr := os.Stat("/usr/bin/apt-get"); aptErr == nil && !strings.Contains(err.Error(), "apt-get install iptables") {
		t.Errorf("%q does not say how to install it", err)
	}
}

func TestOneFamilyOfOneBackend(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	onlyThese(t, "iptables-nft", "iptables-nft-save", "iptables-nft-restore")
	h, err := iptables.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	at := rules.Variant{Family: rules.IPv4, Backend: rules.NFT}
	if got := h.Variants(); len(got) != 1 || got[0] != at {
		t.Errorf("the places are %v, want %v", got, at)
	}
	if got := h.Program(at); got != "iptables-nft" {
		t.Errorf("the program is %s, want iptables-nft, as there is no plain one", got)
	}
	if got := h.Absent(); len(got) != 3 || got[0].Reason != iptables.Missing || !strings.Contains(got[0].String(), "ip6tables-nft is not installed") {
		t.Errorf("absent are %v", got)
	}
	c := change(at, rules.Insert)
	c.Rule = numbered(t, at, 1)
	apply(t, h, c)
	if got := read(t, h, at).Name; got != "iptables-nft" {
		t.Errorf("the snapshot's program is %q, want iptables-nft", got)
	}
	var notInstalled *iptables.NotInstalled
	if _, err := h.Read(context.Background(), rules.Variant{Family: rules.IPv6}); !errors.As(err, &notInstalled) {
		t.Errorf("reading what is absent: %v", err)
	}
}

func TestTooOld(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	onlyThese(t)
	for _, name := range []string{"iptables", "iptables-save", "iptables-restore"} {
		if err := os.WriteFile("/usr/sbin/"+name, []byte("#!/bin/sh\necho 'iptables v1.4.21'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h, err := iptables.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err = h.Lacking(); err == nil || !strings.Contains(err.Error(), "version 1.4.21") || !strings.Contains(err.Error(), "1.6.2 or newer") {
		t.Errorf("%v, want the version and the one needed", err)
	}
}

func TestWithoutCapabilities(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	dropCapabilities(t)
	if _, err := iptables.Open(context.Background()); !errors.Is(err, iptables.ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") || strings.Contains(err.Error(), "sudo") != (os.Geteuid() != 0) {
		t.Errorf("%v, want ErrPermission, and sudo for those who are not root already", err)
	}
}

// A program that is killed as it is asked for its version is asked again; and where it was killed each time, it is looked for
// once more by whoever needs it: a guard would never roll back otherwise.
func TestKilledAsItTellsItsVersion(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	onlyThese(t, "iptables-nft", "iptables-nft-save", "iptables-nft-restore")
	if err := os.Rename("/usr/sbin/iptables-nft", "/usr/sbin/xtables"); err != nil {
		t.Fatal(err)
	}
	kills := filepath.Join(t.TempDir(), "kills")
	script := "#!/bin/sh\nif [ -s " + kills + " ]; then sed -i 1d " + kills + "; kill -TERM $$; fi\nexec -a iptables-nft /usr/sbin/xtables \"$@\"\n"
	if err := os.WriteFile("/usr/sbin/iptables-nft", []byte(strings.Replace(script, "/bin/sh", "/bin/bash", 1)), 0o755); err != nil {
		t.Fatal(err)
	}
	at := rules.Variant{Family: rules.IPv4, Backend: rules.NFT}
	for times, there := range map[int]bool{1: true, 100: false} {
		if err := os.WriteFile(kills, []byte(strings.Repeat("x\n", times)), 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := iptables.Open(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if got := h.Lacking() == nil; got != there {
			t.Errorf("killed %d times, it is there: %v (%v)", times, got, h.Lacking())
		}
		if err := os.WriteFile(kills, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Read(context.Background(), at); err != nil {
			t.Errorf("after it was killed %d times: %v", times, err)
		}
	}
}
