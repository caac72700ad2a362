package main

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"nattui/model/lab"
)

// command runs a command line of nattui in this process.
func command(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return commandHeard(t, func(string) {}, stdin, args...)
}

// heardBuffer keeps what is written to it, and has somebody hear all of it each time.
type heardBuffer struct {
	all  []byte
	hear func(all string)
}

func (h *heardBuffer) Write(b []byte) (int, error) {
	h.all = append(h.all, b...)
	h.hear(string(h.all))
	return len(b), nil
}

// commandHeard is command, with hear told of its standard error while it runs.
func commandHeard(t *testing.T, hear func(all string), stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	t.Setenv("NATTUI_STATE", filepath.Join(t.TempDir(), "state"))
	t.Setenv(lab.ScenarioVariable, "empty") // what boots is never this machine's own
	root := newRoot()
	if !slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == "guide" }) {
		root.AddCommand(newGuideCommands()...)
	}
	out, talk := bytes.Buffer{}, heardBuffer{hear: hear}
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&talk)
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	complain(&talk, err, args)
	return exitStatus(err), out.String(), string(talk.all)
}

// onGateway runs a test on the gateway of a lab of its own.
func onGateway(t *testing.T, test func(t *testing.T, n *lab.Network)) {
	t.Helper()
	if lab.Isolate(t) {
		return
	}
	n, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	test(t, n)
}

func TestImportCommand(t *testing.T) {
	onGateway(t, func(t *testing.T, n *lab.Network) {
		for _, c := range []struct {
			args   []string
			stdin  string
			status int
			stdout string
			stderr []string
		}{
			{args: []string{"iptables -A FORWARD -i tun0 -o eth0 -j ACCEPT", "--dry-run"}, stdout: "iptables -t filter -A FORWARD -i tun0 -o eth0 -j ACCEPT\n"},
			{
				args: []string{"iptables  -t nat -A POSTROUTING -s 192.168.0.1/24 MASQUERADE", "--dry-run"}, status: 1,
				stdout: "iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE\n",
				stderr: []string{"nattui: 1:51: error: -j is missing before the target MASQUERADE; write  -j MASQUERADE\n", strings.Repeat(" ", 52) + "^^^^^^^^^^\n"},
			},
			{
				args: []string{"-", "--dry-run"}, stdin: "iptables -t nat -A PREROUTING -i $WAN -p tcp --dport 80 -j DNAT --to-destination YOUR_IP:80\n", status: 1,
				stdout: "iptables -t nat -A PREROUTING -i $WAN -p tcp --dport 80 -j DNAT --to-destination YOUR_IP:80\n", stderr: []string{"an interface is needed for WAN: --set WAN=…; perhaps wan0", "an address is needed for YOUR_IP"},
			},
			{
				args: []string{"-", "--dry-run", "--set", "$WAN=wan0", "--set", "YOUR_IP=192.168.0.2"}, stdin: "iptables -t nat -A PREROUTING -i $WAN -p tcp --dport 80 -j DNAT --to-destination YOUR_IP:80\n",
				stdout: "iptables -t nat -A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:80\n",
			},
			{
				args:   []string{"iptables -t nat -A PREROUTNG -i wan0 -p udp -j DNAT --to-destination 10.0.0.1", "--corrected", "--yes"},
				stdout: "iptables -t nat -A PREROUTING -i wan0 -p udp -j DNAT --to-destination 10.0.0.1\n",
			},
			{args: []string{"iptables -t nat -F", "--yes"}, status: 1, stdout: "# iptables -t nat -F\n", stderr: []string{"doubt: -F deletes every rule of table nat: 1 now"}},
			{args: []string{"iptables -t nat -F", "--yes", "--accept-doubts"}, stdout: "iptables -t nat -D PREROUTING -i wan0 -p udp -j DNAT --to-destination 10.0.0.1\n"},
			{args: []string{"iptables -t nat -A PREROUTING -j nowhere", "--dry-run"}, status: 1, stdout: "iptables -t nat -A PREROUTING -j nowhere\n", stderr: []string{`neither a target nor a chain "nowhere"`}},
			{args: []string{"nofile", "--dry-run"}, status: 1, stderr: []string{"there is no file nofile"}},
			{args: []string{"iptables", "-t", "nat"}, status: 2},
			{args: []string{"-"}, stdin: "iptables -A FORWARD -j ACCEPT", status: 2, stderr: []string{"cannot ask"}},
		} {
			status, stdout, stderr := command(t, c.stdin, append([]string{"import"}, c.args...)...)
			ok := status == c.status && strings.ReplaceAll(stdout, "iptables-nft", "iptables") == c.stdout
			for _, want := range c.stderr {
				ok = ok && strings.Contains(stderr, want)
			}
			if !ok {
				t.Errorf("import %q: exit status %d\n%s%s", c.args, status, stdout, stderr)
			}
		}
		if saved, err := n.Gateway.Output(t.Context(), "iptables-save"); err != nil || strings.Contains(saved, "-A") {
			t.Errorf("left behind: %v\n%s", err, saved)
		}
	})
}

