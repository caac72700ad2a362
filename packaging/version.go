package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// version is what is built: the release that it is, or that it comes after, and how far.
type version struct {
	number     string // 1.2.3, and 0.0.0 before the first tag
	candidate  string // rc.1 of a release candidate, else ""
	commits    string // since the tag; "" on the tag itself
	commit     string // abbreviated, with commits
	changed    bool   // the tree has changes that are not committed
	unreleased bool   // not a tag's own tree
}

// described is what git describe --tags --long --dirty prints, or the tag alone.
var described = regexp.MustCompile(`^v?(\d+\.\d+\.\d+)(?:-([a-z]+\.?\d+))?(?:-(\d+)-g([0-9a-f]{4,40}))?(-dirty)?$`)

// parseVersion reads what git describe has printed.
func parseVersion(s string) (version, error) {
	m := described.FindStringSubmatch(s)
	if m == nil {
		return version{}, fmt.Errorf("version %q is not X.Y.Z, nor what git describe makes of a tag vX.Y.Z", s)
	}
	v := version{number: m[1], candidate: m[2], commits: m[3], commit: m[4], changed: m[5] != ""}
	if v.commits == "0" {
		v.commits, v.commit = "", ""
	}
	v.unreleased = v.commits != "" || v.changed
	return v, nil
}

// named says how a version is named where git does not tell.
const named = "name it: VERSION=v1.2.3 for a release, VERSION=v0.0.0-N-gCOMMIT for the commit that has N before it and itself"

// describe asks git for the version of a source directory. Before the first tag it is counted from the first commit,
// as 0.0.0 and N commits.
func describe(source string) (string, error) {
	said, err := git(source, "describe", "--tags", "--long", "--dirty", "--abbrev=12", "--match", "v[0-9]*")
	if err == nil {
		return said, nil
	}
	count, err := git(source, "rev-list", "--count", "HEAD")
	if err != nil {
		return "", fmt.Errorf("no version: %w; %s", err, named)
	}
	if shallow, err := git(source, "rev-parse", "--is-shallow-repository"); err == nil && shallow == "true" {
		fmt.Fprintln(os.Stderr, "warning: this clone has a part of the history only, and counts the commits of that: elsewhere the same commit has a later version. Get all of it with  git fetch --unshallow --tags, or "+named)
	}
	commit, err := git(source, "describe", "--always", "--dirty", "--abbrev=12", "--match", "")
	if err != nil {
		return "", err
	}
	return "v0.0.0-" + count + "-g" + commit, nil
}

// git asks about the source's own repository, and not about one that the source was unpacked in.
func git(dir string, args ...string) (string, error) {
	top, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	command := exec.Command("git", append([]string{"-C", top}, args...)...)
	command.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(top))
	var said strings.Builder
	command.Stderr = &said
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// upstream is the version as nattui itself and names of files have it: 1.2.3, 1.2.3-rc.1, or 1.2.3+git5.0123456789ab.
func (v version) upstream() string {
	s := v.number
	if v.candidate != "" {
		s += "-" + v.candidate
	}
	return s + v.since("+git", ".", ".dirty")
}

// since is what is added after the tag's own tree: how many commits, which one, and that not all is committed.
func (v version) since(before, between, changed string) string {
	s := ""
	if v.commits != "" {
		s = before + v.commits + between + v.commit
	}
	if v.changed {
		if s == "" {
			s, changed = before, strings.TrimPrefix(changed, ".")
		}
		s += changed
	}
	return s
}

// of is the version as packages of a format have it, so that a candidate sorts before its release and a later
// commit after it: deb-version(7), rpm-version(7), apk's package specification, and Arch's guidelines for packages from
// version control. Alpine's has no place for a commit's name.
func (v version) of(format string) string {
	switch format {
	case "apk":
		s := v.number
		if v.candidate != "" {
			s += "_" + strings.ReplaceAll(v.candidate, ".", "")
		}
		if v.commits != "" {
			s += "_git" + v.commits
		}
		if v.changed {
			s += "_p1"
		}
		return s
	case "archlinux":
		return v.number + strings.ReplaceAll(v.candidate, ".", "") + v.since(".r", ".g", ".dirty")
	}
	s := v.number
	if v.candidate != "" {
		s += "~" + v.candidate
	}
	return s + v.since("+git", ".", ".dirty")
}

// epoch is the time that every file in the packages gets, the same each time that the same source is built: SOURCE_DATE_EPOCH, or
// the commit's. An archive has no commits; in those that git makes every file has the time of the commit, so its changelog tells.
func epoch(source string) (time.Time, error) {
	said := os.Getenv("SOURCE_DATE_EPOCH")
	if said == "" {
		var err error
		if said, err = git(source, "log", "-1", "--format=%ct"); err != nil {
			info, err := os.Stat(filepath.Join(source, "CHANGELOG.md"))
			if err != nil {
				return time.Time{}, fmt.Errorf("time of the build: %w", err)
			}
			return info.ModTime().Truncate(time.Second).UTC(), nil
		}
	}
	seconds, err := strconv.ParseInt(said, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("time of the build: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
