package ui

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/ui/text"
)

// leftLine says, to whoever leaves the screens while a change waits, what becomes of it and how to keep it.
func (p *pending) leftLine(zone *time.Location) string {
	return fmt.Sprintf("%s is unconfirmed and will be rolled back at %s%s; to keep it run: nattui confirm", p.whose(), p.deadline.In(zone).Format("15:04:05"), p.orEarlier())
}

func (p *pending) orEarlier() string {
	if p.leashed {
		return ", or when this terminal is closed"
	}
	return ""
}

// quitQuestion asks before the screens are left while a change waits to be confirmed.
type quitQuestion struct {
	*desk
	quit func() tea.Cmd
}

// Asks is the question.
func (q *quitQuestion) Asks() (string, bool) { return "quit", true }

// Actions settle the change, leave, or stay.
func (q *quitQuestion) Actions() keyTable {
	settle := func(act func() tea.Cmd) func() tea.Cmd {
		return func() tea.Cmd { q.close(q); return act() }
	}
	leave := func() tea.Cmd { q.close(q); return q.quit() }
	waits := func() bool { return q.pending != nil }
	return keyTable{
		on(bind("q", "quit", "q", "ctrl+c"), leave).agreeing(),
		on(keys.Confirm, settle(q.confirm)).when(waits),
		on(keys.Rollback, settle(q.rollback)).when(waits),
		act(bind("esc", "stay", "esc", "n", "enter"), q.closing(q)),
	}
}

// View draws the box.
func (q *quitQuestion) View(width, height int) string {
	w := min(72, width-4)
	words := []string{"The change was settled in the meantime."}
	if p := q.pending; p != nil {
		left := max(0, p.left(q.now)).Round(time.Second)
		words = []string{
			fmt.Sprintf("C%s is not confirmed. Quitting does not keep it: it will be rolled back at %s, in %s%s.", p.whose()[1:], p.deadline.In(q.now.Location()).Format("15:04:05"), left, p.orEarlier()),
			"To keep it, press C here, or run  nattui confirm  by then.",
		}
	}
	var lines []string
	for _, word := range words {
		for _, l := range text.Wrap(text.Safe(word), w-4, max(1, height-2)) {
			lines = append(lines, q.look.Text.Render(l))
		}
	}
	return box(q.desk, "Quit with an unconfirmed change?", lines, w)
}
