package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ControlGroup puts a command that has not started yet into a control group of its own, with all that it will start,
// until remove is called, which kills what is left of them. A test that boots a system by systemd-nspawn --keep-unit
// needs one: the groups of the system's services are made inside nspawn's own, and of two systems that share it one's
// manager removes those of the other ("Failed to attach to cgroup: No such file or directory"). It needs root and a
// mounted cgroup2; see cgroups(7).
func ControlGroup(t TB, cmd *exec.Cmd) (remove func() error) {
	t.Helper()
	roots, ours, err := controlGroups()
	if err != nil {
		Lacks(t, err)
	}
	dir, err := os.MkdirTemp(filepath.Join(roots[0], ours), "nattui-test-")
	if err != nil {
		Lacks(t, fmt.Errorf("no control group can be made: %w", err))
	}
	group, err := os.Open(dir)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(group.Fd())
	return func() error {
		errs := []error{group.Close()}
		for _, root := range roots {
			errs = append(errs, removeGroup(filepath.Join(root, ours, filepath.Base(dir))))
		}
		return errors.Join(errs...)
	}
}

// controlGroups are the mount point of the kernel's control groups (cgroup2), behind it that of systemd's own where
// both kinds are mounted, and this process's place in the first.
func controlGroups() (roots []string, ours string, err error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, "", err
	}
	for line := range bytes.Lines(mounts) {
		switch fields := strings.Fields(string(line)); {
		case len(fields) < 4:
		case fields[2] == "cgroup2":
			roots = slices.Insert(roots, 0, fields[1])
		case fields[2] == "cgroup" && slices.Contains(strings.Split(fields[3], ","), "name=systemd"):
			roots = append(roots, fields[1])
		}
	}
	places, err := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(places)) {
		if place, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok && len(roots) > 0 {
			return roots, place, nil
		}
	}
	return nil, "", errors.Join(err, errors.New("no control groups of version 2 are mounted"))
}

// removeGroup kills what runs in a control group and removes it with those inside it. One of version 1 is only removed:
// its processes are those of the other.
func removeGroup(dir string) error {
	_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0o200)
	var err error
	// Killed processes leave their group as they end, and nothing tells when all have.
	for late := time.Now().Add(30 * time.Second); time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
		if err = removeTree(dir); err == nil {
			return nil
		}
	}
	return err
}

// removeTree removes a control group after those inside it; the files in one go with it.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if entry.IsDir() {
			err = errors.Join(err, removeTree(filepath.Join(dir, entry.Name())))
		}
	}
	return errors.Join(err, os.Remove(dir))
}
