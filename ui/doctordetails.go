package ui

import (
	tea "charm.land/bubbletea/v2"

	"nattui/model/doctor"
	"nattui/rules"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// findingDetails is everything about one finding of the doctor.
type findingDetails struct {
	*desk
	screen  *doctorScreen
	finding doctor.Finding
	reading
}

// Actions fix, scroll and close.
func (d *findingDetails) Actions() keyTable {
	fix := act(keyFix, func() { d.close(d); d.screen.fix() })
	return d.readingKeys(d, &d.reading, fix.when(func() bool { return len(d.finding.Cure.Steps) > 0 && !d.gw.ReadOnly }))
}

// Settle fits the text to the terminal.
func (d *findingDetails) Settle() tea.Cmd {
	d.fit(d.told(min(78, d.width-2)-4), boxRoom(d.boxHeight()))
	return nil
}

// View draws the box.
func (d *findingDetails) View(width, _ int) string {
	return box(d.desk, text.Safe(d.finding.Severity.Mark()+": "+d.finding.Check), d.seen(), min(78, width-2))
}

func (d *findingDetails) told(width int) []string {
	var lines []string
	part := func(style theme.Style, value string) {
		for _, l := range text.Wrap(text.Safe(value), width, 0) {
			lines = append(lines, style.Render(l))
		}
	}
	head := func(title string) {
		lines = append(lines, "", d.look.Faint.Render(title))
	}
	f := &d.finding
	part(d.look.Strong, f.Subject)
	part(d.look.Text, f.Sentence)
	if len(f.Evidence) > 0 {
		head("evidence")
		for _, e := range f.Evidence {
			part(d.look.Text, e)
		}
	}
	if len(f.Cure.Steps) > 0 {
		head("cure: " + text.Safe(f.Cure.Title))
		for _, step := range f.Cure.Steps {
			for _, c := range step.Commands() {
				part(d.look.Accent, "$ "+rules.ShellLine(c))
			}
			if step.Why != "" {
				part(d.look.Faint, "  "+step.Why)
			}
			if step.Sysctl != nil && step.Sysctl.Boot {
				part(d.look.Faint, "  now, and after a reboot")
			}
		}
	}
	if len(f.Commands) > 0 {
		head("for you to run")
		for _, c := range f.Commands {
			part(d.look.Accent, "$ "+rules.ShellLine(c))
		}
	}
	return lines
}
