package doctor_test

import (
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
	"nattui/rules"
)

// TestOwnTableIsTheAdministrators holds that forwards in the table that nattui keeps are listed and examined as those in
// any other of the administrator's tables.
func TestOwnTableIsTheAdministrators(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	w.sysctl("net/ipv4/ip_forward", "1")
	said := map[string]string{}
	for _, name := range []string{"nattui", "gateway"} {
		w.nft(`table inet ` + name + ` { chain prerouting { type nat hook prerouting priority dstnat; ip daddr 203.0.113.1 tcp dport 8080 dnat ip to 192.168.0.99:80; }; }`)
		w.settle()
		g := w.look()
		list := doctor.Forwards(g)
		if len(list) != 1 || list[0].Owner != "" || list[0].Rule.Backend != rules.Native || !strings.Contains(list[0].String(), "192.168.0.99:80") {
			t.Errorf("in table inet %s there are forwards %+v", name, list)
		}
		said[name] = strings.ReplaceAll(text(doctor.Examine(g)), "inet "+name, "inet NAME")
		w.run(w.Gateway, "nft", "delete", "table", "inet", name)
	}
	if said["nattui"] != said["gateway"] {
		t.Errorf("of table inet nattui it says\n%s\nof another one\n%s", said["nattui"], said["gateway"])
	}
}
