package nft

// index finds the chains and sets of a long table by their names. kube-proxy makes tens of thousands of them.
type index struct {
	chains map[string]*Chain
	sets   map[string]*Set
}

// Index has chains and sets found at once by their names. Whoever has made a ruleset calls it once, before others look; without
// it they are looked for one by one.
func (s *Ruleset) Index() {
	const few = 16
	for _, t := range s.Tables {
		if len(t.Chains)+len(t.Sets) > few {
			t.makeIndex()
		}
	}
}

func (t *Table) makeIndex() {
	x := &index{make(map[string]*Chain, len(t.Chains)), make(map[string]*Set, len(t.Sets))}
	for _, c := range t.Chains {
		x.chains[c.Name] = c
	}
	for _, s := range t.Sets {
		x.sets[s.Name] = s
	}
	t.index = x
}

// Chain finds a chain by its name; nil where there is none.
func (t *Table) Chain(name string) *Chain {
	if t.index != nil {
		return t.index.chains[name]
	}
	for _, c := range t.Chains {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Set finds a set by its name; nil where there is none.
func (t *Table) Set(name string) *Set {
	if t.index != nil {
		return t.index.sets[name]
	}
	for _, s := range t.Sets {
		if s.Name == name {
			return s
		}
	}
	return nil
}
