package doctor

import "testing"

// TestCourse: whether those that wait have asked before or after the last that was answered is told only where it is certain:
// of times in whole seconds two that are equal may have come in either order.
func TestCourse(t *testing.T) {
	const second = int64(1e9)
	for name, c := range map[string]struct {
		course
		since  int
		before bool
	}{
		"before":           {course{lastAnswered: 100 * second, waiting: []int64{97 * second, 98 * second}, rough: true}, 0, true},
		"after":            {course{lastAnswered: 100 * second, waiting: []int64{101 * second, 102 * second, 103 * second}, rough: true}, 3, false},
		"at the same time": {course{lastAnswered: 100 * second, waiting: []int64{100 * second, 102 * second, 103 * second}, rough: true}, 0, false},
		"exact":            {course{lastAnswered: 100 * second, waiting: []int64{100*second + 1}}, 1, false},
		"undated":          {course{lastAnswered: 100 * second, waiting: []int64{103 * second}, undated: 1}, 0, false},
		"never answered":   {course{waiting: []int64{103 * second}}, 0, false},
		"nobody waits":     {course{lastAnswered: 100 * second}, 0, true},
	} {
		if n, before := c.unansweredSince(), c.answeredSince(); n != c.since || before != c.before {
			t.Errorf("%s: %d asked since, all before: %v", name, n, before)
		}
	}
}
