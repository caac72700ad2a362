package main

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/spf13/cobra"

	"nattui/model/metrics"
	"nattui/model/metrics/web"
	"nattui/ui/text"
)

// metricsOptions are the flags of "nattui metrics".
type metricsOptions struct {
	textfile, listen, webConfig string
	insecure, openMetrics       bool
	tables                      []string
	doctor                      time.Duration
	limits                      metrics.Limits
}

// metricsAddress is where metrics are served unless somebody says otherwise. No other exporter is known by this port.
const metricsAddress = "127.0.0.1:9823"

// textfileName is the file that is written for node_exporter, which reads those that end in .prom.
const textfileName = "nattui.prom"

// newMetricsCommand makes "nattui metrics".
func newMetricsCommand() *cobra.Command {
	o := metricsOptions{limits: metrics.DefaultLimits}
	c := &cobra.Command{
		Use:   "metrics",
		Short: "Print or serve metrics for Prometheus",
		Long: "metrics tells Prometheus what the NAT of this gateway does: packets and bytes by rule, connections by protocol, translation, state and rule, " +
			"source ports in use, how full the connection table is and what it has lost, messages that programs have missed, what the doctor finds, and changes that wait to be confirmed. " +
			"It prints them once, writes them for node_exporter's textfile collector (--textfile), or serves them (--listen).\n" +
			"\nA rule's series go by a hash of the rule, which stays the same when rules come and go before it; equal rules in one chain are one series. " +
			"Rules, clients, destinations and translated addresses that have series of their own are limited in number: nattui_series_omitted says how many are left out.\n" +
			"\nEach scrape reads the connection table once, keeps none of it, and takes little more than reading it does. Scrapes at the same time share one reading. " +
			"The doctor takes longer; with --listen it looks at times of its own (--doctor).\n" +
			"\nIt exits with 1 if a part could not be read: the rest is there, and nattui_collector_success says which.",
		Example: "nattui metrics | promtool check metrics\n" +
			"nattui metrics --textfile /var/lib/prometheus/node-exporter\n" +
			"nattui metrics --listen " + metricsAddress + "\n" +
			"nattui metrics --listen 192.168.0.1:9823 --web-config /etc/nattui/web.yml",
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.textfile, "textfile", "", "write "+textfileName+" into this directory, all at once")
	f.StringVar(&o.listen, "listen", "", "serve them at this address until interrupted; a port alone is of this host only, as in "+metricsAddress)
	f.StringVar(&o.webConfig, "web-config", "", "TLS and passwords for --listen: a file as Prometheus' exporters read it (web.config.file)")
	f.BoolVar(&o.insecure, "insecure", false, "serve to other hosts without --web-config")
	f.BoolVar(&o.openMetrics, "openmetrics", false, "print the OpenMetrics format; scrapes choose by themselves")
	f.DurationVar(&o.doctor, "doctor", 5*time.Minute, "with --listen, how often the doctor looks; 0 leaves its findings out, always")
	f.StringSliceVar(&o.tables, "tables", []string{"nat"}, "tables of iptables whose rules are told: "+strings.Join(tableNames, ", "))
	f.IntVar(&o.limits.Rules, "rules", o.limits.Rules, "how many rules have series of their own, your own first")
	f.IntVar(&o.limits.Clients, "clients", o.limits.Clients, "how many clients are told, those with the most connections")
	f.IntVar(&o.limits.Addresses, "addresses", o.limits.Addresses, "how many pairs of translated address and protocol are told")
	f.IntVar(&o.limits.Destinations, "destinations", o.limits.Destinations, "how many destinations are told for each of those")
	offer(c, "tables", tableNames...)
	return c
}

