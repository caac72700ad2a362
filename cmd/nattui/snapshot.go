package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/desired"
	"nattui/rules/iptables"
	"nattui/rules/textfile"
	"nattui/ui/text"
)

// snapshotSuffix is what a snapshot's file has behind its name.
const snapshotSuffix = ".rules"

// snapshotDirectory is where snapshots are, in the state directory.
func snapshotDirectory() string { return filepath.Join(commit.Directory(), "snapshots") }

// snapshotName is what a snapshot may be called: what is safe in a file's name.
var snapshotName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)

// newSnapshotCommand makes "nattui snapshot".
func newSnapshotCommand() *cobra.Command {
	replace := false
	c := &cobra.Command{
		Use:   "snapshot NAME",
		Short: "Keep your own rules and switches as they are, to go back to",
		Long: "snapshot writes your own rules of all tables, families and backends, and the switches that NAT depends on, to a file under a name; its path is printed. nattui restore NAME goes back to it, and nattui apply takes the file on this or another host. " +
			"It has the native tables of nft that no program makes, nattui's own among them. Rules of programs are not in it. Nothing of the gateway is changed.",
		Example: "nattui snapshot before-upgrade\nnattui restore before-upgrade --check --diff",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return usagef("how is the snapshot to be called? as in  nattui snapshot before-upgrade")
			case !snapshotName.MatchString(args[0]):
				return usagef("%s: use letters, digits, and . _ - in the name of a snapshot", text.Safe(args[0]))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return takeSnapshot(c, args[0], replace) },
	}
	c.Flags().BoolVar(&replace, "replace", false, "also where there is a snapshot of that name")
	return c
}

func takeSnapshot(c *cobra.Command, name string, replace bool) error {
	ctx := c.Context()
	tables, err := iptables.Open(ctx)
	if err != nil {
		return err
	}
	now, err := snapshotOf(ctx, tables, name)
	if err != nil {
		return err
	}
	store, err := commit.Open(commit.Directory())
	if err != nil {
		return err
	}
	if waiting, err := store.Waiting(); err == nil && waiting != nil {
		say(c.ErrOrStderr(), fmt.Sprintf("warning: change %s is unconfirmed, and in the snapshot", waiting.ID))
	}
	dir := snapshotDirectory()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, name+snapshotSuffix)
	if _, err := os.Lstat(path); err == nil && !replace {
		return fmt.Errorf("there is a snapshot %s: choose another name, or say --replace", name)
	}
	if err := writeWhole(path, now); err != nil {
		return fmt.Errorf("the snapshot was not written: %w", err)
	}
	_, err = fmt.Fprintln(pipe{c.OutOrStdout()}, path)
	return err
}

// snapshotOf is what a snapshot of this host says now.
func snapshotOf(ctx context.Context, tables *iptables.Host, name string) ([]byte, error) {
	sets, err := tables.ReadAll(ctx)
	if err != nil {
		return nil, err
	}
	committer, err := openCommitter(tables, nil)
	if err != nil {
		return nil, err
	}
	own := map[rules.Variant][]rules.Table{}
	for variant, set := range sets {
		own[variant] = desired.Own(set, committer.Made(variant, tables.Default()))
		if err := readable(variant, own[variant]); err != nil {
			return nil, err
		}
	}
	all, err := readSwitches(ctx, tables)
	if err != nil {
		return nil, err
	}
	var switches []desired.Switch
	for _, s := range all.List {
		if s.Now != "" && s.Fixed == "" {
			switches = append(switches, desired.Switch{Name: s.Name, Value: s.Now})
		}
	}
	native, err := nativeSnapshot(ctx)
	if err != nil {
		return nil, err
	}
	return desired.Snapshot(name, time.Now(), own, native, switches)
}

// readable is the error of a rule that no restore program would read back. A snapshot without it would take it away.
func readable(variant rules.Variant, tables []rules.Table) error {
	for _, t := range tables {
		for _, chain := range t.Chains {
			for i, r := range chain.Rules {
				if why := r.Restorable(); why != nil {
					return fmt.Errorf("rule %d of %s in table %s of %s cannot be kept: %w", i+1, chain.Name, t.Name, variant, why)
				}
			}
		}
	}
	return nil
}

