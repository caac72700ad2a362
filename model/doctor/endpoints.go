package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nattui/rules"
)

// checkEndpoints tells of what other programs publish and nobody answers: containers and pods that are gone or hang, and
// services without any. Each program mends its own rules; that they lead nowhere it may not know.
func checkEndpoints(x *Examination) []Finding {
	return slices.Concat(silentEndpoints(x), emptyServices(x))
}

// silentEndpoints are those that connections of today waited for in vain.
func silentEndpoints(x *Examination) (list []Finding) {
	order := slices.SortedFunc(maps.Keys(x.stats.byServer), func(a, b served) int {
		return cmp.Or(strings.Compare(a.rule.String(), b.rule.String()), a.server.Compare(b.server))
	})
	for _, k := range order {
		t := x.stats.byServer[k]
		r, ok := ruleOf(x.sets, k.rule)
		if !ok || t.unanswered == 0 || len(list) >= alike {
			continue
		}
		owner := cmp.Or(rules.OwnerOf(*r), rules.ChainOwner(k.rule.Chain))
		stopped := t.replied > 0 && t.unansweredSince() == t.unanswered
		if owner == "" || x.toldGone(k) || t.replied > 0 && !stopped || t.examples[0].Proto() != rules.TCP && t.unanswered < 3 {
			continue
		}
		list = append(list, silentEndpoint(x, k, t, owner))
	}
	return list
}

// toldGone tells that the forward to an endpoint is looked at, and no machine has its address.
func (x *Examination) toldGone(k served) bool {
	n, _, known := x.neighbour(k.server)
	return known && !n.Reachable && n.MAC == "" && slices.ContainsFunc(x.forwards, func(f Forward) bool { return f.Rule == k.rule && f.Server.Addr() == k.server })
}

func silentEndpoint(x *Examination, k served, t *tally, owner string) Finding {
	f := &t.examples[0]
	found := Finding{
		Check: "endpoint-silent", Severity: SeverityNote, Subject: ruleName(k.rule),
		Evidence: []string{fmt.Sprintf("%s to %s, none answered, such as %s %s to %s", rules.Plural(t.unanswered, "connection"), f.ServedBy(), f.Proto(), f.Client(), f.AskedFor())},
		Sentence: fmt.Sprintf("%s sends what is for %s to %s, and nobody answers there: %s is gone, hangs, or its own rules drop what comes.", programTitle(owner), f.AskedFor(), f.ServedBy(), endpointOf(owner)),
	}
	if t.replied > 0 {
		found.Evidence = append(found.Evidence, fmt.Sprintf("one before, %s ago, was answered", time.Duration(x.now-t.lastAnswered).Round(time.Second)))
	}
	n, hop, known := x.neighbour(k.server)
	gone := known && !n.Reachable && n.MAC == ""
	if gone {
		found.Evidence = append(found.Evidence, fmt.Sprintf("ip neigh: %s on %s did not answer when last asked", hop, n.Link))
	}
	if gone || t.unanswered > 1 || t.replied > 0 {
		found.Severity = SeverityWarning
	}
	return found
}

// endpointOf is what a program sends to.
func endpointOf(owner string) string {
	switch owner {
	case "docker", "podman", "cni":
		return "the container"
	case "kubernetes", "kube-proxy", "calico", "cilium", "flannel", "ovn", "weave":
		return "the pod"
	}
	return "the server"
}

// programTitle names a program at the beginning of a sentence.
func programTitle(owner string) string {
	switch owner {
	case "docker":
		return "Docker"
	case "kubernetes":
		return "Kubernetes"
	}
	return owner
}

// emptyServices are services of Kubernetes that have no endpoint: kube-proxy refuses what is for them.
func emptyServices(x *Examination) (list []Finding) {
	for at, r := range x.rulesOf("filter") {
		name, empty := emptyService(r)
		if !empty {
			continue
		}
		found := Finding{
			Check: "service-empty", Severity: SeverityNote, Subject: name, Evidence: []string{ruleName(at) + ": " + x.dropperText(at)},
			Sentence: fmt.Sprintf("The service %s has no endpoints: no pod serves it, and whoever asks for it is refused.", name),
		}
		if r.Counters.Known && r.Counters.Packets > 0 {
			found.Severity = SeverityWarning
		}
		if list = append(list, found); len(list) >= alike {
			break
		}
	}
	return list
}

// emptyService is the service that a rule of kube-proxy refuses because it has no endpoints.
func emptyService(r *rules.Rule) (name string, ok bool) {
	if !closes(r) {
		return "", false
	}
	for _, why := range []string{" has no endpoints", " has no local endpoints"} {
		if name, ok = strings.CutSuffix(r.Comment(), why); ok {
			return name, true
		}
	}
	return "", false
}
