package evaluate

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"nattui/rules"
)

// clock is a Time match as numbers.
type clock struct {
	from, until           time.Time // inclusive; zero: open
	start, stop           int       // seconds of the day
	weekdays, monthdays   uint32    // bits; 0: every day
	notWeek, notMonth     bool
	contiguous, localZone bool
}

// timeTest compares the time as -m time does.
func timeTest(m rules.Time) holds {
	c := clock{stop: 24*3600 - 1}
	for _, o := range m.Options {
		if !c.take(o) {
			return unknownTest
		}
	}
	return func(mc *machine, _ *state) Truth {
		if mc.pkt.Time.IsZero() {
			return Unknown
		}
		return truth(c.holds(mc.pkt.Time))
	}
}

var weekdayNames = [...]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

func (c *clock) take(o rules.TimeOption) bool {
	ok := true
	switch o.Name {
	case "datestart":
		c.from, ok = parseDate(o.Value)
	case "datestop":
		c.until, ok = parseDate(o.Value)
	case "timestart":
		c.start, ok = parseDaytime(o.Value)
	case "timestop":
		c.stop, ok = parseDaytime(o.Value)
	case "weekdays":
		c.notWeek = o.Not
		for day := range strings.SplitSeq(o.Value, ",") {
			i := slices.Index(weekdayNames[:], day)
			if i < 0 {
				return false
			}
			c.weekdays |= 1 << i
		}
	case "monthdays":
		c.notMonth = o.Not
		for day := range strings.SplitSeq(o.Value, ",") {
			n, err := strconv.ParseUint(day, 10, 5)
			if err != nil {
				return false
			}
			c.monthdays |= 1 << n
		}
	case "contiguous":
		c.contiguous = true
	case "kerneltz", "localtz":
		c.localZone = true
	default:
		return false
	}
	return ok
}

func parseDate(s string) (time.Time, bool) {
	t, err := time.Parse("2006-01-02T15:04:05", s)
	return t, err == nil
}

func parseDaytime(s string) (int, bool) {
	t, err := time.Parse("15:04:05", s)
	return t.Hour()*3600 + t.Minute()*60 + t.Second(), err == nil
}

// holds compares in UTC, or in the zone of the given time where the rule wants
// the kernel's own (time_mt).
func (c *clock) holds(t time.Time) bool {
	if !c.localZone {
		t = t.UTC()
	} else {
		_, offset := t.Zone()
		t = t.UTC().Add(time.Duration(offset) * time.Second)
	}
	t = t.Truncate(time.Second)
	if !c.from.IsZero() && t.Before(c.from) || !c.until.IsZero() && t.After(c.until) {
		return false
	}
	second := t.Hour()*3600 + t.Minute()*60 + t.Second()
	if c.start < c.stop {
		if second < c.start || second > c.stop {
			return false
		}
	} else {
		if second < c.start && second > c.stop {
			return false
		}
		if c.contiguous && second <= c.stop {
			t = t.AddDate(0, 0, -1)
		}
	}
	if c.weekdays != 0 && (c.weekdays>>t.Weekday()&1 == 1) == c.notWeek {
		return false
	}
	return c.monthdays == 0 || (c.monthdays>>t.Day()&1 == 1) != c.notMonth
}
