package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nattui/ui/theme"
)

// The flag goes before the variable, and that before the file; what is wrong is named with its place.
func TestSettingsOfTheScreens(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv(themeVariable, "")
	if _, complaints := readSettings(theme.Auto); len(complaints) > 0 {
		t.Errorf("without a file: %q", complaints)
	}
	path := filepath.Join(home, "nattui", "config.toml")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("theme = \"light\"\nthme = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, complaints := readSettings(theme.Auto)
	if want := path + `:2: there is no setting thme: did you mean "theme"?`; s.Theme != theme.Light || len(complaints) != 1 || complaints[0] != want {
		t.Errorf("read %v, %q", s.Theme, complaints)
	}
	t.Setenv(themeVariable, "ansi-light")
	if s, _ := readSettings(theme.Auto); s.Theme != theme.ANSILight {
		t.Errorf("the variable makes it %v", s.Theme)
	}
	if s, _ := readSettings(theme.None); s.Theme != theme.None {
		t.Errorf("the flag makes it %v", s.Theme)
	}
	t.Setenv(themeVariable, "blue")
	if s, complaints := readSettings(theme.Auto); s.Theme != theme.Light || len(complaints) != 2 || !strings.HasPrefix(complaints[1], themeVariable+`: "blue" is not a theme`) {
		t.Errorf("a wrong variable makes it %v, %q", s.Theme, complaints)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, complaints := readSettings(theme.Dark); !strings.Contains(complaints[0], "a directory") {
		t.Errorf("a directory gives %q", complaints)
	}
}
