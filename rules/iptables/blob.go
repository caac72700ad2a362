package iptables

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"nattui/rules"
	"nattui/rules/nfnetlink"
	"nattui/rules/textfile"
)

// This file reads the legacy backend's tables as the kernel keeps them: one
// blob of entries per table (linux/netfilter_ipv4/ip_tables.h,
// netfilter_ipv6/ip6_tables.h). It is not decoded into rules, which only
// iptables can do for every extension; it tells cheaply whether anything changed,
// and the counters.

// layout says where a family's struct ipt_entry or ip6t_entry has its parts.
type layout struct {
	domain, level int
	targetOffset  int // __u16 target_offset, followed by __u16 next_offset
	counters      int // struct xt_counters: packets, bytes
}

// layoutOf follows the C layout, in which a __u64 is aligned to 8 bytes on all
// architectures but the 32-bit x86.
func layoutOf(family rules.Family) layout {
	if family == rules.IPv6 {
		return layout{unix.AF_INET6, unix.SOL_IPV6, 140, alignU64(148)}
	}
	return layout{unix.AF_INET, unix.SOL_IP, 88, alignU64(96)}
}

func alignU64(n int) int {
	if runtime.GOARCH == "386" {
		return (n + 3) &^ 3
	}
	return (n + 7) &^ 7
}

const (
	soGetInfo    = 64 // IPT_SO_GET_INFO, IP6T_SO_GET_INFO
	soGetEntries = 65 // IPT_SO_GET_ENTRIES, IP6T_SO_GET_ENTRIES
	tableNameLen = 32 // XT_TABLE_MAXNAMELEN
	infoSize     = tableNameLen + 4 + 5*4 + 5*4 + 4 + 4
	targetHeader = 32 // struct xt_entry_target: __u16 size, name[29], __u8 revision
	errorName    = 30 // XT_FUNCTION_MAXNAMELEN
)

// hookNames are the built-in chains in the order of the kernel's hook numbers.
var hookNames = [5]string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}

// blob is one legacy table as a kernel gave it: its numbers are in the order of that machine.
type blob struct {
	layout
	order     binary.ByteOrder
	hooks     uint32 // bit set of the hooks it has
	entry     [5]uint32
	underflow [5]uint32
	entries   []byte
	room      []byte // what entries are a part of
}

// loadedTables lists the legacy tables that exist in the network namespace.
// Asking for any other table would load it. The error is os.ErrNotExist where
// the module is not loaded, and wraps ErrPermission where it may not be known.
func loadedTables(family rules.Family) ([]string, error) {
	path := "/proc/thread-self/net/ip_tables_names"
	if family == rules.IPv6 {
		path = "/proc/thread-self/net/ip6_tables_names"
	}
	text, err := textfile.ReadKernel(path)
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, errUnseen
	case err != nil:
		return nil, err
	}
	return strings.Fields(string(text)), nil
}

// askLegacy finds out whether this process may read a loaded table.
func askLegacy(family rules.Family, table string) error {
	at := layoutOf(family)
	fd, err := unix.Socket(at.domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return socketError(table, err)
	}
	defer unix.Close(fd)
	var info [infoSize]byte
	copy(info[:tableNameLen-1], table)
	if err := getsockopt(fd, at.level, soGetInfo, info[:]); err != nil {
		return socketError(table, err)
	}
	return nil
}

// readBlob fetches a loaded table, into buf if that is large enough. It asks
// again when the table grew between its two questions.
func readBlob(family rules.Family, table string, buf []byte) (*blob, error) {
	b := &blob{layout: layoutOf(family), order: binary.NativeEndian}
	fd, err := unix.Socket(b.domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, socketError(table, err)
	}
	defer unix.Close(fd)
	header := alignU64(tableNameLen + 4)
	for {
		var info [infoSize]byte
		copy(info[:tableNameLen-1], table)
		if err := getsockopt(fd, b.level, soGetInfo, info[:]); err != nil {
			return nil, socketError(table, err)
		}
		word := func(i int) uint32 { return b.order.Uint32(info[tableNameLen+4*i:]) }
		b.hooks = word(0)
		for i := range b.entry {
			b.entry[i], b.underflow[i] = word(1+i), word(6+i)
		}
		size := int(word(12))
		if cap(buf) < header+size {
			buf = make([]byte, header+size)
		}
		buf = buf[:header+size]
		clear(buf[:header])
		copy(buf[:tableNameLen-1], table)
		b.order.PutUint32(buf[tableNameLen:], uint32(size))
		err := getsockopt(fd, b.level, soGetEntries, buf)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINVAL) && size != b.sizeNow(fd, table) {
			continue
		}
		if err != nil {
			return nil, socketError(table, err)
		}
		b.entries, b.room = buf[header:], buf
		return b, nil
	}
}

