package nftables

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/lab"
	"nattui/rules/nfnetlink"
)

// BenchmarkRead reads 60,000 rules of one chain, or as many as NATTUI_RULES says, beside a dump of them that nothing is
// decoded of, with reads of 32 KiB: what the kernel itself takes. It reports the ratio of the two in CPU time.
func BenchmarkRead(b *testing.B) {
	if lab.Isolate(b) {
		return
	}
	count := 60000
	if n, err := strconv.Atoi(os.Getenv("NATTUI_RULES")); err == nil {
		count = n
	}
	for _, shape := range []struct {
		name   string
		chains int
	}{{"one chain", 1}, {"thousand chains", 1000}} {
		b.Run(shape.name, func(b *testing.B) {
			fill(b, count, shape.chains)
			var bare, whole time.Duration
			for b.Loop() {
				bare += cpu(func() { bareDump(b) })
				whole += cpu(func() {
					set, err := Read(b.Context())
					if err != nil {
						b.Fatal(err)
					}
					rules := 0
					for _, c := range set.Tables[0].Chains {
						rules += len(c.Rules)
					}
					if rules != count {
						b.Fatalf("%d rules are read", rules)
					}
				})
			}
			b.ReportMetric(float64(whole)/float64(bare), "x-bare")
			b.ReportMetric(bare.Seconds()/float64(b.N), "bare-cpu-s")
			b.ReportMetric(whole.Seconds()/float64(b.N), "cpu-s")
		})
	}
}

// fill makes a table with so many rules in so many chains, a part at a time: the kernel takes no more at once from a
// process without privileges in the first user namespace.
func fill(b *testing.B, count, chains int) {
	b.Helper()
	nft := lab.Program(b, "nft")
	load := func(text string) {
		cmd := exec.Command(nft, "-f", "-")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %.500s", err, out)
		}
	}
	var text strings.Builder
	text.WriteString("flush ruleset\nadd table ip t\n")
	for c := range chains {
		fmt.Fprintf(&text, "add chain ip t c%d\n", c)
	}
	const part = 200
	for n := range count {
		if n%part == 0 {
			load(text.String())
			text.Reset()
		}
		fmt.Fprintf(&text, "add rule ip t c%d ip daddr 10.%d.%d.%d tcp dport %d counter dnat to 192.168.%d.%d:8080\n", n*chains/count, n>>16&255, n>>8&255, n&255, 1+n%60000, n>>8&255, n&255)
	}
	load(text.String())
}

// bareDump asks for all rules and throws the answer away.
func bareDump(b *testing.B) {
	b.Helper()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(fd)
	ask := nfnetlink.AppendMessage(nil, unix.NFT_MSG_GETRULE, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, 1, 0, nil)
	if err := unix.Sendto(fd, ask, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 32<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			b.Fatal(err)
		}
		if n >= unix.SizeofNlMsghdr && binary.NativeEndian.Uint16(buf[4:]) == unix.NLMSG_DONE { // which comes by itself
			return
		}
	}
}

// cpu is the processor time that something takes.
func cpu(do func()) time.Duration {
	before := used()
	do()
	return used() - before
}

func used() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
