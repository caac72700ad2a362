package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"nattui/rules/iptables"
)

// newVersionCommand makes "nattui version".
func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of nattui, of Go and of the iptables found",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			out := newOutput(c)
			fmt.Fprintf(out, "nattui %s\n%s %s/%s\n", builtFrom(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			host, err := iptables.Open(c.Context())
			if err != nil {
				fmt.Fprintln(out, "iptables:", err)
				return out.Flush()
			}
			if err := host.Lacking(); err != nil {
				fmt.Fprintln(out, "iptables:", err)
				return out.Flush()
			}
			for _, variant := range host.Variants() {
				fmt.Fprintf(out, "%s %s (%s, %s)\n", host.Program(variant), host.Version(variant), variant.Family, variant.Backend)
			}
			for _, a := range host.Absent() {
				fmt.Fprintln(out, "not usable:", a)
			}
			return out.Flush()
		},
	}
}

// builtFrom is the version with the commit and its date, as far as the build has noted them. A build from a tree
// with changes that are not committed says so.
func builtFrom() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version
	}
	return describe(version, info)
}

// describe tells a build by its version, or where that was not given by the tag that Go has found, its commit and date.
func describe(version string, info *debug.BuildInfo) string {
	noted := map[string]string{}
	for _, s := range info.Settings {
		noted[s.Key] = s.Value
	}
	if tagged := info.Main.Version; version == "dev" && strings.HasPrefix(tagged, "v") && !strings.HasPrefix(tagged, "v0.0.0-") {
		version = strings.TrimPrefix(tagged, "v")
	}
	var parts []string
	if strings.Contains(version, "+git") {
		parts = append(parts, "not a release")
	}
	if commit := noted["vcs.revision"]; len(commit) >= 12 {
		parts = append(parts, "commit "+commit[:12])
	}
	if day, _, ok := strings.Cut(noted["vcs.time"], "T"); ok {
		parts = append(parts, day)
	}
	if noted["vcs.modified"] == "true" {
		parts = append(parts, "with changes")
	}
	if len(parts) == 0 {
		return version
	}
	return version + " (" + strings.Join(parts, ", ") + ")"
}
