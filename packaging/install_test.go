package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// An empty directory with dpkg's database and nothing else takes the package: it depends on nothing, not even on a
// shell or a C library. What is left after purging is what nattui was told to keep.
func TestInstallsInAnEmptyRoot(t *testing.T) {
	needs(t, "dpkg", "chroot")
	asRoot(t)
	deb, root := packagesOnce(t).file(t, ".deb"), t.TempDir()
	for _, dir := range []string{"updates", "info", "triggers", "alternatives", "parts"} {
		if err := os.MkdirAll(filepath.Join(root, "var/lib/dpkg", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"status", "available"} {
		if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg", file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before := tree(t, root)
	dpkg := func(args ...string) {
		t.Helper()
		run(t, "dpkg", append([]string{"--root", root, "--log", "/dev/null"}, args...)...)
	}
	dpkg("-i", deb)
	startsIn(t, root)
	dpkg("-i", deb) // an upgrade
	dpkg("--purge", "nattui")
	if left := added(before, tree(t, root)); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// The same by rpm, in a root that has nothing but its database. Directories that belong to a system, and not to nattui, stay.
func TestInstallsByRpm(t *testing.T) {
	needs(t, "rpm", "chroot")
	asRoot(t)
	file, root := packagesOnce(t).file(t, ".rpm"), t.TempDir()
	rpm := func(args ...string) string {
		t.Helper()
		if _, err := os.Stat("/etc/debian_version"); err == nil {
			args = append([]string{"--force-debian"}, args...)
		}
		return run(t, "rpm", append([]string{"--root", root}, args...)...)
	}
	run(t, "rpm", "--root", root, "--initdb")
	before := tree(t, root)
	rpm("-i", file)
	startsIn(t, root)
	rpm("-V", "nattui") // modes, owners and sums as the package has them
	rpm("-U", "--replacepkgs", file)
	rpm("-e", "nattui")
	for _, path := range added(before, tree(t, root)) {
		if info, err := os.Stat(filepath.Join(root, path)); err != nil || !info.IsDir() || strings.Contains(path, "/nattui") {
			t.Errorf("left behind: %s, %v", path, err)
		}
	}
}

// And by pacman.
func TestInstallsByPacman(t *testing.T) {
	needs(t, "pacman", "chroot", "tar")
	asRoot(t)
	file, root := packagesOnce(t).file(t, ".pkg.tar.zst"), t.TempDir()
	for _, dir := range []string{"var/lib/pacman/local", "var/cache"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	pacman := func(args ...string) {
		t.Helper()
		run(t, "pacman", append([]string{"--root", root, "--config", "/dev/null", "--noconfirm"}, args...)...)
	}
	pacman("-U", archFilesystem(t))
	before := tree(t, root)
	pacman("-U", file)
	startsIn(t, root)
	pacman("-Qkk", "nattui")
	pacman("-R", "nattui")
	for _, path := range added(before, tree(t, root)) {
		if !strings.HasPrefix(path, "/var/lib/pacman/") && !strings.HasPrefix(path, "/var/log/") && path != "/var/log" {
			t.Errorf("left behind: %s", path)
		}
	}
}

// archFilesystem is what Arch's package "filesystem" has of the directories for programs: a package that makes a directory of
// one of its links is refused.
func archFilesystem(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "usr/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"bin": "usr/bin", "sbin": "usr/bin", "usr/sbin": "bin"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	about := "pkgname = filesystem\npkgbase = filesystem\npkgver = 1-1\npkgdesc = directories\nsize = 0\narch = any\n"
	if err := os.WriteFile(filepath.Join(dir, ".PKGINFO"), []byte(about), 0o644); err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(t.TempDir(), "filesystem-1-1-any.pkg.tar.gz")
	run(t, "tar", "-C", dir, "-czf", made, ".PKGINFO", "bin", "sbin", "usr")
	return made
}

// startsIn starts what was installed in a root that has nothing else.
func startsIn(t *testing.T, root string) {
	t.Helper()
	if said := run(t, "chroot", root, "/usr/sbin/nattui", "--version"); !strings.HasPrefix(said, "nattui 1.2.3") {
		t.Errorf("it says %q", said)
	}
}

// In a real Debian a rule is added and saved by the nattui that was installed, in a network of its own. Removing the
// package takes away everything but that.
func TestInstallsInDebian(t *testing.T) {
	needs(t, "dpkg", "chroot", "unshare", "mount")
	asRoot(t)
	deb, root := packagesOnce(t).file(t, ".deb"), debian(t)
	run(t, "cp", deb, filepath.Join(root, "nattui.deb"))
	in := func(script string) string {
		t.Helper()
		return run(t, "unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", `
			mount -t proc proc "$0/proc" && mount -t sysfs sysfs "$0/sys" && ip link set lo up && exec chroot "$0" sh -ec "$1"`, root, script)
	}
	before := tree(t, root)
	in("dpkg -i /nattui.deb")
	said := in(`nattui version
		test "$(stat -c %a:%U:%G /var/lib/nattui)" = 700:root:root
		ip link add wan0 type veth peer name far0 && ip address add 203.0.113.1/24 dev wan0 && ip link set wan0 up
		nattui add masquerade --out wan0 --source 192.168.0.0/24 --yes --confirm off
		nattui rules
		iptables-save -t nat
		nattui save --yes
		nattui history`)
	for _, want := range []string{"nattui 1.2.3", "-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE", "applied"} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
	saved := added(before, tree(t, root))
	in("dpkg --remove nattui")
	in("dpkg --purge nattui")
	for _, path := range added(before, tree(t, root)) {
		kept := strings.HasPrefix(path, "/var/lib/nattui") || strings.HasPrefix(path, "/etc/") && slices.Contains(saved, path)
		if !kept && !strings.HasPrefix(path, "/var/lib/dpkg/") && !strings.HasPrefix(path, "/var/log/") {
			t.Errorf("left behind: %s", path)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "var/lib/nattui")); err != nil {
		t.Error("the history is gone: ", err)
	}
	if said := in("dpkg -l nattui 2>&1 || true"); strings.Contains(said, "\nii ") {
		t.Errorf("it is still there:\n%s", said)
	}
}

func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		lacks(t, "needs root: it installs a package in a root of its own")
	}
}

// debian is a Debian that may be written to, and is thrown away: the one that  .ci/systems  made, beneath an overlay.
func debian(t *testing.T) string {
	t.Helper()
	where := os.Getenv("NATTUI_SYSTEMS")
	if where == "" {
		where = "/var/cache/nattui-systems"
	}
	lower := filepath.Join(where, "root")
	if _, err := os.Stat(filepath.Join(lower, "usr/bin/dpkg")); err != nil {
		lacks(t, "no Debian to install in: run  .ci/systems  once, as root")
	}
	layer := t.TempDir()
	run(t, "mount", "-t", "tmpfs", "tmpfs", layer)
	t.Cleanup(func() { run(t, "umount", layer) })
	for _, dir := range []string{"upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(layer, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	merged := filepath.Join(layer, "merged")
	run(t, "mount", "-t", "overlay", "overlay", "-o", "lowerdir="+lower+",upperdir="+filepath.Join(layer, "upper")+",workdir="+filepath.Join(layer, "work"), merged)
	t.Cleanup(func() { run(t, "umount", merged) })
	return merged
}

// tree is the set of all paths beneath a directory.
func tree(t *testing.T, dir string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		found[strings.TrimPrefix(path, dir)] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// added are the paths that are in after and not in before, in order; dpkg's own backups of its lists are left out.
func added(before, after map[string]bool) []string {
	var all []string
	for path := range after {
		if !before[path] && !strings.HasPrefix(path, "/var/lib/dpkg/") {
			all = append(all, path)
		}
	}
	slices.Sort(all)
	return all
}
