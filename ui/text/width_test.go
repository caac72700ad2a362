package text

import (
	"strings"
	"testing"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"
)

// lines are made of what is on the screens, and of what is hard: wide characters, marks that join, sequences that are cut off.
func lines() *rapid.Generator[string] {
	part := rapid.SampledFrom([]string{
		"a", "Z", " ", "~", "…", "→", "│", "─", "╭", "█", "▁", "✓", "●", "·", "×", "–", "▸", "◂", "▾", "▴", "←", "↑", "↓", "⇒", "↳", "“", "”", "‘", "’", "‹", "›", "ab cd", "203.0.113.1:80",
		"\x1b[m", "\x1b[1;38;5;109m", "\x1b[48;2;1;2;3m", "\x1b[0m",
		"中", "é", "e\u0301", "\u0301", "\ufe0f", "\u200d", "👩\u200d💻", "🇩", "☎", "\t", "\n", "\x7f", "\xff", "\x1b", "\x1b[", "\x1b]0;x\a", "\x1b[3\x01",
	})
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(part, 0, 12).Draw(t, "parts"), "")
	})
}

// What is counted here is what the library counts.
func TestWidthsAreTheLibrarys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, n := lines().Draw(t, "line"), rapid.IntRange(-1, 40).Draw(t, "cells")
		tail := rapid.SampledFrom([]string{"", "…", "...", "中"}).Draw(t, "tail")
		if got, want := Width(s), lipgloss.Width(s); got != want {
			t.Errorf("%q: %d cells, not %d", s, got, want)
		}
		if got, want := Truncate(s, n, tail), ansi.Truncate(s, n, tail); got != want {
			t.Errorf("%q cut to %d with %q: %q, not %q", s, n, tail, got, want)
		}
		if got, want := Without(s, n), ansi.TruncateLeft(s, n, ""); got != want {
			t.Errorf("%q without %d: %q, not %q", s, n, got, want)
		}
	})
}

// BenchmarkWidth is what a line of a list takes beside the library.
func BenchmarkWidth(b *testing.B) {
	line := strings.Repeat("\x1b[38;5;109m203.0.113.1:80\x1b[m → \x1b[38;5;17m192.168.0.2:8080\x1b[m │ ", 3)
	b.Run("here", func(b *testing.B) {
		for b.Loop() {
			_ = Width(line)
		}
	})
	b.Run("library", func(b *testing.B) {
		for b.Loop() {
			_ = lipgloss.Width(line)
		}
	})
}
