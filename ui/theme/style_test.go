package theme

import (
	"testing"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
)

// A style draws what the library would, whatever the text.
func TestStyleDrawsAsTheLibrary(t *testing.T) {
	for _, dark := range []bool{true, false} {
		for _, profile := range []colorprofile.Profile{colorprofile.TrueColor, colorprofile.ANSI, colorprofile.ASCII} {
			look := New(dark, true, profile)
			styles := roles(look)
			styles["bold"], styles["over"], styles["zero"] = look.Faint.Bold(true), look.DNAT.Inherit(look.Cursor), Style{}
			styles["plain"] = StyleOf(lipgloss.NewStyle())
			for name, s := range styles {
				for _, text := range []string{"", " ", "x", "two words ", "日本 ü", "a\tb", "a\nlonger\n", "a\r\nb", "\x1b[1mbold\x1b[m rest", "▌ x"} {
					if got, want := s.Render(text), s.Lipgloss().Render(text); got != want {
						t.Errorf("%s: %q is drawn %q, not %q", name, text, got, want)
					}
				}
			}
		}
	}
}

func BenchmarkStyle(b *testing.B) {
	s := New(true, true, colorprofile.TrueColor).DNAT
	b.Run("prepared", func(b *testing.B) {
		for b.Loop() {
			_ = s.Render("192.168.0.2:8080")
		}
	})
	b.Run("lipgloss", func(b *testing.B) {
		for b.Loop() {
			_ = s.Lipgloss().Render("192.168.0.2:8080")
		}
	})
}
