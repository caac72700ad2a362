package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"nattui/rules/commit"
)

// unitDirectory is where units of this host's own are (systemd.unit(5)).
const unitDirectory = "/etc/systemd/system/"

// followUnits has systemd take notice of units that a saving, or undoing one, has written or removed: the unit that
// watches runs if it is there, and ends if it is not. Anew starts it also where it has not changed.
func followUnits(ctx context.Context, e commit.Entry, anew bool) error {
	units, watch := false, anew
	for _, f := range e.Files {
		if !strings.HasPrefix(f.Path, unitDirectory) || f.Existed && !f.Remove && bytes.Equal(f.Old, f.New) {
			continue
		}
		units = true
		watch = watch || f.Path == commit.WatchUnit
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil || filesRoot() != "/" || !units && !anew {
		return nil
	}
	name := filepath.Base(commit.WatchUnit)
	commands := [][]string{{"daemon-reload"}}
	switch {
	case watch && unitInstalled():
		commands = append(commands, []string{"restart", name})
	case watch:
		commands = [][]string{{"stop", name}, {"daemon-reload"}}
	}
	for _, argv := range commands {
		if out, err := exec.CommandContext(ctx, "systemctl", argv...).CombinedOutput(); err != nil {
			return fmt.Errorf("the files are written, but systemctl %s failed: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(out))
		}
	}
	return nil
}
