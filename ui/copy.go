package ui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
	"nattui/ui/text"
)

// copied is a screen or dialog with something to copy: what it is, and its text, "" for nothing now.
type copied interface{ Copied() (what, content string) }

// canCopy tells whether there is something to copy now.
func (a *App) canCopy() bool {
	c, ok := a.input().(copied)
	if !ok {
		return false
	}
	_, content := c.Copied()
	return content != ""
}

// copy hands what is under the cursor to the terminal's clipboard (OSC 52 of xterm's control sequences:
// the terminal may refuse it without a word, and tmux needs set-clipboard).
func (a *App) copy() tea.Cmd {
	what, content := a.input().(copied).Copied()
	first, _, _ := strings.Cut(content, "\n")
	a.sayDone("copied the " + what + ", if the terminal allows it (OSC 52): " + text.Safe(first))
	return tea.SetClipboard(content)
}

// commandsOf are a plan's commands, one a line.
func commandsOf(p rules.Plan) string {
	var lines []string
	for _, argv := range p.Commands() {
		lines = append(lines, rules.ShellLine(argv))
	}
	return strings.Join(lines, "\n")
}

// commandOf is the command that would add a rule.
func commandOf(set *rules.Ruleset, table string, r *rules.Rule) string {
	spec, err := r.Spec()
	if err != nil {
		return r.String()
	}
	return rules.ShellLine(append([]string{set.Program(), "-t", table, "-A", r.Chain}, spec...))
}

// Copied is the command of the rule under the cursor.
func (s *rulesScreen) Copied() (what, content string) {
	_, it, _ := s.current()
	return "rule", s.commandOf(it)
}

// commandOf is the command that makes a row's rule, "" where there is none.
func (s *rulesScreen) commandOf(it ruleItem) string {
	if it.native != nil {
		_, own := s.nativeWords(it)
		place := it.native.Table.Family.String() + " " + it.native.Table.Name + " "
		if it.element != nil {
			return "nft add element " + place + it.element.set.Name + strings.TrimPrefix(own, "element "+it.element.set.Name)
		}
		return "nft add rule " + place + it.native.Name + " " + own
	}
	set := s.tables.Sets[it.variant]
	rule, ok := ruleAt(set, s.table, it.chain, it.at)
	if !ok {
		return ""
	}
	return commandOf(set, s.table, rule)
}

// Copied is the rule's command.
func (r *ruleDetails) Copied() (what, content string) {
	return "rule", r.screen.commandOf(r.item)
}

// Copied is the tuple of the connection under the cursor, or the filter of the group.
func (s *flowsScreen) Copied() (what, content string) {
	if g, ok := s.groups.current(); ok && s.mode == groupMode {
		return "filter", g.Key.FilterLine(s.ruleWord)
	}
	if f, ok := s.current(); ok {
		return "connection", f.Orig.String()
	}
	return "connection", ""
}

// Copied is the connection's tuple.
func (d *flowDetails) Copied() (what, content string) {
	return "connection", d.view.d.Flow.Orig.String()
}

// Copied are the plan's commands.
func (s *guideScreen) Copied() (what, content string) {
	if s.asked == nil || s.proof != nil || !s.known {
		return "plan", ""
	}
	return "plan", commandsOf(s.advice.Plan)
}

// Copied are the commands of the fix for what is under the cursor.
func (s *doctorScreen) Copied() (what, content string) {
	if r, ok := s.current(); ok {
		return "fix", cureText(r.finding.CureCommands())
	}
	return "fix", ""
}

// Copied are the commands of the fix.
func (d *findingDetails) Copied() (what, content string) {
	return "fix", cureText(d.finding.CureCommands())
}

func cureText(commands [][]string) string {
	var lines []string
	for _, c := range commands {
		lines = append(lines, rules.ShellLine(c))
	}
	return strings.Join(lines, "\n")
}

// Copied is a filter for the packet under the cursor.
func (s *traceScreen) Copied() (what, content string) {
	if r, ok := s.current(); ok {
		return "packet", r.First.Proto.String() + " " + r.First.Ends()
	}
	return "packet", ""
}

// Copied is the packet.
func (d *traceDetails) Copied() (what, content string) {
	return "packet", d.row.First.Proto.String() + " " + d.row.First.Ends()
}

// Copied are the commands of the change under the cursor.
func (s *historyScreen) Copied() (what, content string) {
	if e, ok := s.current(); ok {
		return "change", strings.Join(e.Commands, "\n")
	}
	return "change", ""
}

// Copied are the commands of the change.
func (d *entryDetails) Copied() (what, content string) {
	return "change", strings.Join(d.entry.Commands, "\n")
}

// Copied are the plan's commands.
func (f *form) Copied() (what, content string) {
	p, problems := f.plan()
	if !f.ready || rules.HasErrors(problems) {
		return "command", ""
	}
	return "command", commandsOf(p)
}

// Copied sets the switch under the cursor as it is.
func (s *switches) Copied() (what, content string) {
	if x, ok := s.current(); ok {
		return "switch", "sysctl -w " + x.Name + "=" + x.Now
	}
	return "switch", ""
}
