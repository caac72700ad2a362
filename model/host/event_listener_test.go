package host

import (
	"reflect"
	"testing"

	"nattui/model/facts"
)

// TestEventListeners reads a list as the kernel prints it: only sockets of netfilter that have joined a group of
// conntrack, with what they have missed.
func TestEventListeners(t *testing.T) {
	const text = `sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
0000000000000000 0   0          00000000 0        0        0     2        0        4
0000000000000000 12  4242       00000007 0        0        0     2        31       901
0000000000000000 12  4242000    00000000 0        0        0     2        5        902
0000000000000000 12  77         00000100 0        0        0     2        6        903
0000000000000000 12  3000000001 00000004 0        0        0     2        0        904
0000000000000000 4   4242       00000007 0        0        0     2        8        905
`
	names := map[uint32]string{4242: "conntrackd"}
	got := eventListeners(text, func(port uint32) string { return names[port] })
	want := []facts.EventListener{{Program: "conntrackd", Port: 4242, Lost: 31}, {Port: 3000000001}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
