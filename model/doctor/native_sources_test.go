package doctor_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/facts"
	"nattui/model/lab"
)

// listing are gateways whose native filters let some through and keep the others out on purpose.
var listing = []struct {
	name, nft string
	ask       []question
}{
	{"clients by a set", `table inet fw { set friends { type ipv4_addr; flags interval; elements = { 203.0.113.8/29 } }
		chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; iifname "lan0" accept; ip saddr @friends ct status dnat accept; }; }`, []question{{client, web}}},
	{"clients by their addresses", `table inet fw {
		chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; iifname "lan0" accept; ip saddr { 203.0.113.10, 203.0.113.11 } tcp dport 8080 accept; }; }`, []question{{client, web}}},
	{"all but some clients dropped by a rule", `table ip fw {
		chain forward { type filter hook forward priority filter; policy accept; iifname "wan0" ct state new ip saddr != 203.0.113.10 reject; }; }`, []question{{client, web}}},
	{"clients by address and port together", `table inet fw { set friends { type ipv4_addr . inet_service; elements = { 203.0.113.10 . 8080 } }
		chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; iifname "lan0" accept; ip saddr . tcp dport @friends accept; }; }`, []question{{client, web}}},
	{"clients before the translation", `table ip fw { set friends { type ipv4_addr; elements = { 203.0.113.10 } }
		chain pre { type filter hook prerouting priority raw; iifname "wan0" ip saddr != @friends tcp dport 80 drop; }; }`, []question{{client, web}}},
	{"a list of reserved networks", `table ip fw { set bogons { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.0/25, 198.51.100.128/25, 203.0.113.128/25, 198.18.0.0/15 } }
		chain forward { type filter hook forward priority filter; policy accept; iifname "wan0" ct state new ip saddr @bogons drop; }; }`, []question{{client, web}}},
	{"machines inside", `table inet fw { set out { type ipv4_addr; elements = { 192.168.0.3 } }
		chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; ct status dnat accept; ip saddr @out accept; }; }`, []question{{client, web}, {server3, "198.51.100.7:80"}}},
	{"a service for the inside", `table inet fw {
		chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; ct status dnat accept; iifname "lan0" tcp dport { 80, 8000 } accept; }; }`, []question{{client, web}, {server3, "198.51.100.7:80"}}},
}

// TestNativeListsAreNoFaults holds that whoever is let in by a native list, and not everybody, is no problem.
func TestNativeListsAreNoFaults(t *testing.T) {
	for _, h := range listing {
		for _, how := range []string{"read", "unread"} {
			t.Run(h.name+" "+how, func(t *testing.T) {
				t.Parallel()
				if lab.Isolate(t) {
					return
				}
				w := newWard(t)
				w.unread = how == "unread"
				w.base()
				w.nft(h.nft)
				for _, f := range doctor.Examine(w.look()) { // before anybody has come
					if f.IsProblem() {
						t.Errorf("untried: %s", text([]doctor.Finding{f}))
					}
				}
				w.provenSilent(h.ask)
			})
		}
	}
}

// TestNativeCommandsOpenOneWay holds that what is advised for a native filter lets the service through, and nobody
// whom rules before it keep out, nor what was not translated.
func TestNativeCommandsOpenOneWay(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	w.base()
	w.nft(`table inet fw { set bad { type ipv4_addr; elements = { 198.51.100.7 } }
		chain checks { ip saddr @bad drop; }
		chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; iifname "lan0" accept; jump checks; }; }`)
	w.settle()
	if w.answers(w.Client, netip.Addr{}, web) {
		t.Fatal("the gateway is not broken")
	}
	found := doctor.Examine(w.look())
	i := slices.IndexFunc(found, func(f doctor.Finding) bool { return f.Check == "native-drop" && f.IsProblem() })
	if i < 0 || len(found[i].Commands) == 0 {
		t.Fatalf("no command is advised:\n%s", text(found))
	}
	for _, c := range found[i].Commands {
		w.exec(c...)
	}
	if !w.answers(w.Client, netip.Addr{}, web) {
		t.Errorf("it is still not let through after\n%s", text(found[i:i+1]))
	}
	if w.answers(w.Client, lab.WorldIPv4, web) {
		t.Errorf("whom a list keeps out is let in by\n%s", text(found[i:i+1]))
	}
	w.run(w.Client, "ip", "route", "replace", "192.168.0.0/24", "via", "203.0.113.1")
	if w.answers(w.Client, netip.Addr{}, "192.168.0.2:8080") {
		t.Errorf("what was not translated is let in by\n%s", text(found[i:i+1]))
	}
}

// TestAnEmptyNativeListIsToBeFilled holds that where a list lets nobody in, no command lets in everybody.
func TestAnEmptyNativeListIsToBeFilled(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	w.base()
	w.nft(`table inet fw { set friends { type ipv4_addr; }
		chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; iifname "lan0" accept; ip saddr @friends tcp dport 8080 accept; }; }`)
	w.settle()
	found := doctor.Examine(w.look())
	i := slices.IndexFunc(found, func(f doctor.Finding) bool { return f.Check == "native-drop" && f.IsProblem() })
	if i < 0 {
		t.Fatalf("nobody gets in, and that is not told:\n%s", text(found))
	}
	if len(found[i].CureCommands()) > 0 || !strings.Contains(found[i].Sentence, "@friends") {
		t.Errorf("got %s", text(found[i:i+1]))
	}
}

// TestAnAddressBeingChecked holds that what is for an address of this host's which the kernel has not taken into use yet is
// no fault of the filter that it would meet on its way elsewhere.
func TestAnAddressBeingChecked(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	w.base()
	w.nft(`table inet fw { chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; iifname "lan0" accept; ct status dnat accept; }; }`)
	for _, link := range []string{"wan0", "lan0"} {
		w.exec("sysctl", "-qw", "net.ipv6.conf."+link+".accept_dad=1", "net.ipv6.conf."+link+".dad_transmits=600")
	}
	for _, c := range [][]string{{"2001:db8:1::1/64", "wan0"}, {"2001:db8:2::1/64", "lan0"}} {
		w.exec("ip", "address", "del", c[0], "dev", c[1])
		w.exec("ip", "address", "add", c[0], "dev", c[1])
	}
	look := w.look()
	found := doctor.Examine(look)
	if !slices.ContainsFunc(look.Facts.Addresses, func(a facts.Address) bool { return a.Tentative && a.Scope == facts.ScopeGlobal }) {
		t.Fatal("no address is being checked")
	}
	for i := range look.Facts.Addresses { // as the kernel says of those that it does not check, before it has routed them
		look.Facts.Addresses[i].Tentative = false
	}
	for _, f := range append(found, doctor.Examine(look)...) {
		if f.IsProblem() {
			t.Errorf("%s", text([]doctor.Finding{f}))
		}
	}
}
