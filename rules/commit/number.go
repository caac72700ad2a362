package commit

import "strconv"

// This file gives changes their numbers. None is given twice: who names a change by its number, in a command or a
// note, means that one, also after the journal was put back from a backup.

// roomForUnknown is how many numbers are passed over where it is not known which were given. Numbers after such a gap
// begin with it, 1001 after 37.
const roomForUnknown = 1000

// next is the number for a new entry.
func (j *journal) next() string { return strconv.Itoa(max(j.top, j.highestHere()) + 1) }

func numberOf(id string) int {
	n, _ := strconv.Atoi(id)
	return n
}

func (j *journal) highestHere() (n int) {
	for _, e := range j.entries {
		n = max(n, numberOf(e.ID))
	}
	return n
}

// highest is a number above which none was given, by the journal, its head and what speaks against them. No number is
// above that of the last record: each change has one at least.
func (j *journal) highest(h *head, why string) int {
	top := j.highestHere()
	if h != nil {
		top = max(top, h.Entry)
	}
	switch {
	case h == nil && j.last.N > 1, why == doubtTouched: // an older head with it, perhaps
		const page = roomForUnknown
		return (max(top, int(j.last.N))/page + 1) * page
	case h != nil && h.Entry > 0:
		return top
	case why != "" || len(j.damaged) > 0:
		return max(top, int(j.written))
	}
	return top
}
