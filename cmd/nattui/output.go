package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"syscall"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// output is standard output: data for a program, or a page for a person.
type output struct {
	*bufio.Writer
	terminal bool
	width    int // of the terminal
	ink      ink
	becomes  string // between what was asked for and what serves
}

// outputBuffer is how much is written at once.
const outputBuffer = 64 << 10

// newOutput is the standard output of a command. Whoever made it flushes it.
func newOutput(c *cobra.Command) *output {
	var w io.Writer = pipe{c.OutOrStdout()}
	o := &output{becomes: "=>"}
	if file, ok := terminalOf(c.OutOrStdout()); ok {
		o.terminal, o.width = true, 80
		if width, _, err := term.GetSize(file.Fd()); err == nil && width > 0 {
			o.width = width
		}
		if theme.UTF8(os.Getenv) {
			o.becomes = "⇒"
		}
		o.ink = inkOf()
		w = &colorprofile.Writer{Forward: &text.Door{To: file, Styled: true}, Profile: colorprofile.Detect(file, os.Environ())}
	}
	o.Writer = bufio.NewWriterSize(w, outputBuffer)
	return o
}

// errReaderGone is the error of writing for somebody who has read enough.
var errReaderGone = errors.New("the output was closed by its reader")

// pipe tells the end of a reader from every other broken pipe.
type pipe struct{ io.Writer }

func (p pipe) Write(b []byte) (int, error) {
	n, err := p.Writer.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		err = errReaderGone
	}
	return n, err
}

// ink are the styles of a page. The background is not known, and to ask the
// terminal for it would cost the time of its answer, so they are the terminal's
// own sixteen colours, which whoever set it up can read.
type ink struct {
	strong, faint, dnat, snat, redirect theme.Style
}

func inkOf() ink {
	colour := func(name string) theme.Style {
		return theme.StyleOf(lipgloss.NewStyle().Foreground(lipgloss.Color(name)))
	}
	return ink{
		strong: theme.StyleOf(lipgloss.NewStyle().Bold(true)), faint: theme.StyleOf(lipgloss.NewStyle().Faint(true)),
		dnat: colour("6"), snat: colour("3"), redirect: colour("5"),
	}
}

// of is the style of a translation's kind.
func (i ink) of(k rules.Kind) theme.Style {
	switch k {
	case rules.DNAT:
		return i.dnat
	case rules.SNAT, rules.Masquerade, rules.Netmap:
		return i.snat
	case rules.Redirect:
		return i.redirect
	}
	return theme.Style{}
}

// say tells something on standard error that is worth knowing and no error.
func say(w io.Writer, sentence string) {
	_, _ = io.WriteString(w, "nattui: "+sentence+"\n")
}

// unknown stands in a line of columns where a value is not known.
const unknown = "-"

// cells is how many cells of a terminal a text takes once it is safe to print.
func cells(s string) int { return text.Width(text.Safe(s)) }
