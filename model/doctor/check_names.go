package doctor

import (
	"slices"
	"strings"
)

// checkNames are the names of all checks, so that one that does not exist is told from one that has found nothing.
var checkNames = []string{
	"accounting-off", "address-unclaimed", "answer-leaves", "answer-leaves-elsewhere", "answer-lost", "answer-no-route", "answers-dropped",
	"answers-elsewhere", "arp-dropped", "boot-drift", "both-backends", "bridge-dropped", "bridge-hairpin", "bridge-netfilter", "bridge-netfilter-off",
	"cgnat", "chain-unreached", "conntrackd-sync", "deaf-to-routers", "discovery-dropped", "dnat-too-wide", "dormant-table",
	"dropped-before-translation", "dropped-early", "duplicate-rule", "endpoint-silent", "established-dropped", "established-elsewhere", "events-off",
	"filter-before-nat", "filter-drops", "forward-dropped", "forwarding-off", "gone-address", "hairpin", "helper-missing", "idle-translator",
	"input-dropped", "interface-missing", "invalid-packets", "ipsec-translated", "keepalived-state", "let-through", "link-down", "listener-on-loopback",
	"loopback-leaves", "loopback-published", "lost-at-reload", "mark-too-late", "masquerade-source", "masquerade-too-wide", "mss-clamp",
	"nat-chain-drops", "native-drop", "native-nat", "never-first", "never-matched", "no-answer", "no-default-route", "no-route", "no-route-found",
	"no-route-out", "no-trace", "nobody-listens", "not-at-boot", "not-examined", "not-forwarded", "not-from-here", "not-known", "not-restored",
	"not-saved", "not-shared", "not-shown", "not-tracking", "not-translated", "nothing-tracked", "old-address", "one-family", "output-dropped",
	"packet-ends", "policy-routing", "port-pool", "protocol-not-translated", "proxy-loop", "proxy-not-routed", "published-past-input", "queue-unheard",
	"read-only-table", "redirect-too-wide", "return-path", "reverse-path-drops", "route-localnet", "rp-filter", "rule", "rule-after-all", "rule-unfit",
	"rule-unread", "rules-alone", "sampled", "saved-foreign-rules", "served", "server-loop", "server-refuses", "server-silent", "server-stopped",
	"service-closed", "service-empty", "shadowed-rule", "snat-foreign-address", "snat-ports", "source-of-other-uplink", "stale-flows", "table-filling",
	"table-full", "tables-unread", "taken-first", "timestamps-off", "too-big-dropped", "translated-otherwise", "ttl-expires", "untracked", "vrf",
	"wrong-interface",
}

// CheckNames are the names that findings may have as their check, those of programs (managed-by-docker) left out.
func CheckNames() []string {
	names := slices.Clone(checkNames)
	for _, s := range steps {
		if !slices.Contains(names, s.name) {
			names = append(names, s.name)
		}
	}
	return names
}

// IsCheck tells that a finding may have this name as its check.
func IsCheck(name string) bool {
	return slices.Contains(CheckNames(), name) || strings.HasPrefix(name, "managed-by-")
}
