package nftables

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
)

// The program nft is asked for the texts of rules only where they are not too many: it takes a second for 20,000. Else they
// are in our own words.
const (
	mostListed   = 3000
	listPatience = 5 * time.Second
)

// List gives every rule its text in nft's own words where the program nft is there and answers, as far as its listing is
// of the same rules.
func List(ctx context.Context, set *nft.Ruleset) {
	count := 0
	for _, t := range set.Tables {
		for _, c := range t.Chains {
			count += len(c.Rules)
		}
	}
	program := find("nft")
	if count == 0 || count > mostListed || program == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-a", "list", "ruleset")
	cmd.SysProcAttr = nfnetlink.Lend(&syscall.SysProcAttr{})
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		return // some rulesets crash it
	}
	for r, text := range set.Listed(string(out)) {
		r.Listed = text
	}
}

// Installed tells whether the program nft is there, without which native tables can only be read.
func Installed() bool { return find("nft") != "" }

// find is the path of a program, where administration tools live too; "" if there is none.
func find(name string) string {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/local/sbin", "/usr/sbin", "/sbin") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); filepath.IsAbs(dir) && err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}
