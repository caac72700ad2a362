package ui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"nattui/model/doctor"
	"nattui/rules"
	"nattui/ui/text"
)

// findingDetails is everything about one finding of the doctor.
type findingDetails struct {
	*desk
	screen  *doctorScreen
	finding doctor.Finding
	reading
}

// Update scrolls, fixes, or closes on any other key.
func (d *findingDetails) Update(msg tea.Msg) tea.Cmd {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	switch {
	case d.reads(k):
	case key.Matches(k, keyFix):
		d.close(d)
		d.screen.fix()
	default:
		d.close(d)
	}
	return nil
}

// Keys are those of the box.
func (d *findingDetails) Keys() []key.Binding {
	fix := keyFix
	fix.SetEnabled(len(d.finding.Cure.Steps) > 0 && !d.gw.ReadOnly)
	return []key.Binding{fix, keys.Up, keys.Down, keys.Close}
}

// View draws the box.
func (d *findingDetails) View(width, height int) string {
	w := min(78, width-2)
	lines := d.lines(w - 4)
	return box(d.desk, text.Safe(d.finding.Severity.String()+": "+d.finding.Check), d.part(lines, boxRoom(height)), w)
}

func (d *findingDetails) lines(width int) []string {
	var lines []string
	part := func(style lipgloss.Style, value string) {
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
				part(d.look.Faint, "  now, and when the host starts again")
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
