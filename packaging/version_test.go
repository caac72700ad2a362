package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestVersions(t *testing.T) {
	for _, c := range []struct{ described, upstream, deb, apk, arch string }{
		{"v1.2.3", "1.2.3", "1.2.3", "1.2.3", "1.2.3"},
		{"v1.2.3-0-g0123456789ab", "1.2.3", "1.2.3", "1.2.3", "1.2.3"},
		{"v1.2.3-5-g0123456789ab", "1.2.3+git5.0123456789ab", "1.2.3+git5.0123456789ab", "1.2.3_git5", "1.2.3.r5.g0123456789ab"},
		{"v1.2.3-5-g0123456789ab-dirty", "1.2.3+git5.0123456789ab.dirty", "1.2.3+git5.0123456789ab.dirty", "1.2.3_git5_p1", "1.2.3.r5.g0123456789ab.dirty"},
		{"v1.2.3-0-g0123456789ab-dirty", "1.2.3+gitdirty", "1.2.3+gitdirty", "1.2.3_p1", "1.2.3.rdirty"},
		{"1.3.0-rc.1", "1.3.0-rc.1", "1.3.0~rc.1", "1.3.0_rc1", "1.3.0rc1"},
		{"v0.0.0-812-g0123456789ab", "0.0.0+git812.0123456789ab", "0.0.0+git812.0123456789ab", "0.0.0_git812", "0.0.0.r812.g0123456789ab"},
	} {
		v, err := parseVersion(c.described)
		if err != nil {
			t.Errorf("%s: %v", c.described, err)
			continue
		}
		if got := []string{v.upstream(), v.of("deb"), v.of("apk"), v.of("archlinux")}; !slices.Equal(got, []string{c.upstream, c.deb, c.apk, c.arch}) {
			t.Errorf("%s is %q", c.described, got)
		}
		if want := c.upstream != strings.TrimPrefix(strings.TrimSuffix(c.described, "-0-g0123456789ab"), "v"); v.unreleased != want {
			t.Errorf("%s: unreleased is %v", c.described, v.unreleased)
		}
	}
	for _, wrong := range []string{"", "dev", "0123456789ab", "v1.2", "1.2.3; rm -rf /", "1.2.3\n"} {
		if v, err := parseVersion(wrong); err == nil {
			t.Errorf("%q is taken for %+v", wrong, v)
		}
	}
}

// The order that upgrades rely on is dpkg's own.
func TestVersionsSort(t *testing.T) {
	needs(t, "dpkg")
	ordered := []string{"v0.0.0-812-g0123456789ab", "v1.2.3-rc.1", "v1.2.3", "v1.2.3-5-gf123456789ab", "v1.2.3-15-g0123456789ab", "v1.2.4"}
	for i := range len(ordered) - 1 {
		a, _ := parseVersion(ordered[i])
		b, _ := parseVersion(ordered[i+1])
		if err := exec.Command("dpkg", "--compare-versions", a.of("deb"), "lt", b.of("deb")).Run(); err != nil {
			t.Errorf("%s is not before %s: %v", a.of("deb"), b.of("deb"), err)
		}
	}
}

func TestDescribe(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		args = append([]string{"-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"}, args...)
		if _, err := git(dir, args...); err != nil {
			t.Fatal(err)
		}
	}
	said := func() string {
		t.Helper()
		s, err := describe(dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s, err := describe(dir); err == nil {
		t.Errorf("no repository is described as %q", s)
	}
	run("init", "-q")
	run("commit", "-q", "--allow-empty", "-m", "one")
	run("commit", "-q", "--allow-empty", "-m", "two")
	if s := said(); !strings.HasPrefix(s, "v0.0.0-2-g") {
		t.Errorf("without a tag: %s", s)
	}
	run("tag", "v1.0.0")
	if v, err := parseVersion(said()); err != nil || v.upstream() != "1.0.0" || v.unreleased {
		t.Errorf("on a tag: %s, %v", said(), err)
	}
	run("commit", "-q", "--allow-empty", "-m", "three")
	if v, err := parseVersion(said()); err != nil || !strings.HasPrefix(v.upstream(), "1.0.0+git1.") || !v.unreleased {
		t.Errorf("after a tag: %s, %v", said(), err)
	}
}
