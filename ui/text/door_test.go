package text

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestDoor(t *testing.T) {
	for _, c := range []struct {
		styled   bool
		in, want string
	}{
		{false, "tcp :80\tgoes to ⇒ 192.168.0.2\n", "tcp :80\tgoes to ⇒ 192.168.0.2\n"},
		{false, "a\x1b]52;c;QQ==\x07b\r\n", `a\x1b]52;c;QQ==\x07b\x0d` + "\n"},
		{false, "a\x1b[31mred\x1b[0m", `a\x1b[31mred\x1b[0m`},
		{true, "a\x1b[1;31mred\x1b[0m", "a\x1b[1;31mred\x1b[0m"},
		{true, "a\x1b[38;5;208mo\x1b[m\x1b[8mhidden\x1b[2J", "a\x1b[38;5;208mo\x1b[m" + `\x1b[8mhidden\x1b[2J`},
		{true, "\u202egnp.exe\u200b \u009b31m \xff", `\u202egnp.exe\u200b \u009b31m \xff`},
		{false, "{\"comment\":\"a\u202eb\u009bc\xff\U000e0041\"}\n\u202e", "{\"comment\":\"a\\u202eb\\u009bc\\ufffd\\udb40\\udc41\"}\n" + `\u202e`},
		{false, "  \"spec\": \"\u2066\"\n", "  \"spec\": \"\\u2066\"\n"},
	} {
		for _, pieces := range []int{1, 3, len(c.in)} {
			var out bytes.Buffer
			d := &Door{To: &out, Styled: c.styled}
			for rest := []byte(c.in); len(rest) > 0; {
				n := min(pieces, len(rest))
				if m, err := d.Write(rest[:n]); m != n || err != nil {
					t.Fatal(m, err)
				}
				rest = rest[n:]
			}
			if out.String() != c.want {
				t.Errorf("%q in pieces of %d: %q, not %q", c.in, pieces, out.String(), c.want)
			}
		}
	}
}

// FuzzDoor has nothing come through that acts on a terminal, and JSON stay JSON.
func FuzzDoor(f *testing.F) {
	f.Add("a\x1b[31m\u202e\x9b", "x\x00\u2028")
	f.Fuzz(func(t *testing.T, plain, value string) {
		var out bytes.Buffer
		d := &Door{To: &out}
		_, _ = d.Write([]byte(plain + "\n"))
		if strings.ContainsFunc(strings.NewReplacer("\n", "", "\t", "").Replace(out.String()), unsafeRune) {
			t.Errorf("%q comes out as %q", plain, out.String())
		}
		encoded, _ := json.Marshal(map[string]string{"v": value})
		out.Reset()
		d = &Door{To: &out}
		_, _ = d.Write(append(encoded, '\n'))
		var back, want map[string]string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil {
			t.Fatalf("%q: %v", out.String(), err)
		}
		_ = json.Unmarshal(encoded, &want)
		if back["v"] != want["v"] {
			t.Errorf("%q is read as %q", value, back["v"])
		}
	})
}
