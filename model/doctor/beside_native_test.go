package doctor_test

import (
	"slices"
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
	"nattui/rules"
)

// TestDuplicateBesideNative: of two equal rules of iptables the later one can be deleted although a native table translates
// too, and it is the later one that the command deletes.
func TestDuplicateBesideNative(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	w.base()
	w.iptables("iptables", "-t", "nat", "-F", "POSTROUTING")
	for range 2 {
		w.iptables("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "192.168.0.0/24", "-o", "wan0", "-j", "MASQUERADE")
	}
	w.nft(`table inet mine { chain post { type nat hook postrouting priority srcnat + 10; oifname "wan9" masquerade; }; }`)
	w.settle()
	found := doctor.Examine(w.look())
	i := slices.IndexFunc(found, func(f doctor.Finding) bool { return f.Check == "duplicate-rule" })
	if i < 0 || len(found[i].Cure.Steps) == 0 || strings.Contains(found[i].Sentence, "native nft") {
		t.Fatalf("no deletion is offered:\n%s", text(found))
	}
	if got := rules.ShellLine(found[i].CureCommands()[0]); got != "iptables -t nat -D POSTROUTING 2" {
		t.Errorf("it deletes by %q, which takes another rule than the later one", got)
	}
}
