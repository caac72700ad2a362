// Command packaging builds what people install of nattui: packages for Debian, RPM systems, Alpine, Arch and
// OpenWrt, plain binaries, their checksums, and a bill of materials. It is run by  make packages.
//
// It is a module of its own: nfpm and what it needs are some fifty modules, and none of them is to be weighed by
// whoever reads what the program itself depends on, or to choose versions for it.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	r := release{}
	var archs, formats string
	flag.StringVar(&r.source, "source", "..", "the nattui source `DIRECTORY`")
	flag.StringVar(&r.output, "o", "../dist", "the `DIRECTORY` that gets the packages")
	flag.StringVar(&archs, "arch", "", "only these `ARCHITECTURES`, as Go names them, separated by commas")
	flag.StringVar(&formats, "format", "", "only these `FORMATS`: deb, rpm, apk, archlinux, ipk")
	flag.StringVar(&r.described, "version", os.Getenv("VERSION"), "the `VERSION`, as git describe prints it; asked of git by default")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	if err := r.make(list(archs), list(formats)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// list is a list that commas separate.
func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// release is one run: what is built from where, and into which directory.
type release struct {
	source, output string
	described      string // by git describe, or the caller
	version        version
	when           time.Time // of everything in it, the same each time that the same source is built
	stage          string    // where files are made, until all of them are
	made           []string  // files of this run, by name
}

// make builds everything for the architectures and formats that are wanted; none means all.
func (r *release) make(archs, formats []string) error {
	if err := known(archs, formats); err != nil {
		return err
	}
	if err := r.prepare(); err != nil {
		return err
	}
	defer os.RemoveAll(r.stage)
	if err := r.fill(archs, formats); err != nil {
		return err
	}
	return r.deliver()
}

// fill builds what is wanted, with checksums and the bill of materials.
func (r *release) fill(archs, formats []string) error {
	scratch, err := os.MkdirTemp("", "nattui-packaging")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	parts, err := r.collect(scratch)
	if err != nil {
		return err
	}
	for _, t := range targets {
		if len(archs) > 0 && !slices.Contains(archs, t.goarch) {
			continue
		}
		if err := r.target(t, formats, parts); err != nil {
			return fmt.Errorf("%s: %w", t.goarch, err)
		}
	}
	if err := r.bill(); err != nil {
		return fmt.Errorf("bill of materials: %w", err)
	}
	return r.checksums()
}

// target builds the binary for one architecture, and the packages with it.
func (r *release) target(t target, formats []string, parts parts) error {
	name := "nattui-" + r.version.upstream() + "-linux-" + t.goarch
	binary := filepath.Join(r.stage, name)
	if err := r.build(t.goarch, binary); err != nil {
		return err
	}
	if err := r.note(name); err != nil {
		return err
	}
	for _, p := range t.packages {
		if len(formats) > 0 && !slices.Contains(formats, p.format) {
			continue
		}
		if err := r.pack(t, p, binary, parts); err != nil {
			return fmt.Errorf("%s: %w", p.format, err)
		}
	}
	return nil
}

// note records that a file was made, and prints its size.
func (r *release) note(name string) error {
	info, err := os.Stat(filepath.Join(r.stage, name))
	if err != nil {
		return err
	}
	r.made = append(r.made, name)
	fmt.Printf("%6.1f MB  %s\n", float64(info.Size())/1e6, filepath.Join(r.output, name))
	return nil
}
