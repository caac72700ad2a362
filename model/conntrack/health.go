package conntrack

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nattui/model/facts"
	"nattui/rules/textfile"
)

// Health measures the table as a whole. It takes some file reads and two
// questions to the kernel, and has no error: what cannot be found out is unknown in the result.
func (t *Table) Health() facts.Health {
	h := facts.Health{
		At:    now(),
		Count: number("nf_conntrack_count"), Max: number("nf_conntrack_max"), Buckets: number("nf_conntrack_buckets"),
		Accounting: setting("nf_conntrack_acct"), Timestamps: setting("nf_conntrack_timestamp"), Events: setting("nf_conntrack_events"),
	}
	h.Stats, h.HasStats = t.stats()
	h.Tracking = tracking(h.Count > 0 || h.Stats != facts.TableStats{})
	return h
}

func number(name string) int {
	if n, ok := sysctl(name); ok {
		return n
	}
	return -1
}

func setting(name string) facts.Setting {
	switch number(name) {
	case 0:
		return facts.SettingOff
	case 1:
		return facts.SettingOn
	case 2:
		return facts.SettingAuto
	}
	return facts.SettingUnknown
}

// stats sums what the processors have counted. Two of the sums are not in ti-mo's
// statistics and come from /proc.
func (t *Table) stats() (sum facts.TableStats, ok bool) {
	each, err := t.request.Stats()
	if err != nil {
		return sum, false
	}
	for _, s := range each {
		sum.Found += uint64(s.Found)
		sum.Invalid += uint64(s.Invalid)
		sum.Insert += uint64(s.Insert)
		sum.InsertFailed += uint64(s.InsertFailed)
		sum.Drop += uint64(s.Drop)
		sum.EarlyDrop += uint64(s.EarlyDrop)
		sum.Error += uint64(s.Error)
		sum.SearchRestart += uint64(s.SearchRestart)
	}
	table, _ := textfile.ReadKernel("/proc/net/stat/nf_conntrack")
	columns := procColumns(string(table))
	sum.ClashResolve, sum.ChainTooLong = columns["clashres"], columns["chainlength"]
	return sum, true
}

// procColumns sums the columns of a table of hexadecimal numbers under a line of names.
func procColumns(text string) map[string]uint64 {
	sums := map[string]uint64{}
	var names []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if names == nil {
			names = fields
			continue
		}
		for i, field := range fields {
			if n, err := strconv.ParseUint(field, 16, 64); err == nil && i < len(names) {
				sums[names[i]] += n
			}
		}
	}
	return sums
}

// Message and attribute of include/uapi/linux/netfilter/nfnetlink_hook.h, Linux 5.14.
const (
	hookGet          = 12 << 8 // NFNL_SUBSYS_HOOK, NFNL_MSG_HOOK_GET
	hookNumber       = 1       // NFNLA_HOOK_HOOKNUM
	hookFunctionName = 4       // NFNLA_HOOK_FUNCTION_NAME
)

// tracking tells whether this namespace tracks connections: whether the function that does is
// hooked into PREROUTING of either family. Where the kernel does not tell its
// hooks, traces of flows are the proof, and their absence proves nothing.
func tracking(traces bool) facts.Setting {
	if traces {
		return facts.SettingOn
	}
	for _, family := range []uint8{unix.NFPROTO_IPV4, unix.NFPROTO_IPV6} {
		hooks, err := preroutingHooks(family)
		if err != nil {
			return facts.SettingUnknown
		}
		for _, name := range hooks {
			if name == "ipv4_conntrack_in" || name == "ipv6_conntrack_in" {
				return facts.SettingOn
			}
		}
	}
	return facts.SettingOff
}

// preroutingHooks are the names of the functions that see a packet when it arrives.
func preroutingHooks(family uint8) (names []string, err error) {
	s, err := openSocket(1, dumpRoom)
	if err != nil {
		return nil, err
	}
	defer s.close()
	question := request(nil, hookGet, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, 1, family)
	question = appendAttribute(question, hookNumber, []byte{0, 0, 0, 0}) // NF_INET_PRE_ROUTING
	binary.NativeEndian.PutUint32(question, uint32(len(question)))
	if err := s.send(question); err != nil {
		return nil, err
	}
	for {
		n, err := s.poll() // the kernel has answered within send
		if err != nil || n == 0 {
			return names, err
		}
		b, _ := s.datagram(0)
		for len(b) > 0 {
			m, rest, ok := nextMessage(b)
			if !ok {
				break
			}
			b = rest
			switch m.kind {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				if errno := m.errno(); errno != 0 && errno != unix.ENOENT {
					return names, errno
				}
				return names, nil
			case hookGet:
				for a := (attributes{rest: m.body[min(len(m.body), sizeofNfgenmsg):]}); a.next(); {
					if a.kind == hookFunctionName {
						names = append(names, string(bytes.TrimRight(a.value, "\x00")))
					}
				}
			}
		}
	}
}