// sizeNow asks for the size of a table, -1 if that fails.
func (b *blob) sizeNow(fd int, table string) int {
	var info [infoSize]byte
	copy(info[:tableNameLen-1], table)
	if getsockopt(fd, b.level, soGetInfo, info[:]) != nil {
		return -1
	}
	return int(b.order.Uint32(info[infoSize-4:]))
}

func socketError(table string, err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return nfnetlink.Permission("reading the legacy tables")
	}
	return fmt.Errorf("ask the kernel for the legacy table %s: %w", table, err)
}

func getsockopt(fd, level, option int, value []byte) error {
	size := uint32(len(value))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&value[0])), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// next returns the end of the entry that begins at i; false where the blob ends
// or is invalid.
func (b *blob) next(i int) (int, bool) {
	if i+b.counters+16 > len(b.entries) {
		return 0, false
	}
	end := i + int(b.order.Uint16(b.entries[i+b.targetOffset+2:]))
	return end, end > i+b.counters && end <= len(b.entries)
}

// addTo hashes everything but the counters.
func (b *blob) addTo(h *maphash.Hash) {
	for i := 0; ; {
		end, ok := b.next(i)
		if !ok {
			return
		}
		h.Write(b.entries[i : i+b.counters])
		h.Write(b.entries[i+b.counters+16 : end])
		i = end
	}
}

// countersAt reads the counters of the entry that begins at i.
func (b *blob) countersAt(i int) rules.Counters {
	at := b.entries[i+b.counters:]
	return rules.Counters{Packets: b.order.Uint64(at), Bytes: b.order.Uint64(at[8:]), Known: true}
}

// errorTarget returns the name in an entry's ERROR target, by which the kernel
// marks where a person's chain begins, and where the table ends ("ERROR").
func (b *blob) errorTarget(i, end int) (name string, ok bool) {
	at := i + int(b.order.Uint16(b.entries[i+b.targetOffset:]))
	if at+targetHeader+errorName > end || unix.ByteSliceToString(b.entries[at+2:at+targetHeader-1]) != "ERROR" {
		return "", false
	}
	return unix.ByteSliceToString(b.entries[at+targetHeader : at+targetHeader+errorName]), true
}

// chainCounters are the counters of one chain, in the order of its rules.
type chainCounters struct {
	policy    rules.Counters
	hasPolicy bool
	rules     []rules.Counters
}

// chains returns the counters of every chain. Each built-in chain ends with its
// policy, each other one with an invisible RETURN.
func (b *blob) chains() map[string]*chainCounters {
	all := map[string]*chainCounters{}
	var current *chainCounters
	last := -1 // the policy of the current chain, where that is known beforehand
	closeChain := func() {
		if current != nil && last < 0 && len(current.rules) > 0 {
			current.rules = current.rules[:len(current.rules)-1] // the RETURN
		}
		current = nil
	}
	for i := 0; ; {
		end, ok := b.next(i)
		if !ok {
			closeChain()
			return all
		}
		for hook, name := range hookNames {
			if b.hooks&(1<<hook) != 0 && int(b.entry[hook]) == i {
				closeChain()
				current, last = &chainCounters{hasPolicy: true}, int(b.underflow[hook])
				all[name] = current
			}
		}
		name, marks := b.errorTarget(i, end)
		switch {
		case marks && name == "ERROR" && end == len(b.entries):
			closeChain()
		case marks:
			closeChain()
			current, last = &chainCounters{}, -1
			all[name] = current
		case current != nil && i == last:
			current.policy = b.countersAt(i)
			current = nil
		case current != nil:
			current.rules = append(current.rules, b.countersAt(i))
		}
		i = end
	}
}

// spare is the room that a table was read into last: the next one is as large, mostly.
var spare sync.Pool

// eachBlob reads tables one after the other. What look is given is valid until it returns.
func eachBlob(family rules.Family, names []string, look func(name string, b *blob)) error {
	buf, _ := spare.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer spare.Put(buf)
	for _, name := range names {
		b, err := readBlob(family, name, *buf)
		if err != nil {
			return err
		}
		look(name, b)
		if room := b.room; cap(room) > cap(*buf) {
			*buf = room
		}
	}
	return nil
}

var fingerprintSeed = maphash.MakeSeed()

// rulePrint sums up rules, not counters, to a number that is comparable within this
// process only.
type rulePrint struct{ h maphash.Hash }

func newPrint() *rulePrint {
	var p rulePrint
	p.h.SetSeed(fingerprintSeed)
	return &p
}

func (p *rulePrint) add(table string, b *blob) {
	p.h.WriteString(table)
	b.addTo(&p.h)
}

func (p *rulePrint) sum() uint64 { return p.h.Sum64() }

// fingerprint is a number that changes when any rule of the family's legacy
// tables does, and not when counters do; 0 where no table was ever loaded.
func fingerprint(family rules.Family) (uint64, error) {
	names, err := loadedTables(family)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	p := newPrint()
	err = eachBlob(family, names, func(name string, b *blob) { p.add(name, b) })
	if err != nil {
		return 0, err
	}
	return p.sum(), nil
}
