package flow

import (
	"net/netip"
	"testing"
	"time"

	"nattui/rules"
)

// Over a minute, who talks in bursts comes before who is loud just now, who has ended is still there, and what is older counts no more.
func TestTalkersAverageAMinute(t *testing.T) {
	group := func(client string, rate float64) Group {
		f := Flow{Orig: rules.MakeTuple(rules.TCP, netip.MustParseAddrPort(client+":1"), netip.MustParseAddrPort("203.0.113.1:80"))}
		return Group{Key: GroupByClient.key(&f), Flows: 1, Rated: 1, ByteRate: rate}
	}
	var talkers Talkers
	at := int64(0)
	for i := range 30 {
		at = int64(i) * int64(5*time.Second)
		groups := []Group{group("10.0.0.1", 100)}
		switch {
		case i == 0:
			groups = append(groups, group("10.0.0.9", 1e9)) // more than a minute ago
		case i >= 20 && i < 25:
			groups = append(groups, group("10.0.0.2", 1300)) // a burst, over by now
		}
		talkers.Take(groups, at)
		talkers.Take([]Group{group("10.0.0.1", 1e6)}, at+int64(time.Second)) // too soon
	}
	got := talkers.Fill([]Group{group("10.0.0.1", 100), group("10.0.0.3", 0)}, 10)
	if len(got) != 3 || got[0].Key.Client().String() != "10.0.0.2" || got[0].Flows != 0 || got[0].Minute != 500 || got[1].Minute != 100 || got[2].Minute != 0 {
		t.Errorf("the talkers are %+v", got)
	}
	if got := talkers.Fill(nil, 1); len(got) != 1 {
		t.Errorf("%d of 1", len(got))
	}
	if got := (&Talkers{}).Fill([]Group{group("10.0.0.1", 5)}, 5); len(got) != 1 || got[0].Minute != 0 {
		t.Errorf("without looks: %+v", got)
	}
}
