package main

import (
	"os/exec"
	"strings"
	"testing"

	"nattui/model/lab"
)

// nativeGateway is a table that nobody owns, with a map.
const nativeGateway = `table ip gw {
	map forwards {
		type inet_service : ipv4_addr . inet_service
		elements = { 80 : 192.0.2.2 . 8080, 443 : 192.0.2.3 . 443 }
	}
	chain pre {
		type nat hook prerouting priority dstnat; policy accept;
		tcp dport 22 counter packets 7 bytes 420 dnat to 192.0.2.9
		dnat ip to tcp dport map @forwards
	}
}
table inet fw4 {
	chain dstnat {
		type nat hook prerouting priority -90; policy accept;
		tcp dport 99 redirect to :98
	}
}
`

// The whole program on a native gateway: rules and elements are deleted, moved, parked and edited by the keys of Rules, each
// is undone, and the kernel has it.
func TestNativeRulesOnTheScreens(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	path := ownProgram(t)
	load := exec.Command(lab.Program(t, "nft"), "-f", "-")
	load.Stdin = strings.NewReader(nativeGateway)
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	has := func(words ...string) {
		t.Helper()
		out, err := exec.Command("nft", "list", "table", "ip", "gw").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		rest := string(out)
		for _, w := range words {
			_, after, ok := strings.Cut(rest, w)
			if !ok {
				t.Fatalf("%q is not there in this order:\n%s", w, out)
			}
			rest = after
		}
	}
	w := watch(t, sit(t, path), 80, 24)
	w.sees("table ip gw")
	rule, forwards := "tcp dport 22 counter packets 7 bytes 420 dnat", "dnat ip to tcp dport map @forwards"

	w.press("d")
	w.sees("Delete rule 1 of ip gw pre?")
	w.agrees("y", "rule deleted from ip gw pre")
	has("chain pre", "priority dstnat; policy accept;\n\t\t"+forwards)
	w.press("u")
	w.sees("undone")
	has(rule, forwards)

	w.press("J")
	w.sees("rule moved within ip gw pre")
	has(forwards, rule)
	w.press("u")
	w.sees("undone")
	has(rule, forwards)

	w.press("p")
	w.sees("parked: tcp dport 22")
	has("policy accept;\n\t\t" + forwards)
	w.press("p")
	w.sees("rule restored to ip gw pre")
	w.sees("tcp :22") // the rows are those of now: nobody edits a parked one
	has(rule, forwards)

	w.press("g")
	w.press("e")
	w.sees("Edit rule 1 of ip gw pre")
	w.press(strings.Repeat("\r", 7) + "192.0.2.7:2222")
	w.sees("192.0.2.7:2222")
	w.press("\x13")
	w.sees("enter applies it")
	w.agrees("\r", "rule of ip gw pre changed")
	has(rule+" to 192.0.2.7:2222", forwards)
	w.press("u")
	w.sees("undone")
	has(rule+" to 192.0.2.9", forwards)

	w.press("j")
	w.press("e")
	w.sees("replace rule ip gw pre handle")
	w.press(" comment \"web\"")
	w.sees("enter applies 2 changes")
	w.agrees("\r", "rule of ip gw pre changed")
	has(rule, forwards+` comment "web"`)
	w.press("u")
	w.sees("undone")

	w.press("\r")
	w.sees("192.0.2.2:8080")
	w.press("j")
	w.sees("element forwards { 80 :")
	w.press("d")
	w.sees("Delete 80 from ip gw forwards?")
	w.agrees("y", "element deleted from ip gw forwards")
	has("elements = { 443 : 192.0.2.3 . 443 }")
	w.press("u")
	w.sees("undone")
	has("80 : 192.0.2.2 . 8080", "443 : 192.0.2.3 . 443")

	w.press("G")
	w.sees("fw4's, by its name")
	w.press("d")
	w.sees("table inet fw4 belongs to fw4")
	w.end()
}
