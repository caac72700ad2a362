package natlog

import "sync"

// Queue holds records between the kernel, which does not wait, and whoever takes them. When it is full, what comes is
// counted and dropped, and a record of how much was lost takes its place. One goroutine puts and one takes.
type Queue struct {
	mu      sync.Mutex
	records []Record // a ring
	first   int
	held    int
	taken   int // last, and not known to have been passed on
	lost    uint64
	lostAt  int64
	total   uint64 // lost, over all time
	closed  bool
	changed chan struct{} // nudged when something was put, taken or closed
}

// NewQueue makes room for so many records, some 400 bytes each.
func NewQueue(room int) *Queue {
	return &Queue{records: make([]Record, max(room, 2)), changed: make(chan struct{}, 1)}
}

// Put adds a record, or counts it where there is no room.
func (q *Queue) Put(r *Record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lost > 0 {
		// What was lost is told at its place, once there is room for that and for what comes after it.
		if q.held+2 > len(q.records) {
			q.drop(r)
			return
		}
		q.push(&Record{Kind: Lost, At: q.lostAt, Count: q.lost, Where: InBuffer})
		q.lost = 0
	}
	if q.held == len(q.records) {
		q.drop(r)
		return
	}
	q.push(r)
}

func (q *Queue) drop(r *Record) {
	if r.Kind == Lost {
		q.lost += r.Count // those are lost anyway, and have now lost their place
	} else {
		q.lost++
	}
	q.lostAt = r.At
	q.total++
}

func (q *Queue) push(r *Record) {
	q.records[(q.first+q.held)%len(q.records)] = *r
	q.held++
	q.nudge()
}

func (q *Queue) nudge() {
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// Close ends the queue: what it holds can still be taken.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.lost > 0 && q.held < len(q.records) {
		q.push(&Record{Kind: Lost, At: q.lostAt, Count: q.lost, Where: InBuffer})
		q.lost = 0
	}
	q.nudge()
}

// Take moves records into room, in their order; more is false when there will be none any more.
func (q *Queue) Take(room []Record) (taken []Record, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(room), q.held)
	for i := range n {
		at := (q.first + i) % len(q.records)
		room[i], q.records[at] = q.records[at], Record{}
	}
	q.first, q.held, q.taken = (q.first+n)%len(q.records), q.held-n, n
	if q.held > 0 {
		q.nudge()
	}
	if n > 0 && q.closed {
		q.nudge()
	}
	return room[:n], !q.closed || q.held > 0 || n > 0
}

// Changed is nudged when there may be something to take.
func (q *Queue) Changed() <-chan struct{} { return q.changed }

// Held is how many records wait to be taken, or were taken last and may not have been passed on yet; lost is how many were
// dropped since the beginning.
func (q *Queue) Held() (held int, lost uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held + q.taken, q.total
}
