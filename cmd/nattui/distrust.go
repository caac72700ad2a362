package main

import (
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// systemPath is where programs are looked for that get rights which their user has not.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// displayVariables are the variables that say how to write on a terminal and how somebody came to be on it.
var displayVariables = []string{
	"TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES", "TMUX", "TMUX_PANE", "STY", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY", "NATTUI_THEME", "NATTUI_GUARDS",
}

// distrust empties the environment of what could name programs, libraries and files, where this program has rights by
// its file that its user has not (setcap(8)): the kernel says so by AT_SECURE (getauxval(3)), and the programs that nattui
// starts and hands these rights to are not told (lend).
func distrust() {
	aux, err := unix.Auxv()
	const atSecure = 23 // linux/auxvec.h
	secure := slices.ContainsFunc(aux, func(a [2]uintptr) bool { return a[0] == atSecure && a[1] != 0 })
	if os.Getuid() == 0 || err == nil && !secure {
		return
	}
	kept := map[string]string{"PATH": systemPath}
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		locale := name == "LANG" || strings.HasPrefix(name, "LC_")
		if slices.Contains(displayVariables, name) || locale && !strings.Contains(value, "/") {
			kept[name] = value
		}
	}
	if u, err := user.LookupId(strconv.Itoa(os.Getuid())); err == nil {
		kept["HOME"] = u.HomeDir
	}
	os.Clearenv()
	for name, value := range kept {
		os.Setenv(name, value)
	}
}
