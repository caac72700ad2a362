package flow

// index finds flows by the hash of their key: 256 open-addressing tables of
// positions, so that growing means copying a 256th part, and a hash beside each
// position, so that neither growing nor most misses touch a flow.
type index struct {
	shards [256]shard
}

// shard is one table with linear probing. A slot holds the low half of the hash
// and the position plus one; an empty slot is 0.
type shard struct {
	slots []uint64
	used  int
}

const (
	// A shard grows when it is fuller than indexFull of 100, by a quarter: so a flow costs
	// 13 bytes of index at most.
	indexFull = 75
	shardMin  = 16
)

func (ix *index) shard(hash uint64) *shard { return &ix.shards[hash>>56] }

// home is where the search for a hash begins: the hash scaled to the table's
// size, which needs not be a power of two.
func (s *shard) home(hash uint32) int {
	return int(uint64(hash) * uint64(len(s.slots)) >> 32)
}

func (s *shard) next(i int) int {
	if i++; i == len(s.slots) {
		return 0
	}
	return i
}

// first is the slot where the search for a hash begins, 0 where none is taken.
func (ix *index) first(hash uint64) uint64 {
	s := ix.shard(hash)
	if s.used == 0 {
		return 0
	}
	return s.slots[s.home(uint32(hash))]
}

// find returns the position that has the hash and for which same holds, or -1.
func (ix *index) find(hash uint64, same func(pos uint32) bool) int {
	s := ix.shard(hash)
	if s.used == 0 {
		return -1
	}
	for i := s.home(uint32(hash)); s.slots[i] != 0; i = s.next(i) {
		if slot := s.slots[i]; uint32(slot>>32) == uint32(hash) && same(uint32(slot)-1) {
			return int(uint32(slot) - 1)
		}
	}
	return -1
}

// insert adds a position, which must not be there yet.
func (ix *index) insert(hash uint64, pos uint32) {
	s := ix.shard(hash)
	if (s.used+1)*100 > len(s.slots)*indexFull {
		s.resize(len(s.slots) + len(s.slots)/4 + shardMin)
	}
	s.put(uint64(uint32(hash))<<32 | uint64(pos+1))
}

func (s *shard) put(slot uint64) {
	i := s.home(uint32(slot >> 32))
	for s.slots[i] != 0 {
		i = s.next(i)
	}
	s.slots[i] = slot
	s.used++
}

func (s *shard) resize(size int) {
	old := s.slots
	s.slots, s.used = make([]uint64, size), 0
	for _, slot := range old {
		if slot != 0 {
			s.put(slot)
		}
	}
}

// remove takes a position out and moves up what had to step aside for it.
func (ix *index) remove(hash uint64, pos uint32) {
	s := ix.shard(hash)
	if s.used == 0 {
		return
	}
	want := uint64(uint32(hash))<<32 | uint64(pos+1)
	i := s.home(uint32(hash))
	for s.slots[i] != want {
		if s.slots[i] == 0 {
			return
		}
		i = s.next(i)
	}
	for j := s.next(i); s.slots[j] != 0; j = s.next(j) {
		// What sits at j may move to the hole at i unless its home lies between them.
		home := s.home(uint32(s.slots[j] >> 32))
		if i <= j && (home <= i || home > j) || i > j && home <= i && home > j {
			s.slots[i] = s.slots[j]
			i = j
		}
	}
	s.slots[i] = 0
	s.used--
	if len(s.slots) > 64 && s.used*100 < len(s.slots)*indexFull/4 {
		s.resize(s.used*2 + shardMin)
	}
}

// reserve makes room for n flows altogether, so that filling the table does not
// grow the shards step by step.
func (ix *index) reserve(n int) {
	each := n / len(ix.shards)
	size := (each + each/16 + 8) * 100 / indexFull // a little more, as no hash is quite even
	for i := range ix.shards {
		if s := &ix.shards[i]; len(s.slots) < size {
			s.resize(size)
		}
	}
}
