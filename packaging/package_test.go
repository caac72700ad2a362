package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	spdxjson "github.com/spdx/tools-golang/json"
)

// Whoever builds the same source gets the same bytes, wherever it lies and whenever it is done.
func TestTwoBuildsAreEqual(t *testing.T) {
	a, b := packagesOnce(t), packages(t, "again", somebody)
	if !slices.Equal(a.made, b.made) || len(a.made) < 5 {
		t.Fatalf("%q, and then %q", a.made, b.made)
	}
	for _, name := range append(slices.Clone(a.made), "SHA256SUMS") {
		first, err := os.ReadFile(filepath.Join(a.output, name))
		if err != nil {
			t.Fatal(err)
		}
		second, err := os.ReadFile(filepath.Join(b.output, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Errorf("%s differs from build to build", name)
		}
	}
}

func TestChecksums(t *testing.T) {
	needs(t, "sha256sum")
	r := packagesOnce(t)
	said := run(t, "sh", "-c", `cd "$1" && sha256sum -c SHA256SUMS`, "sh", r.output)
	if strings.Count(said, ": OK\n") != len(r.made) {
		t.Errorf("%d files, and\n%s", len(r.made), said)
	}
}

// everywhere is what the packages of all distributions have, with their modes.
var everywhere = map[string]string{
	"/var/lib/nattui":                                  "drwx------",
	"/usr/share/doc/nattui":                            "drwxr-xr-x",
	"/usr/share/doc/nattui/copyright":                  "-rw-r--r--",
	"/usr/share/doc/nattui/changelog.gz":               "-rw-r--r--",
	"/usr/share/man/man8/nattui.8.gz":                  "-rw-r--r--",
	"/usr/share/man/man7/nattui-guide.7.gz":            "-rw-r--r--",
	"/usr/share/man/man7/nattui-filter.7.gz":           "-rw-r--r--",
	"/usr/share/bash-completion/completions/nattui":    "-rw-r--r--",
	"/usr/share/fish/vendor_completions.d/nattui.fish": "-rw-r--r--",

	"/usr/share/doc/nattui/examples/prometheus/nattui.rules.yml": "-rw-r--r--",
	"/usr/share/doc/nattui/examples/grafana/nattui.json":         "-rw-r--r--",
	"/usr/share/doc/nattui/examples/ansible/nattui.yml":          "-rw-r--r--",
}

// units are those of systemd, with the rotation of what they log.
var units = []string{
	"/etc/logrotate.d/nattui",
	"/usr/lib/systemd/system/nattui-log.service", "/usr/lib/systemd/system/nattui-log-file.service",
	"/usr/lib/systemd/system/nattui-metrics.service", "/usr/lib/systemd/system/nattui-metrics-textfile.service", "/usr/lib/systemd/system/nattui-metrics-textfile.timer",
}

// with are the same, the program where the format's systems have it, and some more.
func with(program string, more ...string) map[string]string {
	all := maps.Clone(everywhere)
	all[program] = "-rwxr-xr-x"
	for _, path := range more {
		all[path] = "-rw-r--r--"
	}
	return all
}

var listings = []struct {
	ending  string
	program []string
	want    map[string]string
	own     []string // files of the format itself
}{
	{".deb", []string{"dpkg-deb", "-c"}, with("/usr/sbin/nattui", append(units, "/usr/share/zsh/vendor-completions/_nattui", "/usr/share/lintian/overrides/nattui", "/usr/share/doc/nattui/changelog.Debian.gz")...), nil},
	{".rpm", []string{"rpm", "-qlvp"}, with("/usr/sbin/nattui", append(units, "/usr/share/zsh/site-functions/_nattui")...), nil},
	{".apk", []string{"bsdtar", "-tvf"}, with("/usr/sbin/nattui", "/usr/share/zsh/site-functions/_nattui"), []string{"/.PKGINFO"}},
	{".pkg.tar.zst", []string{"bsdtar", "-tvf"}, with("/usr/bin/nattui", append(units, "/usr/share/licenses/nattui/LICENSE", "/usr/share/zsh/site-functions/_nattui")...), []string{"/.PKGINFO", "/.MTREE"}},
	{".ipk", []string{"sh", "-c", `tar -xzOf "$0" ./data.tar.gz 2>/dev/null | tar -tzv || tar -xzOf "$0" data.tar.gz | tar -tzv`}, map[string]string{"/usr/sbin/nattui": "-rwxr-xr-x", "/usr/share/doc/nattui/copyright": "-rw-r--r--"}, nil},
}

// listed is a line of a listing: mode, owner, group, and at its end the path.
var listed = regexp.MustCompile(`(?m)^([-dlrwxsStT]{10})\s+(?:\d+\s+)?(\S+?)[/ ]+(\S+)\s.*\s(?:\./|/)?(\S+)$`)

func TestContents(t *testing.T) {
	for _, l := range listings {
		t.Run(strings.TrimPrefix(l.ending, "."), func(t *testing.T) {
			needs(t, l.program[0])
			said := run(t, l.program[0], append(l.program[1:], packagesOnce(t).file(t, l.ending))...)
			found := map[string]string{}
			for _, m := range listed.FindAllStringSubmatch(said, -1) {
				mode, path := m[1], "/"+strings.Trim(m[4], "/")
				if owner := m[2] + " " + m[3]; owner != "root root" && owner != "0 0" {
					t.Errorf("%s belongs to %s", path, owner)
				}
				if !slices.Contains(l.own, path) && (mode[0] != 'd' || l.want[path] != "") {
					found[path] = mode
				}
			}
			if !maps.Equal(found, l.want) {
				t.Errorf("it has %v, not %v, by\n%s", found, l.want, said)
			}
		})
	}
}

// Installing, upgrading and removing runs nothing of ours: no rule, setting or service is touched.
func TestNoScripts(t *testing.T) {
	r := packagesOnce(t)
	t.Run("deb", func(t *testing.T) {
		needs(t, "dpkg-deb", "tar")
		said := run(t, "sh", "-c", `dpkg-deb --ctrl-tarfile "$1" | tar -t`, "sh", r.file(t, ".deb"))
		for name := range strings.FieldsSeq(said) {
			if !slices.Contains([]string{"./control", "./md5sums", "./conffiles", "./"}, name) {
				t.Errorf("it has %s", name)
			}
		}
	})
	t.Run("rpm", func(t *testing.T) {
		needs(t, "rpm")
		if said := run(t, "rpm", "-qp", "--scripts", "--triggers", "--requires", r.file(t, ".rpm")); strings.TrimSpace(said) != "" {
			t.Errorf("it has scripts, or requires something:\n%s", said)
		}
	})
	t.Run("apk", func(t *testing.T) {
		needs(t, "bsdtar")
		said := run(t, "bsdtar", "-xOf", r.file(t, ".apk"), ".PKGINFO")
		if !strings.Contains(said, "pkgver = 1.2.3-r1\n") || strings.Contains(said, "depend = ") {
			t.Errorf("its description is\n%s", said)
		}
	})
	t.Run("archlinux", func(t *testing.T) {
		needs(t, "pacman")
		said := run(t, "pacman", "--config", "/dev/null", "-Qip", r.file(t, ".pkg.tar.zst"))
		for _, want := range []string{`Version +: 1\.2\.3-1`, `Packager +: A Maintainer`, `Depends On +: None`, `Install Script +: No`} {
			if !regexp.MustCompile(want).MatchString(said) {
				t.Errorf("no %q in\n%s", want, said)
			}
		}
	})
	t.Run("ipk", func(t *testing.T) {
		needs(t, "tar")
		said := run(t, "sh", "-c", `tar -xzOf "$0" ./control.tar.gz | tar -tz; tar -xzOf "$0" ./control.tar.gz | tar -xzO ./control`, r.file(t, ".ipk"))
		if strings.Contains(said, "inst\n") || strings.Contains(said, "rm\n") || strings.Contains(said, "Depends:") || !strings.Contains(said, "Version: 1.2.3-1\n") {
			t.Errorf("its description is\n%s", said)
		}
	})
}

// What a router is told of the room that it needs is bytes, as opkg counts.
func TestSizeOnRouters(t *testing.T) {
	needs(t, "tar")
	file := packagesOnce(t).file(t, ".ipk")
	said := run(t, "sh", "-c", `tar -xzOf "$0" ./control.tar.gz | tar -xzO ./control`, file)
	size := len(run(t, "sh", "-c", `tar -xzOf "$0" ./data.tar.gz | tar -xzO`, file))
	if want := fmt.Sprintf("\nInstalled-Size: %d\n", size); !strings.Contains(said, want) {
		t.Errorf("%d bytes are installed, by\n%s", size, said)
	}
}

func TestLintian(t *testing.T) {
	needs(t, "lintian")
	said := run(t, "lintian", "--allow-root", "--fail-on", "error,warning", packagesOnce(t).file(t, ".deb"))
	if strings.TrimSpace(said) != "" {
		t.Error(said)
	}
}

// The bill is read by the library of those who define its form, and names what really is in the binary.
func TestBill(t *testing.T) {
	r := packagesOnce(t)
	file, err := os.Open(r.file(t, ".spdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	document, err := spdxjson.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	licence := map[string]string{}
	for _, p := range document.Packages {
		licence[p.PackageName] = p.PackageLicenseConcluded
	}
	for _, name := range []string{"nattui", "Go standard library", "charm.land/bubbletea/v2", "github.com/coreos/go-iptables", "github.com/ti-mo/conntrack"} {
		if licence[name] == "" || licence[name] == "NOASSERTION" {
			t.Errorf("%s has the licence %q", name, licence[name])
		}
	}
	if licence["pgregory.net/rapid"] != "" {
		t.Error("what only tests use is in the bill")
	}
	if len(document.Files) != len(r.made)-1 {
		t.Errorf("%d files of %d", len(document.Files), len(r.made))
	}
}

func TestUnknownTargets(t *testing.T) {
	for _, r := range []struct{ archs, formats []string }{{[]string{"sparc"}, nil}, {nil, []string{"msi"}}} {
		made := release{source: "..", output: t.TempDir(), described: "v1.2.3"}
		if err := made.make(r.archs, r.formats); err == nil || made.made != nil {
			t.Errorf("%v: %v, %q", r, err, made.made)
		}
	}
}

// What the program weighs is looked at when it is changed, and not found out by somebody with a small router. A library that asks
// for methods by names which the compiler does not know makes the linker keep every method of every type: 3 MB, and with them
// engines for templates that nothing here calls. Of what is left the metrics take 5 MB, most of it an HTTP server with TLS. When 25 MiB were
// reached, what had come since 25.9 MB was the project's own code, and no package.
func TestWhatTheBinaryWeighs(t *testing.T) {
	binary, err := os.ReadFile(packagesOnce(t).file(t, "-linux-"+runtime.GOARCH))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(binary, []byte("nattui/rules.Parse")) {
		t.Fatal("the binary has no names of functions to look at")
	}
	for _, name := range []string{"html/template.(*Template).Execute", "text/template.(*Template).Execute"} {
		if bytes.Contains(binary, []byte(name)) {
			t.Errorf("the binary has %s", name)
		}
	}
	if most := 26 << 20; len(binary) > most {
		t.Errorf("the binary has %d bytes, at most %d: see what has come (go build -ldflags=-dumpdep)", len(binary), most)
	}
}
