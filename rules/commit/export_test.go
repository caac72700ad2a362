package commit

// OnStep calls f before each step of what the Committer does.
func (c *Committer) OnStep(f func(name string)) { c.step = f }
