package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/spf13/cobra"

	"nattui/model/conntrack"
	"nattui/model/doctor"
	"nattui/model/explain"
	"nattui/model/host"
	"nattui/model/metrics"
	"nattui/model/metrics/web"
	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/iptables"
	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
	"nattui/rules/nftables"
)

// exporter reads what is exported. Its methods may be called from several goroutines.
type exporter struct {
	limits metrics.Limits
	tables *iptables.Host
	names  []string // of the tables of iptables whose rules are told

	found atomic.Pointer[doctorVisit]
}

// doctorVisit is the doctor's last look.
type doctorVisit struct {
	at   time.Time
	took time.Duration
	*metrics.Examination
	err error
}

// examine has the doctor look.
func (e *exporter) examine(ctx context.Context) {
	v := &doctorVisit{at: time.Now()}
	g, err := examined(ctx, e.tables)
	if v.err = err; err == nil {
		v.Examination = &metrics.Examination{At: v.at, Findings: doctor.Examine(g)}
	}
	if v.took = time.Since(v.at); ctx.Err() == nil {
		e.found.Store(v)
	}
}

// examineEvery has the doctor look again and again until ctx is done.
func (e *exporter) examineEvery(ctx context.Context, pause time.Duration) {
	for {
		e.examine(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// sample reads everything that is exported, the connection table once.
func (e *exporter) sample(ctx context.Context) metrics.Sample {
	s := metrics.Sample{Limits: e.limits, Version: version, GoVersion: runtime.Version()}
	var sets map[rules.Variant]*rules.Ruleset
	var mark *explain.Explainer
	readPart(&s, "rules", func() (err error) {
		if sets, err = e.tables.ReadAll(ctx); err != nil {
			return err
		}
		native, err := readNativeCounted(ctx)
		s.Rules = metrics.RulesOf(sets, native, e.names)
		return err
	})
	readPart(&s, "host", func() error {
		f, err := readFacts(ctx)
		if err == nil && sets != nil {
			mark = explain.NewExplainer(nil)
			mark.SetRulesAt(sets, f.Host(nil), readNow())
		}
		return err
	})
	readPart(&s, "connections", func() error { return e.count(ctx, &s, mark) })
	readPart(&s, "listeners", func() (err error) { s.Listeners, err = host.EventListeners(); return err })
	readPart(&s, "journal", func() (err error) { s.Journal, err = readJournal(); return err })
	if v := e.found.Load(); v != nil {
		s.Doctor = v.Examination
		s.Parts = append(s.Parts, metrics.Part{Name: "doctor", Took: v.took, Err: v.err})
	}
	return s
}

// readNativeCounted reads the native tables with their counters as they are now.
func readNativeCounted(ctx context.Context) (*nft.Ruleset, error) {
	set, err := nftables.Read(ctx)
	if errors.Is(err, nfnetlink.ErrAbsent) {
		return nil, nil
	}
	return set, err
}

// count counts the connections; mark is nil where the rules are not known.
func (e *exporter) count(ctx context.Context, s *metrics.Sample, x *explain.Explainer) error {
	table, err := conntrack.Open(conntrack.Options{})
	if err != nil {
		return err
	}
	defer table.Close()
	h := table.Health()
	s.Health = &h
	census := metrics.NewCensus(nil)
	if x != nil {
		census = metrics.NewCensus(x.Marker())
	}
	if err := table.Dump(ctx, census.Take); err != nil {
		return err // half a table is no census
	}
	s.Census = census
	return nil
}

// readJournal reads what waits to be confirmed.
func readJournal() (*metrics.Journal, error) {
	store, err := commit.Look(commit.Directory())
	if err != nil {
		return nil, err
	}
	waiting, err := store.Waiting()
	if err != nil {
		return nil, err
	}
	j := &metrics.Journal{}
	if waiting != nil {
		j.Pending, j.Deadline = 1, waiting.Deadline
	}
	return j, nil
}

// serve serves metrics until the command is interrupted.
func (o *metricsOptions) serve(c *cobra.Command, e *exporter, address string) error {
	config := &web.Config{}
	if o.webConfig != "" {
		var err error
		if config, err = web.Read(o.webConfig); err != nil {
			return fmt.Errorf("--web-config: %w; the format is the web configuration of Prometheus' exporters (promtool check web-config)", err)
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(c.Context(), "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w; another program listens there (ss -ltnp shows which): choose another port with --listen", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w; this host does not have that address (ip address shows its own)", err)
	case err != nil:
		return err
	}
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	var visits sync.WaitGroup
	if o.doctor > 0 {
		visits.Go(func() { e.examineEvery(ctx, o.doctor) })
	}
	server := &http.Server{Handler: e.handler(ctx), ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	noteStarted(c, listener, config)
	err = config.Serve(listener, server)
	stop()
	visits.Wait()
	if errors.Is(err, http.ErrServerClosed) && c.Context().Err() != nil {
		return nil
	}
	return err
}

// handler answers scrapes. Those that come at the same time share one reading of the gateway: none waits for more than
// one, and none makes the kernel do the same work twice.
func (e *exporter) handler(ctx context.Context) http.Handler {
	process := prometheus.NewRegistry()
	process.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gather := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		s := e.sample(ctx)
		return prometheus.Gatherers{s.Gatherer(), process}.Gather()
	})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(gather, promhttp.HandlerOpts{EnableOpenMetrics: true, CoalesceGather: true}))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `<html><head><title>nattui</title></head><body><h1>nattui</h1><p><a href="/metrics">Metrics</a></p></body></html>`)
	})
	return mux
}
