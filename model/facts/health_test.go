package facts

import (
	"strings"
	"testing"
)

func TestHealthNotes(t *testing.T) {
	fine := Health{At: 10 * 1_000_000_000, Tracking: SettingOn, Count: 100, Max: 262144, Buckets: 65536, Accounting: SettingOn, Timestamps: SettingOn, Events: SettingAuto, HasStats: true}
	for name, c := range map[string]struct {
		now    func(*Health)
		before func(*Health)
		trend  func(*Health)
		want   string
	}{
		"fine":                      {now: func(*Health) {}, want: ""},
		"full":                      {now: func(h *Health) { h.Count = 260000; h.Buckets = 262144 }, want: "table-full error"},
		"filling":                   {now: func(h *Health) { h.Count = 220000; h.Buckets = 262144 }, want: "table-filling warning"},
		"growing":                   {now: func(h *Health) { h.Count = 100000 }, trend: func(h *Health) { h.Count = 20000 }, want: "table-growing warning"},
		"a burst":                   {now: func(h *Health) { h.Count = 100000 }, before: func(h *Health) { h.Count = 90000 }, want: ""},
		"grows and is nearly empty": {now: func(h *Health) { h.Max, h.Count = 262144, 25000 }, trend: func(h *Health) { h.Count = 0 }, want: ""},
		"off":                       {now: func(h *Health) { h.Accounting, h.Events, h.Timestamps = SettingOff, SettingOff, SettingOff }, want: "events-off warning accounting-off note timestamps-off note"},
		"untracked":                 {now: func(h *Health) { h.Tracking, h.Count = SettingOff, 0 }, want: "not-tracking note"},
		"empty":                     {now: func(h *Health) { h.Tracking, h.Count = SettingUnknown, 0 }, want: "nothing-tracked note"},
		"unknown":                   {now: func(h *Health) { *h = Health{At: 1_000_000_000, Count: -1, Max: -1, Buckets: -1} }, want: ""},
		"dropping":                  {now: func(h *Health) { h.Stats.Drop = 5 }, before: func(h *Health) { h.Stats.Drop = 3 }, want: "drop error"},
		"has dropped":               {now: func(h *Health) { h.Stats.Drop = 5 }, before: func(h *Health) { h.Stats.Drop = 5 }, want: "drop note"},
		"no port":                   {now: func(h *Health) { h.Stats.Drop, h.Stats.InsertFailed, h.Stats.Found = 48, 48, 97 }, want: "insert-failed error"},
		"both":                      {now: func(h *Health) { h.Stats.Drop, h.Stats.InsertFailed = 50, 48 }, want: "drop error insert-failed error"},
		"crowded":                   {now: func(h *Health) { h.Count, h.Buckets = 5000, 1000 }, want: "table-crowded warning"},
	} {
		now, before := fine, fine
		before.At = 5 * 1_000_000_000
		c.now(&now)
		if c.before != nil {
			c.before(&before)
		} else {
			before.Count = now.Count
		}
		trend := before
		trend.At = now.At - int64(LastingGrowth)
		if trend.Count = now.Count; c.trend != nil {
			c.trend(&trend)
		}
		var got []string
		for _, n := range now.Notes(&before, &trend) {
			got = append(got, n.Name, n.Severity)
			if n.Sentence == "" {
				t.Errorf("%s: %s says nothing", name, n.Name)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, not %q", name, got, c.want)
		}
	}
}
