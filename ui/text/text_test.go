package text

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

func TestNumbers(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 9999: "9,999", 10_000: "10.0k", 22_417: "22.4k", 123_456: "123k", 1_500_000: "1.5M", 2_000_000_000: "2.0G"} {
		if got := Count(n); got != want || len(got) > 5 {
			t.Errorf("%d is counted as %s, not %s", n, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1200: "1.2 kB", 48_000_000: "48 MB", 999_900: "1.0 MB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d bytes are %s, not %s", n, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0", 0.01: "<0.1", 12: "12.0", 1200: "1.2k", 840_000: "840k"} {
		if got := Rate(v); got != want {
			t.Errorf("%v a second is %s, not %s", v, got, want)
		}
	}
	for d, want := range map[time.Duration]string{119 * time.Second: "1m59s", 192 * time.Second: "3m", 3661 * time.Second: "1h1m", -1: "0s"} {
		if got := Steady(d); got != want {
			t.Errorf("steady %v is %q, not %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{4200 * time.Millisecond: "4.2s", 59 * time.Second: "59s", 192 * time.Second: "3m12s", 5 * time.Hour: "5h", 432000 * time.Second: "5d", -1: "0s"} {
		if got := Duration(d); got != want {
			t.Errorf("%v is %s, not %s", d, got, want)
		}
	}
}

func FuzzSafe(f *testing.F) {
	f.Add("plain")
	f.Add("\x1b[31m\u202e\x00\xff\u0085")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range Safe(s) {
			if r == unicode.ReplacementChar && !strings.ContainsRune(s, r) || unsafeRune(r) {
				t.Fatalf("%q lets %q through", s, r)
			}
		}
	})
}

func FuzzWrap(f *testing.F) {
	f.Add("the quick brown fox", 7, 2)
	f.Add("averyveryverylongword and 日本語", 5, 0)
	f.Fuzz(func(t *testing.T, s string, width, limit int) {
		if width < 4 || width > 300 || limit < 0 || limit > 100 {
			return
		}
		s = Safe(s)
		lines := Wrap(s, width, limit)
		if limit > 0 && len(lines) > limit {
			t.Fatalf("%d lines", len(lines))
		}
		for _, l := range lines {
			if ansi.StringWidth(l) > width {
				t.Fatalf("%q is wider than %d", l, width)
			}
		}
	})
}

func TestPad(t *testing.T) {
	if got := Pad("abcdef", 4, false); got != "abc…" {
		t.Errorf("%q", got)
	}
	if got := Pad("ab", 4, true); got != "  ab" {
		t.Errorf("%q", got)
	}
}

func TestEndpointKeepsItsPort(t *testing.T) {
	for width, want := range map[int]string{30: "203.0.113.10:55474", 18: "203.0.113.10:55474", 16: "203.0.113…:55474", 9: "20…:55474", 8: "203.0.1…", 1: "…", 0: ""} {
		if got := Endpoint("203.0.113.10:55474", width); got != want {
			t.Errorf("in %d cells it is %q, not %q", width, got, want)
		}
	}
	if got := Endpoint("пример.испытание:443", 12); got != "пример.…:443" {
		t.Errorf("a name becomes %q", got)
	}
}

func TestGraph(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{{nil, ""}, {[]float64{5, 5}, "▁▁"}, {[]float64{0, 50, 100}, "▁▅█"}, {[]float64{7}, "▁"}} {
		if got := Graph(c.values); got != c.want {
			t.Errorf("%v is drawn as %s, not %s", c.values, got, c.want)
		}
	}
	for _, c := range []struct {
		rates []float64
		want  string
	}{{nil, ""}, {[]float64{0, 0}, "▁▁"}, {[]float64{4, 4}, "██"}, {[]float64{4, 3.9, 4.1}, "███"}, {[]float64{0, 50, 100}, "▁▅█"}} {
		if got := Bars(c.rates); got != c.want {
			t.Errorf("the rates %v are drawn as %s, not %s", c.rates, got, c.want)
		}
	}
}
