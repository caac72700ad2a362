package flow

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"nattui/rules"
)

// filled are groups with their rates, as Talkers.Group has them.
func filled(t *Talkers, groups []Group, order GroupOrder, limit int) []Group {
	return groupingOf(t.rated(slices.Clone(groups)), order, limit).Groups
}

// Over a minute, many short flows count as well as a long one, who has ended is still there, and what is older counts no more.
func TestTalkersOfAMinute(t *testing.T) {
	table, ctx := NewFlows(), t.Context()
	ids := uint32(0)
	at := int64(1_000_000) * int64(time.Second)
	tell := func(kind MessageKind, id uint32, client string, start int64, bytes uint64) {
		b := &Batch{At: at}
		c := b.Next()
		c.Kind, c.Has = kind, ^Fields(0)
		c.Flow = Flow{ID: id, Start: start, Orig: rules.MakeTuple(rules.TCP, netip.MustParseAddrPort(fmt.Sprintf("%s:%d", client, 1000+id)), netip.MustParseAddrPort("203.0.113.1:80"))}
		c.Flow.Reply = rules.MakeTuple(rules.TCP, netip.MustParseAddrPort("203.0.113.1:80"), netip.MustParseAddrPort(fmt.Sprintf("%s:%d", client, 1000+id)))
		c.Flow.SetCounts(1, bytes, 1, 0)
		table.Apply(b)
	}
	next := func() uint32 { ids++; return ids }
	var talkers Talkers
	long, old := next(), next()
	tell(Listed, long, "10.0.0.1", at-int64(time.Hour), 1e9) // nobody knows when it moved that
	tell(Listed, old, "10.0.0.9", at-int64(10*time.Second), 6e6)
	shorts := []uint32{}
	for i := range 40 {
		if err := talkers.Look(ctx, table, nil, GroupByClient, at, &Feed{CountedAt: at}); err != nil {
			t.Fatal(err)
		}
		if counted, _, _ := table.Groups(ctx, nil, GroupByClient, GroupsByRate, -1, at); i == 0 {
			if got := filled(&talkers, counted, GroupsByMinute, 10); len(got) != 2 || got[0].MinuteKnown() || got[1].MinuteKnown() || got[0].RateKnown() {
				t.Fatalf("at the first look it is known what moved before: %+v", got)
			}
		}
		at += int64(5 * time.Second)
		tell(Listed, long, "10.0.0.1", at-int64(time.Hour), 1e9+uint64(i+1)*500)
		for _, id := range shorts {
			tell(EventDestroy, id, "10.0.0.2", at, 5000)
		}
		shorts = shorts[:0]
		if i < 38 { // a flow of 5 kB every five seconds, that is never read twice
			id := next()
			tell(EventNew, id, "10.0.0.2", at, 5000)
			shorts = append(shorts, id)
		}
	}
	groups, _, err := table.Groups(ctx, nil, GroupByClient, GroupsByRate, -1, at)
	if err != nil {
		t.Fatal(err)
	}
	got := filled(&talkers, groups, GroupsByMinute, 10)
	if len(got) != 3 || got[0].Key.Client().String() != "10.0.0.2" || got[0].Flows != 0 || got[0].Minute < 900 || got[0].Minute > 1100 ||
		got[1].Key.Client().String() != "10.0.0.1" || got[1].Minute < 90 || got[1].Minute > 110 || got[2].Minute != 0 || !got[2].MinuteKnown() {
		t.Errorf("the talkers are %+v", got)
	}
	if got := filled(&talkers, nil, GroupsByMinute, 1); len(got) != 1 {
		t.Errorf("%d of 1", len(got))
	}
}

// TestRateKnown: of a group with a flow that nobody counts it is not known that nothing passes.
func TestRateKnown(t *testing.T) {
	for _, c := range []struct {
		g    Group
		want bool
	}{
		{Group{Flows: 2}, false},
		{Group{Flows: 2, Counted: 2, Moves: true}, true},
		{Group{Flows: 2, Counted: 1, Moves: true}, false},
		{Group{Flows: 2, Counted: 1, Moves: true, ByteRate: 7}, true},
	} {
		if got := c.g.RateKnown(); got != c.want {
			t.Errorf("%+v: %v", c.g, got)
		}
	}
}