// A script of several tables becomes one plan, and works.
func TestImportOfAScript(t *testing.T) {
	onGateway(t, func(t *testing.T, n *lab.Network) {
		script := filepath.Join(t.TempDir(), "gateway.sh")
		const text = `#!/bin/sh
# publish the web server
sysctl -w net.ipv4.ip_forward=1
iptables -P FORWARD ACCEPT
iptables -N published 2>/dev/null || true
iptables -A FORWARD -d 192.168.0.2 -p tcp \
    --dport 8080 -j published
iptables -A published -j ACCEPT
iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 80 -j DNAT --to 192.168.0.2:8080
`
		if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if status, stdout, stderr := command(t, "", "import", script, "--yes"); status != 0 {
			t.Fatalf("exit status %d\n%s%s", status, stdout, stderr)
		}
		if _, err := n.Server2.Serve(t.Context(), "tcp", netip.MustParseAddrPort("192.168.0.2:8080")); err != nil {
			t.Fatal(err)
		}
		if answer, err := n.Client.Ask(t.Context(), "tcp", netip.MustParseAddrPort("203.0.113.1:80")); err != nil || answer.Server != "server2" {
			t.Errorf("answered by %q, %v", answer.Server, err)
		}
		saved, err := n.Gateway.Output(t.Context(), "iptables-save")
		if err != nil {
			t.Fatal(err)
		}
		if status, stdout, stderr := command(t, saved, "import", "-", "--yes"); status != 0 || stdout != "" || !strings.Contains(stderr, "there is nothing to change") {
			t.Errorf("importing what stands: exit status %d\n%s%s", status, stdout, stderr)
		}
	})
}

func TestGuideCommand(t *testing.T) {
	onGateway(t, func(t *testing.T, n *lab.Network) {
		if err := n.Gateway.SetSysctl("net/ipv4/ip_forward", "0"); err != nil {
			t.Fatal(err)
		}
		status, stdout, stderr := command(t, "", "guide", "share", "--net", "192.168.0.0/24", "--dry-run")
		if status != 0 || stdout != "sysctl -w net.ipv4.ip_forward=1\necho 'net.ipv4.ip_forward = 1' >> /etc/sysctl.d/90-nattui.conf\niptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j SNAT --to-source 203.0.113.1\n" {
			t.Errorf("share: exit status %d\n%s%s", status, stdout, stderr)
		}
		if !strings.Contains(stderr, " 1. Linux does not forward packets by default") {
			t.Errorf("share gives no reasons:\n%s", stderr)
		}
		status, stdout, stderr = command(t, "", "guide", "share", "--net", "203.0.113.0/24", "--yes")
		if status != 2 || stdout != "" || !strings.Contains(stderr, "nattui: --net: 203.0.113.0/24 is on the side of wan0, the uplink; this would work:  --net 192.168.0.0/24\n") {
			t.Errorf("share the wrong side: exit status %d\n%s%s", status, stdout, stderr)
		}
		for _, args := range [][]string{
			{"publish", "--port", "80", "--to", "192.168.0.2:8080", "--inside", "--this-host"},
			{"proxy", "--in", "lan0", "--port", "81", "--to", "8888"},
			{"one-to-one", "--outside", "198.51.100.9", "--inside", "192.168.0.3"},
			{"vpn", "--net", "192.168.0.0/24", "--in", "lan0"},
			{"move", "--from", "192.168.0.2:8080", "--to", "192.168.0.3"},
		} {
			status, stdout, stderr := command(t, "", append(append([]string{"guide"}, args...), "--yes", "--confirm", "off")...)
			if status != 0 || stdout == "" {
				t.Errorf("%v: exit status %d\n%s%s", args, status, stdout, stderr)
			}
		}
		if _, err := n.Server3.Serve(t.Context(), "tcp", netip.MustParseAddrPort("192.168.0.3:8080")); err != nil {
			t.Fatal(err)
		}
		if answer, err := n.Client.Ask(t.Context(), "tcp", netip.MustParseAddrPort("203.0.113.1:80")); err != nil || answer.Server != "server3" {
			t.Errorf("after all of them: answered by %q, %v", answer.Server, err)
		}
	})
}

