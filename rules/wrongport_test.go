package rules

import "testing"

// What is wrong with a place is its port only where the address is one.
func TestWrongPort(t *testing.T) {
	for place, want := range map[string]string{
		"192.168.0.2:99999":                `"99999" is not a port: ports go from 1 to 65535`,
		"192.168.0.2:0":                    `"0" is not a port: ports go from 1 to 65535`,
		"192.168.0.2:8x":                   `"8x" is not a port: ports go from 1 to 65535`,
		"192.168.0.2:80-99999":             `"99999" is not a port: ports go from 1 to 65535`,
		"192.168.0.2-192.168.0.9:99999":    `"99999" is not a port: ports go from 1 to 65535`,
		":99999":                           `"99999" is not a port: ports go from 1 to 65535`,
		"192.168.0.2:http":                 `"http" is not a port: write its number, 80`,
		"192.168.0.2:":                     "behind 192.168.0.2: a port is missing, a number from 1 to 65535",
		"192.168.0.2:80-":                  "behind 192.168.0.2:80- a port is missing, a number from 1 to 65535",
		"[2001:db8::2]:99999":              `"99999" is not a port: ports go from 1 to 65535`,
		"[2001:db8::2]:":                   "behind [2001:db8::2]: a port is missing, a number from 1 to 65535",
		"[2001:db8::2-2001:db8::9]:99999":  `"99999" is not a port: ports go from 1 to 65535`,
		"192.168.0.2:18446744073709551700": `"18446744073709551700" is not a port: ports go from 1 to 65535`,

		"192.168.0.2:80": "", "192.168.0.2:80-90": "", "[2001:db8::2]:80": "", "192.168.0.2": "", "2001:db8::2": "", "": "",
		"192.168.0.300:99999": "", "server:99999": "", "[2001:db8::x]:99999": "", "2001:db8::2:99999": "", "[2001:db8::2": "",
	} {
		if got := WrongPort(place); got != want {
			t.Errorf("%s: %q, not %q", place, got, want)
		}
	}
}