// writeWhole writes a file aside and gives it its name once it is on the disk.
func writeWhole(path string, content []byte) error {
	aside, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(aside.Name())
	_, err = aside.Write(content)
	if err = errors.Join(err, aside.Sync(), aside.Close()); err != nil {
		return err
	}
	return os.Rename(aside.Name(), path)
}

// newSnapshotsCommand makes "nattui snapshots".
func newSnapshotsCommand() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:     "snapshots",
		Short:   "List the snapshots that one can go back to",
		Long:    "snapshots lists the snapshots, the oldest first: when each was taken, its name and its file. A file that is removed is a snapshot less.",
		Example: "nattui snapshots\nnattui snapshots --json | jq -r .name",
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return listSnapshots(c, asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object per snapshot and line")
	return c
}

// snapshotJSON is a snapshot as "nattui snapshots --json" prints it. The names are for good.
type snapshotJSON struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
	Path string    `json:"path"`
	// Damage is why one cannot go back to it; At is then when the file was written.
	Damage string `json:"damage,omitempty"`
}

func listSnapshots(c *cobra.Command, asJSON bool) error {
	list, err := snapshots()
	if err != nil {
		return err
	}
	out := newOutput(c)
	encoder := json.NewEncoder(out)
	for _, s := range list {
		if asJSON {
			err = encoder.Encode(s)
		} else {
			_, err = fmt.Fprintf(out, "%s  %s  %s\n", s.At.Local().Format(time.DateTime), s.Name, text.Safe(strings.TrimSpace(s.Path+"  "+s.damage())))
		}
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

// damage says that one cannot go back to a snapshot, and why; "" where one can.
func (s *snapshotJSON) damage() string {
	if s.Damage == "" {
		return ""
	}
	return "damaged: " + s.Damage
}

// snapshots are those of this host, the oldest first.
func snapshots() ([]snapshotJSON, error) {
	entries, err := os.ReadDir(snapshotDirectory())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []snapshotJSON
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), snapshotSuffix)
		if !ok || !snapshotName.MatchString(name) {
			continue
		}
		s := snapshotJSON{Name: name, Path: filepath.Join(snapshotDirectory(), e.Name())}
		file, err := readSnapshot(context.Background(), name)
		if s.At = file.At; err != nil {
			s.Damage = err.Error()
			if info, err := e.Info(); err == nil {
				s.At = info.ModTime()
			}
		}
		list = append(list, s)
	}
	slices.SortStableFunc(list, func(a, b snapshotJSON) int { return a.At.Compare(b.At) })
	return list, err
}

// readSnapshot reads the snapshot of a name.
func readSnapshot(ctx context.Context, name string) (desired.File, error) {
	if !snapshotName.MatchString(name) {
		return desired.File{}, usagef("%s: use letters, digits, and . _ - in the name of a snapshot", text.Safe(name))
	}
	content, err := textfile.ReadUntil(ctx, filepath.Join(snapshotDirectory(), name+snapshotSuffix), textfile.Most)
	if err != nil {
		return desired.File{}, err
	}
	file, err := desired.Parse(string(content))
	if err == nil && file.Name == "" {
		err = errors.New("it does not say that it is a snapshot")
	}
	return file, err
}

func restoreSnapshot(c *cobra.Command, o *applyOptions, name string) error {
	file, err := readSnapshot(c.Context(), name)
	if err != nil {
		return notReadSnapshot(name, err)
	}
	return o.run(c, "snapshot "+name, &file)
}

// notReadSnapshot says why a snapshot could not be read, and which others there are.
func notReadSnapshot(name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("snapshot %s: %w", name, err)
	}
	var names []string
	all, _ := snapshots()
	for _, s := range all {
		names = append(names, s.Name)
	}
	return missingf("there is no snapshot %s; there are: %s", name, strings.Join(names, ", "))
}

func completeSnapshots(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if all, err := snapshots(); err == nil && len(args) == 0 {
		for _, s := range all {
			names = append(names, s.Name+"\t"+s.At.Local().Format(time.DateTime))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
