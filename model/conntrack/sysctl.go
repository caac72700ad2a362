package conntrack

import (
	"strconv"
	"strings"

	"nattui/rules/textfile"
)

// sysctlDir has the settings of connection tracking of this network namespace
// (Documentation/networking/nf_conntrack-sysctl.rst).
const sysctlDir = "/proc/sys/net/netfilter/"

// sysctl is a setting, false if the kernel has none of that name.
func sysctl(name string) (int, bool) {
	b, err := textfile.ReadKernel(sysctlDir + name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	return n, err == nil
}

// count is how many flows the table has now, 0 if that is unknown.
func (t *Table) count() int {
	n, _ := sysctl("nf_conntrack_count")
	return n
}

// noteSysctls looks whether events are switched off.
func (t *Table) noteSysctls() {
	on, ok := sysctl("nf_conntrack_events")
	t.state.eventsOff.Store(ok && on == 0)
}
