package systems

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// unitsOfPackages puts the units of the packages, and what belongs to them, in place.
func unitsOfPackages(s *system) {
	s.Helper()
	const packaging = "../../../packaging"
	for from, to := range map[string]string{"systemd/*": "/usr/lib/systemd/system", "logrotate/*": "/etc/logrotate.d"} {
		files, err := filepath.Glob(filepath.Join(packaging, from))
		if err != nil || len(files) == 0 {
			s.Fatalf("%s: %v", from, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				s.Fatal(err)
			}
			s.write(filepath.Join(to, filepath.Base(file)), string(text))
		}
	}
	s.link("/usr/sbin/nattui", "/usr/local/bin/nattui")
}

// TestUnits: the units of the packages do their work with the few capabilities that they have, are hardened as systemd counts it, and may write
// nothing else.
func TestUnits(t *testing.T) {
	s := boot(t, nil, unitsOfPackages)
	s.run("iptables", "-t", "nat", "-A", "PREROUTING", "-i", "wan0", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", lanHost+":80")
	s.run("mkdir", "-p", "/var/lib/prometheus/node-exporter")
	s.run("systemctl", "start", "nattui-metrics", "nattui-log", "nattui-log-file", "nattui-metrics-textfile")

	scrape := func() string {
		out, _ := s.try("busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:9823/metrics")
		return out
	}
	s.eventually("metrics with a look of the doctor", func() bool { return strings.Contains(scrape(), "nattui_doctor_last_run_timestamp_seconds ") })
	for name, text := range map[string]string{"served": scrape(), "in the file": s.read("/var/lib/prometheus/node-exporter/nattui.prom")} {
		for _, want := range []string{`nattui_rule_packets_total\{.*chain="PREROUTING"`, `nattui_conntrack_entries_limit [1-9]`, `nattui_changes_pending 0`} {
			if !regexp.MustCompile(want).MatchString(text) {
				t.Errorf("%s: no %s in\n%s", name, want, text)
			}
		}
		if failed := regexp.MustCompile(`nattui_collector_success\{.*\} 0`).FindString(text); failed != "" {
			t.Errorf("%s: %s", name, failed)
		}
	}

	// A connection from outside, which the logs have; one log is rotated in between.
	s.run("conntrack", "-I", "-p", "tcp", "--src", wanHost, "--dst", wanGateway, "--sport", "5000", "--dport", "80", "--reply-src", lanHost, "--reply-dst", wanHost,
		"--reply-port-src", "80", "--reply-port-dst", "5000", "--state", "ESTABLISHED", "-t", "600", "--dst-nat", lanHost+":80")
	s.eventually("the beginning in the journal", func() bool {
		out, _ := s.try("journalctl", "-o", "cat", "--output-fields=NAT_SERVER", "-t", "nattui", "NAT_EVENT=begin")
		return strings.Contains(out, lanHost)
	})
	s.eventually("the beginning in the file", func() bool { return strings.Contains(s.read("/var/log/nattui/nat.json"), `"event":"begin"`) })
	s.run("mv", "/var/log/nattui/nat.json", "/var/log/nattui/nat.json.1")
	s.run("systemctl", "reload", "nattui-log-file")
	s.eventually("another file", func() bool { _, err := os.Stat(filepath.Join(s.root(), "/var/log/nattui/nat.json")); return err == nil })
	s.run("conntrack", "-D", "-p", "tcp", "--src", wanHost)
	s.eventually("the end in the new file", func() bool { return strings.Contains(s.read("/var/log/nattui/nat.json"), `"event":"end"`) })

	for _, unit := range []string{"nattui-metrics", "nattui-log", "nattui-log-file", "nattui-metrics-textfile"} {
		out, err := s.try("systemd-analyze", "security", "--no-pager", unit+".service")
		m := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
		if m == nil {
			t.Errorf("%s: %v\n%s", unit, err, out)
			continue
		}
		if level, _ := strconv.ParseFloat(m[1], 64); level > 3 {
			t.Errorf("%s is exposed by %s of 10\n%s", unit, m[1], out)
		}
	}
	// What they may not: their main processes have no other capabilities, and see a file system that is read only.
	pid := strings.TrimSpace(s.run("systemctl", "show", "-P", "MainPID", "nattui-metrics"))
	status := s.run("cat", "/proc/"+pid+"/status")
	if m := regexp.MustCompile(`CapBnd:\s+(\S+)`).FindStringSubmatch(status); m == nil || m[1] != "0000000000003000" {
		t.Errorf("capabilities: %v, want CAP_NET_ADMIN and CAP_NET_RAW alone\n%s", m, status)
	}
	mounts := s.run("cat", "/proc/"+pid+"/mountinfo")
	if !regexp.MustCompile(`(?m) / / ro[, ]`).MatchString(mounts) {
		t.Errorf("its file system can be written:\n%s", mounts)
	}
	if out := s.run("systemctl", "--failed", "--no-legend"); strings.Contains(out, "nattui") {
		t.Errorf("failed: %s", out)
	}
}
