package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
)

// installedSize is the field of an ipk that says how much room it takes.
var installedSize = regexp.MustCompile(`(?m)^Installed-Size: .*$`)

// sizeInBytes corrects that field: nfpm writes kilobytes, as Debian does, and opkg reads bytes. By a thousandth of the size
// a router would begin to install what its flash has no room for.
func sizeInBytes(ipk []byte) ([]byte, error) {
	size := 0
	_, err := edited(ipk, "data.tar.gz", func(data []byte) ([]byte, error) {
		return edited(data, "", func(text []byte) ([]byte, error) {
			size += len(text)
			return text, nil
		})
	})
	if err != nil {
		return nil, err
	}
	return edited(ipk, "control.tar.gz", func(control []byte) ([]byte, error) {
		return edited(control, "control", func(text []byte) ([]byte, error) {
			if !installedSize.Match(text) {
				return nil, errors.New("an ipk without Installed-Size")
			}
			return installedSize.ReplaceAll(text, fmt.Appendf(nil, "Installed-Size: %d", size)), nil
		})
	})
}

// edited is a compressed archive with the files of a name, or with all of them, as edit makes them.
func edited(archive []byte, name string, edit func([]byte) ([]byte, error)) ([]byte, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	out := tar.NewWriter(zipped)
	for in := tar.NewReader(unzipped); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		if name == "" || path.Base(header.Name) == name {
			if text, err = edit(text); err != nil {
				return nil, err
			}
			header.Size = int64(len(text))
		}
		if err := out.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := out.Write(text); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(out.Close(), zipped.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
