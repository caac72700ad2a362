package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A run makes its files aside, and they come to the output when all of them are there: nothing that has a release's
// name is half of one.

// begin makes the place aside, on the same file system. What an interrupted run has left there goes.
func (r *release) begin() error {
	r.stage = filepath.Join(r.output, ".making")
	if err := os.RemoveAll(r.stage); err != nil {
		return err
	}
	return os.MkdirAll(r.stage, 0o755)
}

// deliver puts the files of this run in the place of those of the last one, so that a pattern such as nattui_*_amd64.deb
// matches one.
func (r *release) deliver() error {
	earlier, err := listedIn(r.output)
	if err != nil {
		return err
	}
	for _, name := range earlier {
		if err := os.Remove(filepath.Join(r.output, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, name := range append([]string{checksumList}, r.made...) {
		if err := os.Rename(filepath.Join(r.stage, name), filepath.Join(r.output, name)); err != nil {
			return err
		}
	}
	return nil
}

// checksumList is the file that names all others of a run.
const checksumList = "SHA256SUMS"

// listedIn are the files that the last run has made in a directory, by its list of checksums; what else lies there is somebody else's.
func listedIn(dir string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, checksumList))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if _, name, ok := strings.Cut(strings.TrimSpace(line), "  "); ok && strings.HasPrefix(name, "nattui") && filepath.Base(name) == name {
			names = append(names, name)
		}
	}
	return names, err
}
