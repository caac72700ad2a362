package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

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
			fmt.Fprintf(out, "nattui %s%s\n%s %s/%s\n", version, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			host, err := iptables.Open(c.Context())
			if err != nil {
				fmt.Fprintln(out, "iptables:", err)
				return out.Flush()
			}
			for _, place := range host.Places() {
				fmt.Fprintf(out, "%s %s (%s, %s)\n", host.Program(place), host.Version(place), place.Family, place.Backend)
			}
			for _, a := range host.Absent() {
				fmt.Fprintln(out, "not usable:", a)
			}
			return out.Flush()
		},
	}
}

// revision is the commit that the program was built from, where the build noted it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return " (" + s.Value[:12] + ")"
		}
	}
	return ""
}
