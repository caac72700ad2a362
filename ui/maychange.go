package ui

// onlyLooks is why nothing can be changed.
func (d *desk) onlyLooks() string { return "read-only: " + d.whyReadOnly() }

func (d *desk) whyReadOnly() string {
	if d.gw.Recorded != "" {
		return "a recorded gateway is only looked at"
	}
	return "nattui was started with --read-only"
}

// mayChange tells whether a change can be begun now, and says why not.
func (d *desk) mayChange() bool {
	switch {
	case d.gw.ReadOnly || d.gw.Changes == nil:
		d.refuse(d.onlyLooks())
	case d.busy:
		d.say("the last change is not finished yet: one at a time")
	case d.pending != nil:
		d.refuse(d.firstSettle())
	default:
		return true
	}
	return false
}

// mayUndo tells that keys which undo and redo are to be offered: while a change is unconfirmed they are refused.
func (d *desk) mayUndo() bool { return !d.gw.ReadOnly && d.pending == nil }

// firstSettle says which change has to be settled before another is made; what to do is in sight on a narrow terminal, too.
func (d *desk) firstSettle() string {
	if d.width < 64 {
		return "first confirm or roll back change " + d.pending.id
	}
	return d.pending.whose() + " is unconfirmed until " + d.pending.deadline.In(d.now.Location()).Format("15:04:05") + "; first confirm or roll back"
}
