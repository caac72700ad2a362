package iptables

import (
	"os"
	"path/filepath"

	"nattui/rules"
)

// extensionDirs are where distributions keep the extensions of iptables.
var extensionDirs = []string{
	"/usr/lib/*/xtables", "/usr/lib/xtables", "/usr/lib64/xtables", "/usr/local/lib/xtables", "/lib/xtables", "/lib/*/xtables", "/usr/libexec/xtables",
}

// hasTarget says whether -j NAME could mean an extension rather than a chain: a
// library of that name is there, or none at all is, as where they are linked in.
func (p *programs) hasTarget(name string) bool {
	dirs := extensionDirs
	if dir := os.Getenv("XTABLES_LIBDIR"); dir != "" {
		dirs = []string{dir}
	}
	prefixes := []string{"libxt_", "libipt_"}
	if p.variant.Family == rules.IPv6 {
		prefixes[1] = "libip6t_"
	}
	any := false
	for _, pattern := range dirs {
		found, _ := filepath.Glob(pattern)
		for _, dir := range found {
			any = true
			for _, prefix := range prefixes {
				if !missing(filepath.Join(dir, prefix+filepath.Base(name)+".so")) {
					return true
				}
			}
		}
	}
	return !any
}
