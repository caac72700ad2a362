package host

import (
	"os"
	"strconv"
	"strings"

	"nattui/model/facts"
)

// Drops reads what the kernel itself has lost in the calling thread's network namespace.
func Drops() facts.KernelDrops {
	netstat, err := os.ReadFile("/proc/thread-self/net/netstat")
	if err != nil {
		return facts.KernelDrops{}
	}
	snmp, _ := os.ReadFile("/proc/thread-self/net/snmp")
	c := counters(string(netstat) + string(snmp))
	return facts.KernelDrops{
		Known: true, InNoRoute: c["IpExt:InNoRoutes"], OutNoRoute: c["Ip:OutNoRoutes"],
		ReversePath: c["TcpExt:IPReversePathFilter"],
	}
}

// counters reads lines in pairs: names, then their values, both after a prefix (proc_net_netstat(5)).
func counters(text string) map[string]uint64 {
	found := map[string]uint64{}
	var names []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if names == nil || names[0] != words[0] {
			names = words
			continue
		}
		for i := 1; i < min(len(names), len(words)); i++ {
			found[names[0]+names[i]], _ = strconv.ParseUint(words[i], 10, 64)
		}
		names = nil
	}
	return found
}
