package ui

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/flow"
	"nattui/rules"
)

// manyFlows is the i-th of a million.
func manyFlows(i int) flow.Flow {
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(1024+i%60000))
	asked, served := netip.MustParseAddrPort("203.0.113.1:80"), netip.MustParseAddrPort("192.168.0.2:8080")
	f := flow.Flow{ID: uint32(i + 1), Orig: rules.MakeTuple(rules.UDP, client, asked), Reply: rules.MakeTuple(rules.UDP, served, client), Status: flow.StatusDstNAT | flow.StatusConfirmed, Timeout: 30}
	f.SetCounts(uint64(i), uint64(i)*10, 0, 0)
	return f
}

func fill(table *flow.Flows, from, to int) {
	b := &flow.Batch{At: time.Now().UnixNano()}
	for i := from; i < to; i++ {
		c := b.Next()
		c.Kind, c.Flow, c.Has = flow.EventNew, manyFlows(i), ^flow.Fields(0)
		if len(b.Messages) == 512 || i == to-1 {
			table.Apply(b)
			b.Reset(time.Now().UnixNano())
		}
	}
}

// BenchmarkKeyPress is a key to a drawn screen with a million flows in the table,
// while 60,000 new ones a second arrive and the screen sorts by bytes: the 99th
// percentile, of which 16 ms is the bound.
func BenchmarkKeyPress(b *testing.B) {
	f := newFeed()
	f.now = time.Now
	f.table = flow.NewFlows()
	fill(f.table, 0, 1_000_000)
	app := New(b.Context(), Gateway{Flows: f, Changes: &kernel{}}, Options{UTF8: true})
	app.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
	stop := make(chan struct{})
	go flood(f.table, stop)
	defer close(stop)
	answers := make(chan tea.Msg, 64)
	work := func(cmd tea.Cmd) {
		if cmd != nil {
			go runCommand(cmd, answers)
		}
	}
	update := func(msg tea.Msg) {
		_, cmd := app.Update(msg)
		work(cmd)
	}
	update(keyPress("2"))
	update(keyPress("s"))
	var took []time.Duration
	names := []string{"down", "down", "pgdown", "up", "G", "g", "s", "down"}
	for i := 0; b.Loop(); i++ {
		for drained := false; !drained; {
			select {
			case msg := <-answers:
				update(msg)
			default:
				drained = true
			}
		}
		update(flowsMsg{})
		start := time.Now()
		update(keyPress(names[i%len(names)]))
		_ = app.draw()
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
}

// runCommand runs a command as the program does, those of a batch each by itself.
func runCommand(cmd tea.Cmd, answers chan<- tea.Msg) {
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			if c != nil {
				go runCommand(c, answers)
			}
		}
	case selectedMsg, groupedMsg:
		answers <- msg
	}
}

// flood makes 60,000 new flows a second, and ends as many.
func flood(table *flow.Flows, stop <-chan struct{}) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := 1_000_000; ; n += 600 {
		select {
		case <-stop:
			return
		case <-tick.C:
			fill(table, n, n+600)
			b := &flow.Batch{At: time.Now().UnixNano()}
			for i := n - 600; i < n; i++ {
				c := b.Next()
				c.Kind, c.Flow = flow.EventDestroy, manyFlows(i)
			}
			table.Apply(b)
		}
	}
}

// BenchmarkMemory is the heap that a million flows keep with the whole program's
// model around them.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		f := newFeed()
		f.table = flow.NewFlows()
		fill(f.table, 0, 1_000_000)
		app := New(b.Context(), Gateway{Flows: f}, Options{UTF8: true})
		app.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/1e6, "heap-MB")
		runtime.KeepAlive(app)
	}
}

// BenchmarkRulesScreen is a new snapshot to a drawn screen, by the number of rules.
func BenchmarkRulesScreen(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var text strings.Builder
			text.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n")
			for i := range n {
				fmt.Fprintf(&text, "[%d:%d] -A PREROUTING -d 203.0.%d.%d/32 -p tcp -m tcp --dport %d -j DNAT --to-destination 192.168.0.2:8080\n", i, i*60, i/250, i%250, 1+i%65535)
			}
			text.WriteString("COMMIT\n")
			all := sets(b, map[rules.Variant]string{v4: text.String()})
			app := New(b.Context(), Gateway{}, Options{UTF8: true})
			app.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
			for b.Loop() {
				app.Update(tablesMsg{Sets: all, At: time.Now(), Changed: true})
				_ = app.draw()
			}
		})
	}
}
