package nft

// Replaced is the ruleset with other tables in place of those of the same names, and without those that gone names and tables
// lacks.
func (s *Ruleset) Replaced(tables, gone []*Table) *Ruleset {
	next := &Ruleset{Generation: s.Generation, Links: s.Links}
	of := func(list []*Table, t *Table) *Table {
		for _, other := range list {
			if other.Family == t.Family && other.Name == t.Name {
				return other
			}
		}
		return nil
	}
	for _, t := range s.Tables {
		switch other := of(tables, t); {
		case other != nil:
			next.Tables = append(next.Tables, other)
		case of(gone, t) == nil:
			next.Tables = append(next.Tables, t)
		}
	}
	for _, t := range tables {
		if of(s.Tables, t) == nil {
			next.Tables = append(next.Tables, t)
		}
	}
	next.Index()
	return next
}
