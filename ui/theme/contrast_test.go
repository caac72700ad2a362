package theme

import (
	"fmt"
	"image/color"
	"math"
	"reflect"
	"strconv"
	"testing"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
)

// least is the contrast that WCAG 2.2 asks of text (success criterion 1.4.3).
const least = 4.5

// luminance is the relative luminance of a colour, 0 to 1 (WCAG 2.2, glossary).
func luminance(c color.Color) float64 {
	r, g, b, _ := c.RGBA()
	linear := func(v uint32) float64 {
		x := float64(v) / 0xffff
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

func contrast(a, b color.Color) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func TestContrastOfKnownColours(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want float64
	}{{"#000000", "#ffffff", 21}, {"#ffffff", "#ffffff", 1}, {"#767676", "#ffffff", 4.54}} {
		if got := contrast(lipgloss.Color(c.a), lipgloss.Color(c.b)); math.Abs(got-c.want) > 0.01 {
			t.Errorf("%s on %s is %.2f : 1, not %.2f", c.a, c.b, got, c.want)
		}
	}
}

// backgrounds are those of widespread terminals and colour schemes.
var backgrounds = map[bool][]string{
	true:  {"#000000", "#1e1e1e", "#1e1e2e", "#002b36", "#282c34", "#300a24"},
	false: {"#ffffff", "#fdf6e3", "#f5f5f5"},
}

// sixteen are the colours that terminals show for the numbers 0 to 15: those of
// xterm and those of the VGA, which Linux' console and PuTTY use.
var sixteen = map[string][16]string{
	"xterm": {
		"#000000", "#cd0000", "#00cd00", "#cdcd00", "#0000ee", "#cd00cd", "#00cdcd", "#e5e5e5",
		"#7f7f7f", "#ff0000", "#00ff00", "#ffff00", "#5c5cff", "#ff00ff", "#00ffff", "#ffffff",
	},
	"VGA": {
		"#000000", "#aa0000", "#00aa00", "#aa5500", "#0000aa", "#aa00aa", "#00aaaa", "#aaaaaa",
		"#555555", "#ff5555", "#55ff55", "#ffff55", "#5555ff", "#ff55ff", "#55ffff", "#ffffff",
	},
}

// roles are all styles of a theme by name.
func roles(t *Theme) map[string]Style {
	all := map[string]Style{}
	v := reflect.ValueOf(*t)
	for i := range v.NumField() {
		if s, ok := v.Field(i).Interface().(Style); ok {
			all[v.Type().Field(i).Name] = s
		}
	}
	return all
}

// ground is the colour of a style, false where it is the terminal's own.
func ground(c color.Color) (color.Color, bool) {
	_, none := c.(lipgloss.NoColor)
	return c, c != nil && !none
}

func TestEveryRoleIsReadable(t *testing.T) {
	for _, dark := range []bool{true, false} {
		for _, profile := range []colorprofile.Profile{colorprofile.TrueColor, colorprofile.ANSI256} {
			theme := New(dark, true, profile)
			grounds := append([]string(nil), backgrounds[dark]...)
			if c, ok := ground(theme.Cursor.Lipgloss().GetBackground()); ok {
				r, g, b, _ := c.RGBA()
				grounds = append(grounds, fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8))
			}
			for name, role := range roles(theme) {
				c, ok := ground(role.Foreground())
				if !ok {
					continue
				}
				c = profile.Convert(c)
				for _, on := range grounds {
					if got := contrast(c, lipgloss.Color(on)); got < least {
						t.Errorf("dark %v, %v: %s has %.2f : 1 on %s, less than %.1f", dark, profile, name, got, on, least)
					}
				}
			}
		}
	}
}

func TestEveryRoleIsReadableInSixteenColours(t *testing.T) {
	for palette, colours := range sixteen {
		for dark, on := range map[bool]string{true: "#000000", false: "#ffffff"} {
			for name, role := range roles(New(dark, true, colorprofile.ANSI)) {
				c, ok := ground(role.Foreground())
				if !ok {
					continue
				}
				n, err := strconv.Atoi(fmt.Sprint(c))
				if err != nil || n < 0 || n > 15 {
					t.Fatalf("%s is %v, which is none of the sixteen colours", name, c)
				}
				shown := []int{n}
				if (role.Lipgloss().GetBold() || role.Bold(true).Lipgloss().GetBold()) && n < 8 { // as screens emphasize it, too
					shown = append(shown, n+8) // terminals that draw bold as bright
				}
				for _, n := range shown {
					if got := contrast(lipgloss.Color(colours[n]), lipgloss.Color(on)); got < least {
						t.Errorf("%s, dark %v: %s in colour %d has %.2f : 1, less than %.1f", palette, dark, name, n, got, least)
					}
				}
			}
		}
	}
}

// What colour tells must be told without it, too: no role differs by colour where there is none.
func TestNoColour(t *testing.T) {
	for _, profile := range []colorprofile.Profile{colorprofile.ASCII, colorprofile.NoTTY} {
		for name, role := range roles(New(true, true, profile)) {
			_, fg := ground(role.Foreground())
			_, bg := ground(role.Lipgloss().GetBackground())
			if fg || bg {
				t.Errorf("%v: %s has a colour", profile, name)
			}
		}
	}
}

func TestChoices(t *testing.T) {
	for _, name := range Choices {
		if _, err := Choose(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := Choose("solarized"); err == nil || err.Error() != `"solarized" is not a theme: auto, dark, light, ansi, ansi-dark, ansi-light, none` {
		t.Error(err)
	}
	for choice, want := range map[Choice]bool{Dark: true, Light: false, ANSILight: false, ANSIDark: true} {
		if dark, _ := choice.Settle(!want, colorprofile.TrueColor); dark != want {
			t.Errorf("%s settles on dark %v", choice, dark)
		}
	}
	if _, p := ANSI.Settle(true, colorprofile.TrueColor); p != colorprofile.ANSI {
		t.Errorf("ansi settles on %v", p)
	}
	if _, p := ANSI.Settle(true, colorprofile.ASCII); p != colorprofile.ASCII {
		t.Errorf("ansi adds colours to a terminal without: %v", p)
	}
}
