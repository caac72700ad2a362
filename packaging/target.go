package main

import (
	"fmt"
	"slices"
)

// target is an architecture as Go names it, with the packages that are made for it.
type target struct {
	goarch   string
	packages []packageOf
}

// packageOf is a package of one format, for an architecture as the format's own systems name it.
type packageOf struct{ format, arch string }

// targets are all that is built. A format is left out where none of its distributions runs on the architecture:
// Debian 12 is the last with mipsel, and Arch has ports for arm, 32-bit x86 and RISC-V only.
//
// The OpenWrt names are those of its releases' download directories. A router installs only what
// its own /etc/opkg.conf or opkg print-architecture names, so the common ones are built one by one, from one binary.
var targets = []target{
	{"amd64", slices.Concat(systems("amd64", "x86_64", "x86_64", "x86_64"), routers("x86_64"))},
	{"arm64", slices.Concat(systems("arm64", "aarch64", "aarch64", "aarch64"),
		routers("aarch64_generic", "aarch64_cortex-a53", "aarch64_cortex-a72"))},
	{"arm", slices.Concat(systems("armhf", "armv7hl", "armv7", "armv7h"),
		routers("arm_cortex-a7_neon-vfpv4", "arm_cortex-a9_vfpv3-d16", "arm_cortex-a15_neon-vfpv4"))},
	{"mips", routers("mips_24kc")},
	{"mipsle", slices.Concat(systems("mipsel", "", "", ""), routers("mipsel_24kc"))},
	{"386", slices.Concat(systems("i386", "i686", "x86", "i686"), routers("i386_pentium4"))},
	{"riscv64", slices.Concat(systems("riscv64", "riscv64", "riscv64", "riscv64"), routers("riscv64_riscv64", "riscv64_generic"))},
}

// systems are the packages for distributions, by the architecture's name in each; "" where there is none.
func systems(deb, rpm, apk, arch string) []packageOf {
	all := []packageOf{{"deb", deb}, {"rpm", rpm}, {"apk", apk}, {"archlinux", arch}}
	return slices.DeleteFunc(all, func(p packageOf) bool { return p.arch == "" })
}

// routers are the packages for OpenWrt, by its names of the architecture.
func routers(archs ...string) []packageOf {
	var all []packageOf
	for _, a := range archs {
		all = append(all, packageOf{"ipk", a})
	}
	return all
}

// known says which of the wanted architectures and formats there are none of.
func known(archs, formats []string) error {
	for _, a := range archs {
		if !slices.ContainsFunc(targets, func(t target) bool { return t.goarch == a }) {
			return fmt.Errorf("nothing is built for %q", a)
		}
	}
	for _, f := range formats {
		if !slices.Contains([]string{"deb", "rpm", "apk", "archlinux", "ipk"}, f) {
			return fmt.Errorf("there are no packages of format %q", f)
		}
	}
	return nil
}
