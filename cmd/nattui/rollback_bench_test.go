package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nattui/model/lab"
	"nattui/rules/commit"
)

// BenchmarkRollback measures the processor's time of taking an import of so many rules back, by nattui rollback and by nattui
// undo, and beside it that of the import:
//
//	go test ./cmd/nattui -run '^$' -bench Rollback -benchtime 1x
func BenchmarkRollback(b *testing.B) {
	if lab.Isolate(b) {
		return
	}
	for _, how := range []string{"rollback", "undo"} {
		for _, lines := range []int{1000, 4000} {
			b.Run(fmt.Sprintf("%s/lines=%d", how, lines), func(b *testing.B) {
				b.Setenv(commit.StateVariable, filepath.Join(b.TempDir(), "state"))
				var commands strings.Builder
				for i := range lines {
					fmt.Fprintf(&commands, "iptables-legacy -t nat -A PREROUTING -d 10.0.%d.%d -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2\n", i/250, i%250)
				}
				script := filepath.Join(b.TempDir(), "script")
				if err := os.WriteFile(script, []byte(commands.String()), 0o600); err != nil {
					b.Fatal(err)
				}
				wait := map[string]string{"rollback": "10m", "undo": "off"}[how]
				var imported, back time.Duration
				for b.Loop() {
					imported += cost(b, "nattui", "import", script, "--yes", "--accept-doubts", "--confirm", wait)
					back += cost(b, "nattui", how, "--yes")
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(back.Seconds()*1e6/float64(b.N*lines), "cpu-µs/line")
				b.ReportMetric(back.Seconds()/imported.Seconds(), "×import")
			})
		}
	}
}
