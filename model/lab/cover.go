package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// covered are the directories in which rules, settings and units of a host are kept. What is written there inside of a
// cell stays inside: whoever saves rules in the lab must not change what this host loads at its next boot.
var covered = []string{"/etc", "/var/lib"}

// coverFiles lays a writable layer over the covered directories that is gone with the cell (overlayfs, see
// Documentation/filesystems/overlayfs.rst; Linux 5.11 in a user namespace). Where the kernel has none they are read-only. What
// could not be covered must not be writable.
func coverFiles() error {
	const layers = "/run/layers"
	if err := os.Mkdir(layers, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", layers, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700,size=64m"); err != nil {
		return fmt.Errorf("mount the layer over files: %w", err)
	}
	at, err := os.Getwd()
	if err != nil {
		at = "/"
	}
	for _, dir := range covered {
		if err := cover(dir, filepath.Join(layers, filepath.Base(dir))); err != nil {
			return fmt.Errorf("keep %s of this host as it is: %w", dir, err)
		}
	}
	// The mounts hold the layers. Nobody else has to see them, or the way around them that the working directory may be.
	if err := unix.Unmount(layers, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("hide the layer over files: %w", err)
	}
	if err := os.Remove(layers); err != nil {
		return err
	}
	return os.Chdir(at)
}

func cover(dir, layer string) error {
	if _, err := os.Stat(dir); err != nil {
		return nil //nolint:nilerr // what is not there needs no cover
	}
	upper, work := filepath.Join(layer, "upper"), filepath.Join(layer, "work")
	for _, d := range []string{upper, work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if unix.Mount("overlay", dir, "overlay", unix.MS_NODEV, "lowerdir="+dir+",upperdir="+upper+",workdir="+work) == nil {
		return nil
	}
	err := readOnly(dir)
	if err != nil && unix.Access(dir, unix.W_OK) != nil {
		return nil //nolint:nilerr // an ordinary user's
	}
	return err
}

// readOnly makes a directory read-only with all that is mounted below it, or without that where the kernel is older
// (mount_setattr(2), Linux 5.12).
func readOnly(dir string) error {
	if err := unix.Mount(dir, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	err := unix.MountSetattr(unix.AT_FDCWD, dir, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	if !errors.Is(err, unix.ENOSYS) {
		return err
	}
	var is unix.Statfs_t
	if err := unix.Statfs(dir, &is); err != nil {
		return err
	}
	const kept = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME // a user namespace may not take these away
	return unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|uintptr(is.Flags)&kept, "")
}
