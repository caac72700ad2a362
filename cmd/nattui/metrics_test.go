package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/lab"
	"nattui/model/metrics"
)

const (
	alertRules = root + "/packaging/prometheus/nattui.rules.yml"
	dashboard  = root + "/packaging/grafana/nattui.json"
)

// TestAlertRules has promtool look at the alert rules, and at when they fire.
func TestAlertRules(t *testing.T) {
	sequential(t)
	promtool := lab.Program(t, "promtool")
	for _, args := range [][]string{{"check", "rules", filepath.Base(alertRules)}, {"test", "rules", "nattui.rules.test.yml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = filepath.Dir(alertRules)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// metricName is a metric of nattui's in a query.
var metricName = regexp.MustCompile(`\bnattui_[a-z0-9_]+`)

// TestQueriesNameWhatIsExported: neither an alert nor a panel asks for a metric that is not exported, and each alert is tried in the tests beside it.
func TestQueriesNameWhatIsExported(t *testing.T) {
	sequential(t)
	for _, path := range []string{alertRules, dashboard} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		asked := metricName.FindAllString(string(text), -1)
		if len(asked) < 10 {
			t.Errorf("%s asks for %d metrics only", path, len(asked))
		}
		for _, name := range asked {
			if !slices.Contains(metrics.Names(), name) {
				t.Errorf("%s asks for %s, which is not exported", path, name)
			}
		}
	}
	text, err := os.ReadFile(alertRules)
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(strings.TrimSuffix(alertRules, ".yml") + ".test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(string(tests), "alertname: "+m[1]) {
			t.Errorf("no test has %s fire", m[1])
		}
	}
}

// panelQueries are the queries of the dashboard, with its variables filled in, by the panel's title.
func panelQueries(t *testing.T, instance string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	queries := map[string][]string{}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			queries[p.Title] = append(queries[p.Title], strings.NewReplacer("$instance", instance, "$__rate_interval", "1m").Replace(target.Expr))
		}
	}
	return queries
}

// startMetrics serves metrics at a port that is free, and returns the address.
func startMetrics(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("nattui", append([]string{"metrics", "--listen", "127.0.0.1:0"}, args...)...)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("interrupted, nattui metrics ended with %v", err)
		}
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := regexp.MustCompile(`(127\.0\.0\.1:\d+)/metrics`).FindStringSubmatch(lines.Text()); m != nil {
			go func() {
				for lines.Scan() {
					fmt.Fprintln(os.Stderr, lines.Text())
				}
			}()
			return m[1]
		}
	}
	t.Fatal("it did not say where it serves")
	return ""
}

// promServer is a running Prometheus.
type promServer struct{ address string }

// startPrometheus has a Prometheus scrape a target every second.
func startPrometheus(t *testing.T, target string) promServer {
	t.Helper()
	program := lab.Program(t, "prometheus")
	dir := t.TempDir()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free in this namespace
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	rules, err := filepath.Abs(alertRules)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs:\n- job_name: nattui\n  static_configs:\n  - targets: [%q]\n", rules, target)
	path := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config.file="+path, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("prometheus said\n%s", text)
		}
	})
	return promServer{address}
}

// answer asks Prometheus and fills in what it answers.
func (p promServer) answer(path string, query url.Values, into any) error {
	response, err := http.Get("http://" + p.address + "/api/v1/" + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var told struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(response.Body).Decode(&told); err != nil {
		return err
	}
	if told.Status != "success" {
		return fmt.Errorf("%s", told.Error)
	}
	return json.Unmarshal(told.Data, into)
}

// series is how many series a query finds.
func (p promServer) series(query string) (int, error) {
	var data struct{ Result []json.RawMessage }
	err := p.answer("query", url.Values{"query": {query}}, &data)
	return len(data.Result), err
}

// await waits until a condition holds.
func (p promServer) await(t *testing.T, what string, holds func() (bool, error)) {
	t.Helper()
	var last error
	for limit := time.Now().Add(2 * time.Minute); time.Now().Before(limit); time.Sleep(100 * time.Millisecond) {
		ok, err := holds()
		if ok {
			return
		}
		last = err
	}
	t.Fatalf("%s: %v", what, last)
}

// listenAndNeverRead has the kernel tell of connections to a socket that takes next to nothing.
func listenAndNeverRead(t *testing.T) {
	t.Helper()
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(socket) })
	const conntrackGroups = 7
	if err := errors.Join(unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_RCVBUF, 1), unix.Bind(socket, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: conntrackGroups})); err != nil {
		t.Fatal(err)
	}
}

