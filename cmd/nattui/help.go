package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"nattui/ui/text"
)

// helpWidth is the widest that help gets: longer lines are hard to read.
const helpWidth = 100

// help prints the help of a command: what it does, how it is called, examples,
// commands and flags.
func help(c *cobra.Command, _ []string) {
	o := newOutput(c)
	defer o.Flush()
	width := helpWidth
	if o.terminal {
		width = min(o.width, helpWidth)
	}
	long := c.Long
	if long == "" {
		long = c.Short
	}
	for paragraph := range strings.SplitSeq(long, "\n") {
		if paragraph == "" || strings.HasPrefix(paragraph, " ") {
			fmt.Fprintln(o, paragraph)
			continue
		}
		for _, line := range text.Wrap(paragraph, width, 0) {
			fmt.Fprintln(o, line)
		}
	}
	o.heading("Usage")
	if c.Runnable() {
		fmt.Fprintln(o, "  "+c.UseLine())
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintln(o, "  "+c.CommandPath()+" COMMAND")
	}
	if c.Example != "" {
		o.heading("Examples")
		for line := range strings.SplitSeq(c.Example, "\n") {
			fmt.Fprintln(o, "  "+line)
		}
	}
	for _, group := range c.Groups() {
		helpCommands(o, c, group.ID, group.Title)
	}
	helpCommands(o, c, "", "Commands")
	o.heading("Flags")
	fmt.Fprint(o, c.LocalFlags().FlagUsagesWrapped(width), c.InheritedFlags().FlagUsagesWrapped(width))
}

func helpCommands(o *output, c *cobra.Command, group, title string) {
	head := false
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() || sub.GroupID != group {
			continue
		}
		if !head {
			o.heading(title)
			head = true
		}
		fmt.Fprintf(o, "  %-12s%s\n", sub.Name(), sub.Short)
	}
}

// heading prints the title of a section.
func (o *output) heading(title string) {
	_, _ = io.WriteString(o, "\n"+o.ink.strong.Render(title)+"\n")
}
