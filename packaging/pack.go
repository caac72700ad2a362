package main

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/chglog"
	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/apk" // the formats register themselves
	_ "github.com/goreleaser/nfpm/v2/arch"
	_ "github.com/goreleaser/nfpm/v2/deb"
	_ "github.com/goreleaser/nfpm/v2/ipk"
	_ "github.com/goreleaser/nfpm/v2/rpm"
	"gopkg.in/yaml.v3"
)

// pack makes one package of a binary, as nfpm.yaml says.
func (r *release) pack(t target, p packageOf, binary string, parts parts) error {
	info, err := r.info(p, binary, parts)
	if err != nil {
		return err
	}
	packager, err := nfpm.Get(p.format)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := packager.Package(info, &text); err != nil {
		return err
	}
	made := text.Bytes()
	if p.format == "ipk" {
		if made, err = sizeInBytes(made); err != nil {
			return err
		}
	}
	name := packager.ConventionalFileName(info)
	if err := os.WriteFile(filepath.Join(r.stage, name), made, 0o644); err != nil {
		return err
	}
	return r.note(name)
}

// info is the description of a package: nfpm.yaml with the names of this build filled in.
func (r *release) info(p packageOf, binary string, parts parts) (*nfpm.Info, error) {
	changes, err := r.changelog(filepath.Dir(parts["BASH"]), p)
	if err != nil {
		return nil, err
	}
	names := map[string]string{
		"ARCH": p.arch, "VERSION": r.version.of(p.format), "BINARY": binary, "MAINTAINER": maintainer(), "ZSHDIR": "/usr/share/zsh/site-functions", "SBIN": "/usr/sbin",
		"LINTIAN": filepath.Join(r.source, "packaging", "lintian-overrides"),
	}
	switch p.format {
	case "deb": // where zsh of Debian looks, see its README.Debian
		names["ZSHDIR"] = "/usr/share/zsh/vendor-completions"
	case "archlinux": // where /usr/sbin is a link to bin, which a package may not have as a directory
		names["SBIN"] = "/usr/bin"
	}
	config, err := nfpm.ParseFileWithEnvMapping(filepath.Join(r.source, "packaging", "nfpm.yaml"), func(name string) string {
		if path, ok := parts[name]; ok {
			return path
		}
		return names[name]
	})
	if err != nil {
		return nil, err
	}
	info, err := config.Get(p.format)
	if err != nil {
		return nil, err
	}
	info.Changelog, info.MTime, info.ArchLinux.Packager = changes, r.when, maintainer()
	if p.format == "rpm" { // its summary is a field of its own
		_, info.Description, _ = strings.Cut(info.Description, "\n")
	}
	for _, c := range info.Contents {
		if c.FileInfo != nil {
			c.FileInfo.MTime = r.when
		}
	}
	info = nfpm.WithDefaults(info)
	return info, nfpm.Validate(info)
}

// maintainer is who answers for the packages: MAINTAINER, for those who hand them on. Otherwise they say that nobody was named,
// rather than an address that nobody reads.
func maintainer() string {
	return cmp.Or(os.Getenv("MAINTAINER"), unnamed)
}

const unnamed = "Built without MAINTAINER <nobody@localhost>"

// changelog writes the entry that Debian and RPM packages have for this version. What changed is in CHANGELOG.md,
// which they have as well.
func (r *release) changelog(scratch string, p packageOf) (string, error) {
	entry := chglog.ChangeLogEntries{{
		Semver: r.version.of(p.format) + "-1", Date: r.when, Packager: maintainer(),
		Changes:               chglog.ChangeLogChanges{{Note: "Version " + r.version.upstream() + ": see changelog.gz"}},
		ChangeLogOverridables: chglog.ChangeLogOverridables{Deb: &chglog.ChangelogDeb{Urgency: "medium", Distributions: []string{"unstable"}}},
	}}
	text, err := yaml.Marshal(entry)
	if err != nil {
		return "", err
	}
	path := filepath.Join(scratch, "changelog-"+p.format+".yaml")
	return path, os.WriteFile(path, text, 0o644)
}