func TestExplainCommand(t *testing.T) {
	onGateway(t, func(t *testing.T, _ *lab.Network) {
		status, stdout, stderr := command(t, "", "explain", "-A PREROUTING -i lan0 -p tcp --dport 80 -j REDIRECT --to-ports 8888")
		want := `Add to the end of PREROUTING: TCP that arrives on lan0 to port 80 goes to this host, port 8888.

 in ▸ [PREROUTING] ▸ routing ▸ FORWARD ▸ POSTROUTING ▸ out
                        ▾                   ▴
                      INPUT ▸ this host ▸ OUTPUT

Table nat, PREROUTING, before routing: the outgoing interface is not decided yet, and a new
destination decides it. In table nat only the first packet of a connection is checked here; the
others are translated alike, and replies back.
  iptables -t nat -A PREROUTING -i lan0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888
`
		if status != 0 || strings.ReplaceAll(stdout, "iptables-nft", "iptables") != want {
			t.Errorf("exit status %d\n%s%s", status, stdout, stderr)
		}
		for line, say := range map[string]string{
			"iptables -P FORWARD DROP":                       "Set the policy of FORWARD to DROP",
			"iptables -A FORWARD -i a -j mychain":            "mychain",
			"sysctl -w net.ipv4.ip_forward=1":                "net.ipv4.ip_forward",
			"ip6tables -A INPUT -p tcp --dport 22 -j ACCEPT": "INPUT",
		} {
			if status, stdout, stderr := command(t, "", "explain", line); status != 0 || !strings.Contains(stdout, say) {
				t.Errorf("%s: exit status %d\n%s%s", line, status, stdout, stderr)
			}
		}
		if status, _, stderr := command(t, "", "explain", "iptables -t nat -D web 3"); status != 1 || !strings.Contains(stderr, "web has no rule 3") {
			t.Errorf("what is not there: exit status %d\n%s", status, stderr)
		}
		if status, stdout, _ := command(t, "", "explain", "iptables -t nat -A POSTROUTING -s 10.0.0.0/8 -o $WAN MASQUERADE"); status != 1 || !strings.Contains(stdout, "MASQUERADE") {
			t.Errorf("with a mistake: exit status %d\n%s", status, stdout)
		}
	})
}

// TestGuideWatch has the guide wait for its first packet, which is refused until the service runs.
func TestGuideWatch(t *testing.T) {
	onGateway(t, func(t *testing.T, n *lab.Network) {
		over, asked := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(asked)
			for {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				_, _ = n.Client.Ask(ctx, "tcp", netip.MustParseAddrPort("203.0.113.1:80")) // until there is an answer
				cancel()
				select {
				case <-over:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		}()
		const refused = "gone without an answer: the server refuses it"
		serve := sync.OnceFunc(func() {
			if _, err := n.Server2.Serve(t.Context(), "tcp", netip.MustParseAddrPort("192.168.0.2:8080")); err != nil {
				t.Error(err)
			}
		})
		status, _, stderr := commandHeard(t, func(all string) {
			if strings.Contains(all, refused) {
				serve()
			}
		}, "", "guide", "publish", "--port", "80", "--to", "192.168.0.2:8080", "--watch", "--yes")
		close(over)
		<-asked
		if status != 0 {
			t.Fatalf("status %d:\n%s", status, stderr)
		}
		at := 0
		for _, want := range []string{"waiting for the first packet", "arrived", "translated", refused, "answered", "it works"} {
			i := strings.Index(stderr[at:], want)
			if i < 0 {
				t.Fatalf("%q is not said, or too early:\n%s", want, stderr)
			}
			at += i
		}
	})
}
