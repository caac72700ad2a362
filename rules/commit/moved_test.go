package commit

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"nattui/rules"
)

// orderly is a chain of the rules that letters stand for, with handles where first is not 0.
func orderly(t *rapid.T, at rules.Variant, letters string, handles []uint64) *rules.Ruleset {
	chain := rules.Chain{Name: "PREROUTING", Policy: "ACCEPT"}
	for i, letter := range letters {
		r, err := rules.Parse(fmt.Sprintf("-A PREROUTING -s 10.0.0.%d/32 -j ACCEPT", letter))
		if err != nil {
			t.Fatal(err)
		}
		if handles != nil {
			r.Handle = handles[i]
		}
		chain.Rules = append(chain.Rules, r)
	}
	table := rules.Table{Name: "nat", Chains: []rules.Chain{chain}}
	if handles != nil {
		table.Incarnation = 7
	}
	return &rules.Ruleset{Family: at.Family, Backend: at.Backend, Tables: []rules.Table{table}}
}

func lettersOf(list []rules.Rule) string {
	var all []byte
	for _, r := range list {
		b := r.Source.Addr.As4()
		all = append(all, b[3])
	}
	return string(all)
}

// moving is a move among rules some of which are equal, made or not, with what others did meanwhile.
type moving struct {
	was, moved string
	handles    []uint64
	mark       mark
	change     rules.Change
	plan       rules.Plan
}

func drawMoving(t *rapid.T) moving {
	at := rules.Variant{Backend: rules.Legacy}
	m := moving{was: rapid.StringMatching("[ab12]{2,7}").Draw(t, "chain")}
	if rapid.Bool().Draw(t, "nft") {
		at.Backend = rules.NFT
		for i := range m.was {
			m.handles = append(m.handles, uint64(i+1))
		}
	}
	s := orderly(t, at, m.was, m.handles)
	from, to := rapid.IntRange(1, len(m.was)).Draw(t, "from"), rapid.IntRange(1, len(m.was)).Draw(t, "to")
	chain, _ := s.Chain("nat", "PREROUTING")
	m.change = rules.Change{Op: rules.Move, Backend: at.Backend, Table: "nat", Chain: "PREROUTING", At: from, To: to, Rule: chain.Rules[from-1]}
	m.plan = rules.Single(m.change)
	marks, err := marksOf(m.plan, sets{at: s})
	if err != nil {
		t.Fatal(err)
	}
	m.mark = marks[0]
	moved := []byte(m.was)
	moved = slices.Insert(slices.Delete(moved, from-1, from), to-1, m.was[from-1])
	m.moved = string(moved)
	return m
}

// now is the chain with the move made or not, and what taking it back makes of it.
func (m moving) now(t *rapid.T, made bool, insertAt int) (letters, back string, notes []string) {
	at := rules.Variant{Backend: m.change.Backend}
	letters, handles := m.was, slices.Clone(m.handles)
	if made {
		letters = m.moved
		if handles != nil {
			handles = slices.Insert(slices.Delete(handles, m.change.At-1, m.change.At), m.change.To-1, 100)
		}
	}
	if insertAt > 0 {
		letters = letters[:insertAt-1] + "x" + letters[insertAt-1:]
		if handles != nil {
			handles = slices.Insert(handles, insertAt-1, 200)
		}
	}
	s := orderly(t, at, letters, handles)
	changes, notes := wayBack(m.plan, []mark{m.mark}, sets{at: s})
	q := rules.NewSequence(s)
	for _, c := range changes {
		if err := q.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
	chain, _ := q.Now().Chain("nat", "PREROUTING")
	return letters, lettersOf(chain.Rules), notes
}

// TestMoveAmongEqualRules: a move that nobody has written down as made is taken back where it was, and nothing is
// moved where it was not. Where another program has changed the chain, it may be not known, and is said so then.
func TestMoveAmongEqualRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMoving(t)
		made := rapid.Bool().Draw(t, "made")
		if now, back, _ := m.now(t, made, 0); back != m.was {
			t.Fatalf("%s, move %d to %d: from %s it goes back to %s", m.was, m.change.At, m.change.To, now, back)
		}
		m.mark.Done = made
		if now, back, _ := m.now(t, made, 0); back != m.was {
			t.Fatalf("written down: %s, move %d to %d: from %s it goes back to %s", m.was, m.change.At, m.change.To, now, back)
		}
		m.mark.Done = false
		at := rapid.IntRange(1, len(m.was)+1).Draw(t, "another rule")
		now, back, notes := m.now(t, made, at)
		switch rest := withoutStrangers(back); {
		case rest == m.was:
		case made && back != now: // to where its neighbours are the same
		case back != now:
			t.Fatalf("%s, move %d to %d, with another rule: %s becomes %s", m.was, m.change.At, m.change.To, now, back)
		case len(notes) == 0:
			t.Fatalf("%s, move %d to %d, with another rule: nothing was done from %s, and nothing said", m.was, m.change.At, m.change.To, now)
		}
	})
}

func withoutStrangers(letters string) string {
	return string(slices.DeleteFunc([]byte(letters), func(b byte) bool { return b == 'x' }))
}
