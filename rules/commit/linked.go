package commit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"nattui/rules/textfile"
)

// mostLinks is how many symbolic links may lead to a file, as the kernel has it.
const mostLinks = 40

// followed is the file that a path leads to by symbolic links, which need not be there yet: an administrator who keeps a file
// elsewhere, under version control perhaps, wants that one written, and the link left.
func followed(path string) (string, error) {
	for range mostLinks {
		target, err := os.Readlink(path)
		switch {
		case errors.Is(err, syscall.EINVAL), missing(err):
			return path, nil // no link
		case err != nil:
			return "", err
		case !filepath.IsAbs(target):
			// The directory may be a link itself, from whose target a relative one counts.
			dir, err := filepath.EvalSymlinks(filepath.Dir(path))
			if err != nil {
				return "", err
			}
			target = filepath.Join(dir, target)
		}
		path = target
	}
	return "", &os.PathError{Op: "follow", Path: path, Err: syscall.ELOOP}
}

// likeTarget gives a new file the mode and the owner of the one that it is to replace.
func likeTarget(file *os.File, target string) error {
	info, err := os.Stat(target)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &textfile.Irregular{Path: target, Kind: "something else"}
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && (int(s.Uid) != os.Getuid() || int(s.Gid) != os.Getgid()) {
		if err := file.Chown(int(s.Uid), int(s.Gid)); err != nil {
			return err
		}
	}
	return file.Chmod(info.Mode().Perm())
}

// noteLinks says of each file that is to be written through a link, where that leads.
func (s *Saving) noteLinks(root string) error {
	for _, f := range s.Files {
		if f.Link || f.Existed && bytes.Equal(f.Old, f.New) {
			continue
		}
		path := filepath.Join("/", root, f.Path)
		target, err := followed(path)
		if err != nil {
			return fmt.Errorf("save for reboot: %w", err)
		}
		if target != path {
			s.Notes = append(s.Notes, fmt.Sprintf("%s is a link to %s: that file is written, and keeps its mode and owner", f.Path, "/"+strings.TrimLeft(strings.TrimPrefix(target, filepath.Join("/", root)), "/")))
		}
	}
	return nil
}
