package main

import (
	"regexp"
	"testing"
)

// Whoever builds for himself has packages that say so, in every format.
func TestWithoutMaintainer(t *testing.T) {
	needs(t, "dpkg-deb", "rpm", "pacman", "bsdtar", "tar")
	r := packages(t, "unnamed", "")
	for ending, tell := range map[string][]string{
		".deb":         {"dpkg-deb", "-f"},
		".rpm":         {"rpm", "-qip"},
		".apk":         {"bsdtar", "-xOf"},
		".pkg.tar.zst": {"pacman", "--config", "/dev/null", "-Qip"},
		".ipk":         {"sh", "-c", `tar -xzOf "$0" ./control.tar.gz | tar -xzO ./control`},
	} {
		args := append(tell[1:], r.file(t, ending))
		if ending == ".apk" {
			args = append(args, ".PKGINFO")
		}
		if said := run(t, tell[0], args...); !regexp.MustCompile(`(?mi)^(maintainer|packager) *[:=] *Built without MAINTAINER <nobody@localhost>$`).MatchString(said) {
			t.Errorf("%s does not tell that nobody was named:\n%s", ending, said)
		}
	}
}
