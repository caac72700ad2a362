package table

// Cursor is a place in a list of rows that stays on its row by the row's key,
// whatever is inserted above it or sorted around it. The zero value stands on
// the first row.
type Cursor[K comparable] struct {
	key    K
	set    bool
	index  int
	offset int // first row that is shown
}

// Index is the row under the cursor.
func (c *Cursor[K]) Index() int { return c.index }

// Key is the key of the row under the cursor; false while there was none.
func (c *Cursor[K]) Key() (K, bool) { return c.key, c.set }

// Follow finds the cursor's row again after the rows have changed. A row that is
// gone leaves the cursor where it was, on whatever stands there now.
func (c *Cursor[K]) Follow(n int, key func(int) K) {
	if n == 0 {
		c.index, c.offset = 0, 0
		return
	}
	if c.set {
		if c.index < n && key(c.index) == c.key {
			return
		}
		for i := range n {
			if key(i) == c.key {
				c.offset = max(0, c.offset+i-c.index)
				c.index = i
				return
			}
		}
	}
	c.Go(min(c.index, n-1), n, key)
}

// Go puts the cursor on a row.
func (c *Cursor[K]) Go(i, n int, key func(int) K) {
	if n == 0 {
		return
	}
	c.index = min(max(0, i), n-1)
	c.key, c.set = key(c.index), true
}

// Seek puts the cursor on the row of a key, as soon as there is one.
func (c *Cursor[K]) Seek(k K) { c.key, c.set = k, true }

// Settle moves the window of rows that are shown no more than needed to have the
// cursor in it.
func (c *Cursor[K]) Settle(n, height int) {
	if height <= 0 {
		return
	}
	if c.index < c.offset {
		c.offset = c.index
	}
	if c.index >= c.offset+height {
		c.offset = c.index - height + 1
	}
	c.offset = max(0, min(c.offset, n-height))
}

// Window tells which rows to show in a height, as Settle left it.
func (c *Cursor[K]) Window(n, height int) (from, to int) {
	return c.offset, min(n, c.offset+max(0, height))
}
