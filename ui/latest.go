package ui

// latest keeps answers of a kind in the order in which they were asked for. Each is read beside Update, and one that was
// overtaken tells of a state before the one that is shown: a change that waits would no longer be seen to wait.
type latest struct{ asked, heard uint64 }

// ask is the number of a question; the answer carries it.
func (l *latest) ask() uint64 {
	l.asked++
	return l.asked
}

// hear tells whether an answer is to be taken: none of a later question has come.
func (l *latest) hear(number uint64) bool {
	if number < l.heard {
		return false
	}
	l.heard = number
	return true
}

// questions are those that are asked again and again while older ones may be open.
type questions struct {
	pending, notes, kept, survey latest
}
