package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// buildTree is the least of OpenWrt's build tree in which a package's Makefile runs: the variables and the order of
// its steps. It shows that the recipe builds; the SDK itself is too large for a test.
var buildTree = map[string]string{
	"rules.mk": "INCLUDE_DIR:=$(TOPDIR)/include\nINSTALL_DIR:=install -d -m0755\nINSTALL_BIN:=install -m0755\n",
	"include/package.mk": "PKG_BUILD_DIR:=$(TOPDIR)/build_dir/$(PKG_NAME)-$(PKG_VERSION)\n" +
		"define BuildPackage\nall:\n\t$(call Build/Prepare)\n\t$(call Build/Configure)\n\t$(call Build/Compile)\n\t$(call Package/$(1)/install,$(TOPDIR)/root)\nendef\n",
	"feeds/packages/lang/golang/golang-values.mk": "GO_ARCH:=mipsle\nGO_MIPS:=softfloat\nGO_ARCH_DEPENDS:=@mipsel\n",
}

func TestFeedBuilds(t *testing.T) {
	if testing.Short() {
		t.Skip("left out of short mode: builds a package")
	}
	needs(t, "make", "git", "file")
	top := t.TempDir()
	for name, text := range buildTree {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(top, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := git("..", "rev-parse", "HEAD"); err != nil {
		lacks(t, fmt.Errorf("not in a git repository: %w", err))
	}
	said := run(t, "make", "-C", "openwrt/nattui", "TOPDIR="+top)
	kind := run(t, "file", filepath.Join(top, "root/usr/sbin/nattui"))
	if !strings.Contains(kind, "MIPS") || !strings.Contains(kind, "LSB") || !strings.Contains(kind, "statically linked") || !strings.Contains(kind, "stripped") {
		t.Errorf("it built %s\n%s", kind, said)
	}
}
