package doctor_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
)

const ftpFile = "what was fetched"

// ftpServer is as much of an FTP server (RFC 959) as a passive transfer needs:
// each connection's PASV opens a port, and whoever comes there gets the file.
func ftpServer(t *testing.T, n *lab.Node) {
	t.Helper()
	listener, err := n.Listen(t.Context(), netip.AddrPortFrom(n.IPv4, 21))
	if err != nil {
		t.Fatal(err)
	}
	data, err := n.Listen(t.Context(), netip.AddrPortFrom(n.IPv4, 40021))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close(); data.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprint(c, "220 ready\r\n")
				for lines := bufio.NewScanner(c); lines.Scan(); {
					if strings.HasPrefix(lines.Text(), "PASV") {
						fmt.Fprintf(c, "227 Entering Passive Mode (%s,%d,%d)\r\n", strings.ReplaceAll(n.IPv4.String(), ".", ","), 40021>>8, 40021&0xff)
					}
				}
			}()
		}
	}()
	go func() {
		for {
			c, err := data.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, ftpFile)
			c.Close()
		}
	}()
}

var passive = regexp.MustCompile(`\((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)`)

// fetch gets the file as an FTP client in passive mode does. It returns the
// address that the client was told to come to.
func fetch(ctx context.Context, from *lab.Node, server netip.AddrPort) (told netip.AddrPort, got string, err error) {
	c, err := from.Dial(ctx, "tcp", netip.AddrPort{}, server)
	if err != nil {
		return told, "", err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	lines := bufio.NewReader(c)
	if _, err = lines.ReadString('\n'); err != nil {
		return told, "", err
	}
	fmt.Fprint(c, "PASV\r\n")
	answer, err := lines.ReadString('\n')
	if err != nil {
		return told, "", err
	}
	m := passive.FindStringSubmatch(answer)
	if m == nil {
		return told, "", fmt.Errorf("the server says %q", answer)
	}
	high, _ := strconv.Atoi(m[5])
	low, _ := strconv.Atoi(m[6])
	if told, err = netip.ParseAddrPort(net.JoinHostPort(strings.Join(m[1:5], "."), strconv.Itoa(high<<8|low))); err != nil {
		return told, "", err
	}
	file, err := from.Dial(ctx, "tcp", netip.AddrPort{}, told)
	if err != nil {
		return told, "", err
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	return told, string(text), err
}

// hasModule tells whether a module is loaded, or built into the kernel with something to set.
func hasModule(name string) bool {
	_, err := os.Stat("/sys/module/" + name)
	return err == nil
}

// A published FTP server is fetched from only with a helper: it names its inner
// address in a message, which the helper rewrites, and the second connection is
// let through as related to the first. (nf_nat_ftp)
func TestDoctorGivesFTPItsHelper(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	ftpServer(t, w.Server2)
	w.sysctl("net/ipv4/ip_forward", "1")
	w.iptables("iptables", "-P", "FORWARD", "DROP")
	w.iptables("iptables", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
	w.iptables("iptables", "-A", "FORWARD", "-d", "192.168.0.2", "-p", "tcp", "--dport", "21", "-j", "ACCEPT")
	w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-d", "203.0.113.1", "-p", "tcp", "--dport", "21", "-j", "DNAT", "--to-destination", "192.168.0.2:21")
	server := netip.AddrPortFrom(w.Gateway.IPv4, 21)
	if told, got, err := fetch(t.Context(), w.Client, server); err == nil {
		t.Fatalf("without a helper %s gives %q", told, got)
	}
	found := doctor.Examine(w.look())
	i := slices.IndexFunc(found, func(f doctor.Finding) bool { return f.Check == "helper-missing" })
	if i < 0 {
		t.Fatalf("the doctor does not say helper-missing:\n%s", text(found))
	}
	if !strings.Contains(found[i].Sentence, "modprobe nf_nat_ftp") {
		t.Errorf("it does not say which module that takes: %s", found[i].Sentence)
	}
	if !hasModule("nf_nat_ftp") && !hasModule("nf_conntrack_ftp") {
		t.Log("the helper is not loaded here: what the doctor says was looked at, not what the helper then does")
		return
	}
	w.apply(found[i].Cure)
	told, got, err := fetch(t.Context(), w.Client, server)
	if err != nil || got != ftpFile || told.Addr() != w.Gateway.IPv4 {
		t.Errorf("with its helper %s gives %q, %v", told, got, err)
	}
	if again := doctor.Examine(w.look()); slices.ContainsFunc(again, func(f doctor.Finding) bool { return f.Check == "helper-missing" }) {
		t.Errorf("the doctor still says helper-missing:\n%s", text(again))
	}
}
