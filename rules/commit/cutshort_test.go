package commit

import "testing"

// A file that an editor has left without its last newline, or with blanks or another system's line ends, is whole.
func TestCutShort(t *testing.T) {
	const table = "*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\n"
	for text, how := range map[string]string{
		table + "COMMIT\n":            "",
		table + "COMMIT":              "",
		table + "COMMIT\n# Completed": "",
		table + "COMMIT\n  ":          "",
		table + "COMMIT \n":           "",
		table + "COMMIT\r\n":          "",
		"":                            "it is empty",
		table:                         "it ends within table filter",
		table + "-A INPUT -s 203.0.113.9 --dport": "it ends within table filter",
		table + "COMMIT\n*na":                     "it ends within a line",
		table + "COM":                             "it ends within table filter",
	} {
		if _, got := cutShort([]byte(text)); got != how {
			t.Errorf("%q: %q, not %q", text, got, how)
		}
	}
}
