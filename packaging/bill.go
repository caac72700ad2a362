package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// bill writes what the binaries are made of, in SPDX 2.3 as JSON: each module with version, checksum and licence, and each file of this
// build with its checksum. It is read out of the binaries themselves, not out of go.mod, which also names what only tests use.
func (r *release) bill() error {
	modules, err := r.modules()
	if err != nil {
		return err
	}
	name := "nattui-" + r.version.upstream()
	document := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: name,
		CreationInfo: &spdx.CreationInfo{Created: r.when.Format("2006-01-02T15:04:05Z"), Creators: []common.Creator{{CreatorType: "Tool", Creator: "nattui-packaging"}}},
	}
	own := &spdx.Package{
		PackageName: "nattui", PackageSPDXIdentifier: "Package-nattui", PackageVersion: r.version.upstream(), PackageDownloadLocation: "NOASSERTION",
		PackageLicenseConcluded: "MIT", PackageLicenseDeclared: "MIT", PackageCopyrightText: "Copyright (c) 2026 The nattui authors",
	}
	document.Packages = append(document.Packages, own, standardLibrary())
	document.Relationships = append(document.Relationships, related("DOCUMENT", "DESCRIBES", "Package-nattui"), related("Package-nattui", "CONTAINS", "Package-go"))
	for _, m := range modules {
		document.Packages = append(document.Packages, m.entry())
		document.Relationships = append(document.Relationships, related("Package-nattui", "CONTAINS", string(m.id())))
	}
	whole := sha256.New()
	for _, name := range r.made {
		sum, err := sumOf(filepath.Join(r.stage, name))
		if err != nil {
			return err
		}
		fmt.Fprintln(whole, name, sum)
		id := "File-" + plain(name)
		document.Files = append(document.Files, &spdx.File{
			FileName: "./" + name, FileSPDXIdentifier: common.ElementID(id), Checksums: []common.Checksum{{Algorithm: common.SHA256, Value: sum}},
			LicenseConcluded: "NOASSERTION", FileCopyrightText: "NOASSERTION",
		})
		document.Relationships = append(document.Relationships, related(id, "GENERATED_FROM", "Package-nattui"))
	}
	// A namespace is one document's alone (SPDX 2.3, 6.5): of one version there are as many as choices of what to build.
	document.DocumentNamespace = fmt.Sprintf("urn:nattui:%s:%x", r.version.upstream(), whole.Sum(nil)[:8])
	return r.write(name+".spdx.json", document)
}

func (r *release) write(name string, document *spdx.Document) error {
	file, err := os.Create(filepath.Join(r.stage, name))
	if err != nil {
		return err
	}
	defer file.Close()
	if err := spdxjson.Write(document, file, spdxjson.Indent("  ")); err != nil {
		return err
	}
	return r.note(name)
}

// modules are those of all binaries of this run, with licences.
func (r *release) modules() ([]module, error) {
	directories, err := r.directories()
	if err != nil {
		return nil, err
	}
	seen := map[string]module{}
	for _, name := range r.made {
		if !strings.Contains(name, "-linux-") {
			continue
		}
		found, err := modulesOf(filepath.Join(r.stage, name))
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			if err := m.licences(directories[m.path]); err != nil {
				return nil, err
			}
			seen[m.path] = m
		}
	}
	var all []module
	for _, m := range seen {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.path, b.path) })
	return all, nil
}

// entry is a module as a package of SPDX. The sum of go.sum is no plain checksum of a file, so it is a comment.
func (m module) entry() *spdx.Package {
	return &spdx.Package{
		PackageName: m.path, PackageSPDXIdentifier: m.id(), PackageVersion: m.version, PackageDownloadLocation: "NOASSERTION",
		PackageLicenseConcluded: m.licence, PackageLicenseDeclared: m.licence, PackageCopyrightText: "NOASSERTION", PackageComment: "go.sum " + m.sum,
		PackageExternalReferences: []*spdx.PackageExternalReference{{
			Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: "pkg:golang/" + m.path + "@" + m.version,
		}},
	}
}

func (m module) id() common.ElementID { return common.ElementID("Package-" + plain(m.path)) }

func standardLibrary() *spdx.Package {
	version := strings.TrimPrefix(runtime.Version(), "go")
	return &spdx.Package{
		PackageName: "Go standard library", PackageSPDXIdentifier: "Package-go", PackageVersion: version, PackageDownloadLocation: "NOASSERTION",
		PackageLicenseConcluded: "BSD-3-Clause", PackageLicenseDeclared: "BSD-3-Clause", PackageCopyrightText: "Copyright 2009 The Go Authors.",
		PackageExternalReferences: []*spdx.PackageExternalReference{{
			Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: "pkg:golang/stdlib@" + version,
		}},
	}
}

func related(from, how, to string) *spdx.Relationship {
	return &spdx.Relationship{RefA: common.MakeDocElementID("", from), RefB: common.MakeDocElementID("", to), Relationship: how}
}

// odd is what identifiers of SPDX may not have: they are of letters, digits, dots and hyphens.
var odd = regexp.MustCompile(`[^A-Za-z0-9.-]`)

func plain(s string) string { return odd.ReplaceAllString(s, "-") }

// checksums writes SHA256SUMS over all that was made, as  sha256sum -c  reads it.
func (r *release) checksums() error {
	var b strings.Builder
	slices.Sort(r.made)
	for _, name := range r.made {
		sum, err := sumOf(filepath.Join(r.stage, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s  %s\n", sum, name)
	}
	return os.WriteFile(filepath.Join(r.stage, "SHA256SUMS"), []byte(b.String()), 0o644)
}

func sumOf(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}