// TestPrometheusScrapes has a real Prometheus scrape a gateway: every panel of the dashboard has something to show, and what a listener
// that does not read has missed raises an alert.
func TestPrometheusScrapes(t *testing.T) {
	sequential(t)
	lab.Program(t, "prometheus")
	if lab.Isolate(t) {
		return
	}
	t.Setenv("NATTUI_STATE", filepath.Join(t.TempDir(), "state"))
	for _, line := range []string{
		"ip link set lo up",
		"iptables -t nat -A OUTPUT -p udp --dport 5301 -j DNAT --to-destination 127.0.0.1:5391",
		"iptables -t nat -A POSTROUTING -p udp --dport 5302 -j SNAT --to-source 127.0.0.9",
	} {
		if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	listenAndNeverRead(t)
	if out, err := exec.Command("traffic", "127.0.0.1", "5300", "5302").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	target := startMetrics(t, "--doctor", "1s")
	p := startPrometheus(t, target)
	p.await(t, "no second scrape", func() (bool, error) {
		n, err := p.series(`count_over_time(nattui_build_info[5m]) >= 3`)
		return n == 1, err
	})
	for title, queries := range panelQueries(t, target) {
		for _, query := range queries {
			p.await(t, title+" shows nothing: "+query, func() (bool, error) {
				n, err := p.series(query)
				return n > 0, err
			})
		}
	}
	if out, err := exec.Command("traffic", "127.0.0.1", "5400", "5999").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p.await(t, "no alert", func() (bool, error) {
		n, err := p.series(`ALERTS{alertname="NattuiEventsLost",alertstate="firing"}`)
		return n > 0, err
	})
}

// TestScrapesShareAReading asks many times at once, over TLS with a password: each is answered whole.
func TestScrapesShareAReading(t *testing.T) {
	sequential(t)
	if lab.Isolate(t) {
		return
	}
	t.Setenv("NATTUI_STATE", filepath.Join(t.TempDir(), "state"))
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	config := filepath.Join(t.TempDir(), "web.yml")
	// The password is "nat", hashed with bcrypt at its lowest cost.
	if err := os.WriteFile(config, []byte("basic_auth_users:\n  prometheus: "+"$2a$04$8IDThOiBPJhIu/gi7cLoMeYO9o79A.KxslANpQ5kJwmaIKvMtkGoi"+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := startMetrics(t, "--doctor", "0", "--web-config", config)
	if response, err := http.Get("http://" + address + "/metrics"); err != nil || response.StatusCode != http.StatusUnauthorized {
		t.Fatalf("without a password: %v, %v", response, err)
	}
	const scrapes = 20
	answers := make(chan error, scrapes)
	for range scrapes {
		go func() {
			request, _ := http.NewRequest(http.MethodGet, "http://"+address+"/metrics", nil)
			request.SetBasicAuth("prometheus", "nat")
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				answers <- err
				return
			}
			defer response.Body.Close()
			var last string
			for lines := bufio.NewScanner(response.Body); lines.Scan(); {
				if last = lines.Text(); strings.HasPrefix(last, `nattui_collector_success{collector="connections"} 1`) {
					answers <- nil
					return
				}
			}
			answers <- fmt.Errorf("status %s, the last line is %q", response.Status, last)
		}()
	}
	for range scrapes {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}
