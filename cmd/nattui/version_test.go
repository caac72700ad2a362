package main

import (
	"runtime/debug"
	"testing"
)

func TestDescribe(t *testing.T) {
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	when := debug.BuildSetting{Key: "vcs.time", Value: "2026-05-04T03:02:01Z"}
	changed := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	for _, c := range []struct {
		version, tag string
		settings     []debug.BuildSetting
		want         string
	}{
		{"dev", "(devel)", nil, "dev"},
		{"dev", "v0.0.0-20260504030201-0123456789ab", []debug.BuildSetting{commit, when}, "dev (commit 0123456789ab, 2026-05-04)"},
		{"dev", "v0.2.0", []debug.BuildSetting{commit, when}, "0.2.0 (commit 0123456789ab, 2026-05-04)"},
		{"0.2.0+git5.0123456789ab", "(devel)", nil, "0.2.0+git5.0123456789ab (not a release)"},
		{"0.2.1", "v0.2.0", []debug.BuildSetting{commit, when, changed}, "0.2.1 (commit 0123456789ab, 2026-05-04, with changes)"},
	} {
		info := &debug.BuildInfo{Main: debug.Module{Version: c.tag}, Settings: c.settings}
		if got := describe(c.version, info); got != c.want {
			t.Errorf("%s, tag %s: %q, not %q", c.version, c.tag, got, c.want)
		}
	}
}
