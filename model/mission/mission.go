package mission

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Mission is something to learn in the lab: a gateway with a fault or a wish, and a goal that traffic shows to be reached.
type Mission struct {
	Name  string // one word, as on the command line
	Title string
	// Goal says in a sentence what is to work afterwards.
	Goal string
	// Hints lead to a solution, each a step further than the one before.
	Hints []string
	// Lesson explains at the end what was the matter.
	Lesson string
}

// Step is one part of the goal as real traffic has shown it.
type Step struct {
	Want string // what is to be seen, as a sentence
	OK   bool
	Saw  string // what was seen
}

// Progress is how far somebody is with a mission.
type Progress struct {
	// Hints is how many of the mission's hints were asked for.
	Hints int `json:"hints"`
	// Tries is how often the goal was checked.
	Tries int `json:"tries"`
	// Done is set once the goal was reached, and stays.
	Done bool `json:"done"`
	// Steps are what the latest check has seen; nil before the first. At is when that was; zero where nobody noted it.
	Steps []Step    `json:"steps,omitempty"`
	At    time.Time `json:"at,omitzero"`
}

// Reached tells whether the latest check has seen the whole goal.
func (p *Progress) Reached() bool {
	return len(p.Steps) > 0 && !slices.ContainsFunc(p.Steps, func(s Step) bool { return !s.OK })
}

// Missions lists all missions in the order in which to learn them.
func Missions() []Mission { return slices.Clone(missions) }

// Named is the mission of a name; the error says which there are.
func Named(name string) (Mission, error) {
	var names []string
	for _, m := range missions {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Mission{}, fmt.Errorf("no mission %q: there are %s", name, strings.Join(names, ", "))
}

// After is the mission that comes after one, and false after the last.
func After(name string) (Mission, bool) {
	at := slices.IndexFunc(missions, func(m Mission) bool { return m.Name == name })
	if at < 0 || at == len(missions)-1 {
		return Mission{}, false
	}
	return missions[at+1], true
}
