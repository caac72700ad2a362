package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"nattui/rules/textfile"
	"nattui/ui"
	"nattui/ui/theme"
)

// themeVariable names the theme where no flag does.
const themeVariable = "NATTUI_THEME"

// settingsFile is where the screens' settings are, "" where the user has no home: config.toml
// in the directory of the XDG Base Directory Specification.
func settingsFile() string {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) { // which that specification has ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "nattui", "config.toml")
}

// readSettings reads the settings, and says what is wrong with them: nothing of that keeps the
// screens from opening. The flag --theme goes before the variable, and that before the file.
func readSettings(flag theme.Choice) (s ui.Settings, complaints []string) {
	if path := settingsFile(); path != "" {
		written, err := textfile.Read(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			complaints = append(complaints, err.Error())
		default:
			var wrong []ui.Complaint
			s, wrong = ui.ReadSettings(written)
			for _, w := range wrong {
				complaints = append(complaints, fmt.Sprintf("%s:%d: %s", path, w.Line, w.Text))
			}
		}
	}
	if name := os.Getenv(themeVariable); name != "" {
		choice, err := theme.Choose(name)
		if err != nil {
			complaints = append(complaints, fmt.Sprintf("%s: %v", themeVariable, err))
		} else {
			s.Theme = choice
		}
	}
	if flag != theme.Auto {
		s.Theme = flag
	}
	return s, complaints
}