// check refuses flags that cannot be, and returns where to listen.
func (o *metricsOptions) check() (address string, err error) {
	for _, name := range o.tables {
		if err := checkTable(name); err != nil {
			return "", err
		}
	}
	for name, n := range map[string]int{"rules": o.limits.Rules, "clients": o.limits.Clients, "addresses": o.limits.Addresses, "destinations": o.limits.Destinations} {
		if n < 0 {
			return "", usagef("--%s %d: use a number from 0", name, n)
		}
	}
	switch {
	case o.doctor < 0:
		return "", usagef("--doctor %s: use a positive time such as 5m, or 0", o.doctor)
	case o.textfile != "" && (o.listen != "" || o.openMetrics):
		return "", usagef("--textfile writes one file in the format of node_exporter: drop --listen and --openmetrics")
	case o.listen == "" && (o.webConfig != "" || o.insecure):
		return "", usagef("--web-config and --insecure go with --listen")
	case o.listen == "":
		return "", nil
	}
	if address, err = listenAddress(o.listen); err != nil {
		return "", err
	}
	if host, _, _ := net.SplitHostPort(address); !loopback(host) && o.webConfig == "" && !o.insecure {
		return "", usagef("--listen %s: others could read this gateway's connections: give --web-config FILE with TLS and passwords, listen on %s, or say --insecure", text.Safe(o.listen), metricsAddress)
	}
	return address, nil
}

// listenAddress reads where to listen: an address with a port, or a port of this host alone.
func listenAddress(given string) (string, error) {
	if _, err := strconv.ParseUint(given, 10, 16); err == nil {
		given = ":" + given
	}
	host, port, err := net.SplitHostPort(given)
	if err != nil {
		return "", usagef("--listen %s: use ADDRESS:PORT, such as %s", text.Safe(given), metricsAddress)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", usagef("--listen %s: the port is a number up to 65535", text.Safe(given))
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

func (o *metricsOptions) run(c *cobra.Command) error {
	if err := refuseEmpty(c, "textfile", "listen", "web-config"); err != nil {
		return err
	}
	address, err := o.check()
	if err != nil {
		return err
	}
	tables, err := openTables(c.Context(), c.ErrOrStderr())
	if err != nil {
		return err
	}
	e := &exporter{limits: o.limits, tables: tables, names: o.tables}
	if address != "" {
		return o.serve(c, e, address)
	}
	if o.doctor > 0 {
		e.examine(c.Context())
	}
	sample := e.sample(c.Context())
	if err := c.Context().Err(); err != nil {
		return err
	}
	if o.textfile != "" {
		err = prometheus.WriteToTextfile(filepath.Join(o.textfile, textfileName), sample.Gatherer())
	} else {
		err = o.print(c, sample.Gatherer())
	}
	if err != nil {
		return err
	}
	return sayParts(c, &sample)
}

// print prints them on standard output.
func (o *metricsOptions) print(c *cobra.Command, from prometheus.Gatherer) error {
	families, err := from.Gather()
	if err != nil {
		return err
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	if o.openMetrics {
		format = expfmt.NewFormat(expfmt.TypeOpenMetrics)
	}
	out := newOutput(c)
	encoder := expfmt.NewEncoder(out, format)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return err
		}
	}
	if closer, ok := encoder.(expfmt.Closer); ok {
		if err := closer.Close(); err != nil {
			return err
		}
	}
	return out.Flush()
}

// sayParts says what could not be read. The error is the first of them where it is a matter of permission, so that
// the program ends as it does elsewhere.
func sayParts(c *cobra.Command, s *metrics.Sample) error {
	var failed error
	for _, p := range s.Parts {
		if p.Err == nil {
			continue
		}
		if exitStatus(p.Err) == exitNotPermitted {
			return p.Err
		}
		say(c.ErrOrStderr(), text.Safe(fmt.Sprintf("%s: %v", p.Name, p.Err)))
		failed = statusError(exitFailed)
	}
	return failed
}

// readPart reads a part of a sample and notes how that went.
func readPart(s *metrics.Sample, name string, read func() error) {
	start := time.Now()
	err := read()
	s.Parts = append(s.Parts, metrics.Part{Name: name, Took: time.Since(start), Err: err})
}

// noteStarted tells on standard error where metrics are served.
func noteStarted(c *cobra.Command, l net.Listener, config *web.Config) {
	scheme := "http"
	if config.TLS != nil {
		scheme = "https"
	}
	say(c.ErrOrStderr(), fmt.Sprintf("serving metrics at %s://%s/metrics", scheme, l.Addr()))
}
