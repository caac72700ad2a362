package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

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
func (r *release) pack(t target, p packageOf, binary string, parts parts) (err error) {
	info, err := r.info(p, binary, parts)
	if err != nil {
		return err
	}
	packager, err := nfpm.Get(p.format)
	if err != nil {
		return err
	}
	name := packager.ConventionalFileName(info)
	file, err := os.Create(filepath.Join(r.output, name))
	if err != nil {
		return err
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			os.Remove(file.Name())
			return
		}
		err = r.note(name)
	}()
	return packager.Package(info, file)
}

// info is the description of a package: nfpm.yaml with the names of this build filled in.
func (r *release) info(p packageOf, binary string, parts parts) (*nfpm.Info, error) {
	when, err := r.when()
	if err != nil {
		return nil, err
	}
	changes, err := r.changelog(filepath.Dir(parts["BASH"]), p, when)
	if err != nil {
		return nil, err
	}
	names := map[string]string{
		"ARCH": p.arch, "VERSION": r.version.of(p.format), "BINARY": binary, "MAINTAINER": maintainer(), "ZSHDIR": "/usr/share/zsh/site-functions",
		"LINTIAN": filepath.Join(r.source, "packaging", "lintian-overrides"),
	}
	if p.format == "deb" { // where zsh of Debian looks, see its README.Debian
		names["ZSHDIR"] = "/usr/share/zsh/vendor-completions"
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
	info.Changelog, info.MTime = changes, when
	if p.format == "rpm" { // its summary is a field of its own
		_, info.Description, _ = strings.Cut(info.Description, "\n")
	}
	for _, c := range info.Contents {
		if c.FileInfo != nil {
			c.FileInfo.MTime = when
		}
	}
	info = nfpm.WithDefaults(info)
	return info, nfpm.Validate(info)
}

// maintainer is who answers for the packages: MAINTAINER, for those who hand them on.
func maintainer() string {
	return cmp.Or(os.Getenv("MAINTAINER"), "The nattui authors <nattui@localhost>")
}

// when is the time of the build, the same each time that the same source is built.
func (r *release) when() (time.Time, error) {
	said, err := epoch(r.source)
	if err != nil {
		return time.Time{}, err
	}
	seconds, err := strconv.ParseInt(said, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("time of the build: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// changelog writes the entry that Debian and RPM packages have for this version. What changed is in CHANGELOG.md,
// which they have as well.
func (r *release) changelog(scratch string, p packageOf, when time.Time) (string, error) {
	entry := chglog.ChangeLogEntries{{
		Semver: r.version.of(p.format) + "-1", Date: when, Packager: maintainer(),
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