// TestTalkersWhileCounting: counters that are just being read are no beginning: those of some flows are of a later time than is
// told, and half of what is moved would be lost.
func TestTalkersWhileCounting(t *testing.T) {
	table, ctx := NewFlows(), t.Context()
	at := int64(1_000_000) * int64(time.Second)
	read := func(bytes uint64) {
		b := &Batch{At: at}
		c := b.Next()
		c.Kind, c.Has = Listed, ^Fields(0)
		c.Flow = testFlow(1)
		c.Flow.SetCounts(1, bytes, 0, 0)
		table.Apply(b)
	}
	var talkers Talkers
	rate := func(feed Feed) (rate float64, known bool) {
		found, err := talkers.Group(ctx, table, nil, GroupByClient, GroupsByRate, -1, at, &feed)
		if err != nil || len(found.Groups) != 1 {
			t.Fatalf("%+v, %v", found, err)
		}
		return found.Groups[0].ByteRate, found.Groups[0].RateKnown()
	}
	told := at
	for second := range 4 {
		at += int64(time.Second)
		read(uint64(second+1) * 1000)
		if r, known := rate(Feed{CountedAt: told, Counting: true}); known && r != 1000 {
			t.Errorf("while second %d is read: %v bytes a second", second, r)
		}
		told = at
		if r, known := rate(Feed{CountedAt: told}); known != (second > 0) || known && r != 1000 {
			t.Errorf("second %d: %v bytes a second, known %v", second, r, known)
		}
	}
}

// TestTalkersOfReadings: flows that begin between two readings have counters only when they are read; until then nothing is
// divided by the time that goes by, and what was moved is told as the rate of both of these readings.
func TestTalkersOfReadings(t *testing.T) {
	table, ctx := NewFlows(), t.Context()
	at := int64(1_000_000) * int64(time.Second)
	id := uint32(0)
	one := func(kind MessageKind, id uint32, counted bool) {
		b := &Batch{At: at}
		c := b.Next()
		c.Kind, c.Has = kind, ^Fields(0)
		c.Flow = Flow{ID: id, Orig: rules.MakeTuple(rules.UDP, netip.MustParseAddrPort(fmt.Sprintf("10.0.0.1:%d", id)), netip.MustParseAddrPort("203.0.113.1:53"))}
		c.Flow.Reply = rules.MakeTuple(rules.UDP, netip.MustParseAddrPort("203.0.113.1:53"), netip.MustParseAddrPort(fmt.Sprintf("10.0.0.1:%d", id)))
		if c.Has &^= HasCounts; counted {
			c.Has |= HasCounts
			c.Flow.SetCounts(1, 100, 0, 0)
		}
		table.Apply(b)
	}
	var talkers Talkers
	read := at
	fill := func() Group {
		t.Helper()
		if err := talkers.Look(ctx, table, nil, GroupByClient, at, &Feed{CountedAt: read}); err != nil {
			t.Fatal(err)
		}
		found, _, err := table.Groups(ctx, nil, GroupByClient, GroupsByRate, -1, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := filled(&talkers, found, GroupsByMinute, -1); len(got) == 1 {
			return got[0]
		}
		return Group{}
	}
	fill()
	for second := range 60 { // ten new flows of 100 bytes a second; the table is read every eight seconds
		at += int64(time.Second)
		for range 10 {
			id++
			one(EventNew, id, false)
		}
		if second%8 == 7 {
			for i := range id {
				one(Listed, i+1, true)
			}
			read = at
		}
		switch g := fill(); {
		case second < 7 && (g.RateKnown() || g.MinuteKnown()):
			t.Fatalf("after %d s it is known what moved: %+v", second+1, g)
		case second >= 7 && (g.ByteRate != 1000 || g.Minute != 1000):
			t.Fatalf("after %d s the rates are %v and %v, not 1000", second+1, g.ByteRate, g.Minute)
		}
	}
	if g := fill(); g.Least {
		t.Error("new connections that are not read yet are said not to be counted")
	}
	id++
	one(EventNew, id, false)
	for range 2 { // it is not counted where the table is read again, either
		at += int64(time.Second)
		read = at
		fill()
	}
	if g := fill(); !g.Least {
		t.Error("a connection that nobody counts is passed over")
	}
	// Packets pass again, and how many is not known before they are counted.
	read -= int64(2 * time.Second)
	if g := fill(); g.RateKnown() {
		t.Errorf("before anything was read again the rate is %v", g.ByteRate)
	}
	for range 3 { // no packet passes any more
		at += int64(time.Second)
		read = at
		fill()
	}
	if g := fill(); g.ByteRate != 0 || g.Minute < 700 || g.Minute > 1000 {
		t.Errorf("when nothing passes the rates are %v and %v", g.ByteRate, g.Minute)
	}
}
