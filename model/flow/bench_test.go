package flow

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// sizes are the tables that the benchmarks have: an office, a provider's gateway, and the aim.
var sizes = []int{10_000, 262_144, 1_000_000}

// fillTable lists n flows in batches of the size that a dump has.
func fillTable(t *Flows, n int, b *Batch, at int64) {
	for from := 0; from < n; from += 170 {
		b.Reset(at)
		b.Since, b.Begin, b.Count = at, from == 0, n
		for i := from; i < min(n, from+170); i++ {
			c := b.Next()
			c.Kind, c.Flow = Listed, testFlow(i)
			c.Flow.SetCounts(uint64(i%1000), uint64(i*7919%1_000_003), 1, 1)
			c.Has = HasStatus | HasState | HasTimeout | HasCounts
		}
		b.End = from+170 >= n
		t.Apply(b)
	}
}

func each(b *testing.B, run func(b *testing.B, t *Flows, n int)) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var batch Batch
			t := NewFlows()
			fillTable(t, n, &batch, second)
			run(b, t, n)
		})
	}
}

// BenchmarkList fills an empty table as the first dump does and tells what a flow costs in memory.
func BenchmarkList(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var batch Batch
			var held float64
			for b.Loop() {
				b.StopTimer()
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				b.StartTimer()
				t := NewFlows()
				fillTable(t, n, &batch, second)
				b.StopTimer()
				runtime.GC()
				runtime.ReadMemStats(&after)
				held = float64(after.HeapAlloc-before.HeapAlloc) / float64(n)
				runtime.KeepAlive(t)
				b.StartTimer()
			}
			b.ReportMetric(held, "B/flow")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/flow")
		})
	}
}

// BenchmarkRelist brings a full table up to date, as every later dump does.
func BenchmarkRelist(b *testing.B) {
	each(b, func(b *testing.B, t *Flows, n int) {
		var batch Batch
		for at := 2 * second; b.Loop(); at += second {
			fillTable(t, n, &batch, at)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/flow")
	})
}

// BenchmarkEvents applies the beginning and end of a flow in a table of n others.
func BenchmarkEvents(b *testing.B) {
	each(b, func(b *testing.B, t *Flows, n int) {
		var batch Batch
		log := NewEventLog(4096)
		next := n
		for b.Loop() {
			batch.Reset(2 * second)
			for i := range 256 {
				*batch.Next() = event(EventNew, testFlow(next+i))
			}
			t.Apply(&batch)
			log.Append(&batch)
			for i := range batch.Messages {
				batch.Messages[i].Kind = EventDestroy
			}
			t.Apply(&batch)
			log.Append(&batch)
			next += 256
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/512, "ns/event")
	})
}

// BenchmarkSelect is a screen of 60 rows out of the whole table, sorted and filtered.
func BenchmarkSelect(b *testing.B) {
	each(b, func(b *testing.B, t *Flows, n int) {
		dnat := func(f *Flow, _ int64, _ MessageKind) bool { return f.NAT()&NATDst != 0 && f.State == TCPEstablished }
		for name, where := range map[string]Condition{"all": nil, "dnat": dnat} {
			for _, order := range []Sort{{ColumnAge, false}, {ColumnBytes, true}, {ColumnClient, false}} {
				b.Run(fmt.Sprintf("%s/%v", name, order.By), func(b *testing.B) {
					s := NewSelector(t)
					for b.Loop() {
						if _, err := s.Select(context.Background(), where, order, Window{Limit: 60}, 100*second); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	})
}

func BenchmarkGroups(b *testing.B) {
	each(b, func(b *testing.B, t *Flows, _ int) {
		for _, by := range []GroupBy{GroupByService, GroupByTranslation} {
			b.Run(by.String(), func(b *testing.B) {
				for b.Loop() {
					if _, _, err := t.Groups(context.Background(), nil, by, GroupsByBytes, 60, 100*second); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	})
}

// BenchmarkLookUnderFlood reads 60 rows of a table of a million flows, as a key press
// does, while one goroutine applies 60,000 events a second in frames and another selects
// all the time. It reports the 99th percentile.
func BenchmarkLookUnderFlood(b *testing.B) {
	var batch Batch
	t := NewFlows()
	fillTable(t, 1_000_000, &batch, second)
	sel, err := NewSelector(t).Select(context.Background(), nil, Sort{By: ColumnBytes}, Window{Limit: 60}, 2*second)
	if err != nil {
		b.Fatal(err)
	}
	stop := make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() {
		for next := 1_000_000; ; next += 300 {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
			for _, kind := range []MessageKind{EventNew, EventDestroy} {
				batch.Reset(2 * second)
				for i := range 300 {
					*batch.Next() = event(kind, testFlow(next+i))
				}
				t.Apply(&batch)
			}
		}
	})
	busy.Go(func() {
		for s := NewSelector(t); ; {
			select {
			case <-stop:
				return
			default:
				_, _ = s.Select(context.Background(), nil, Sort{By: ColumnBytes}, Window{Limit: 60}, 2*second)
			}
		}
	})
	var took []time.Duration
	var f Flow
	for b.Loop() {
		begun := time.Now()
		for _, row := range sel.Rows {
			t.Read(row.Ref, &f)
		}
		took = append(took, time.Since(begun))
		time.Sleep(time.Millisecond)
	}
	close(stop)
	busy.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
