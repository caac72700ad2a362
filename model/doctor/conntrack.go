package doctor

import (
	"fmt"
	"slices"
	"strings"

	"nattui/model/flow"
)

// checkConntrack tells how the connection table is.
func checkConntrack(x *Examination) (list []Finding) {
	if x.Health.Max == 0 && x.Health.Count == 0 && !x.Health.HasStats {
		return list
	}
	for _, n := range x.Health.Notes(&x.Earlier, &x.Earlier) {
		if n.Name == "nothing-tracked" && x.Flows != nil && x.Flows.Len() > 0 {
			continue // they came after the table's size was read
		}
		found := Finding{Check: n.Name, Subject: "conntrack", Sentence: n.Sentence, Evidence: tableEvidence(x, n.Name)}
		found.Severity = SeverityNote + Severity(slices.Index([]string{"note", "warning", "error"}, n.Severity))
		if n.Name == "nothing-tracked" {
			tellDropped(x, &found)
		}
		for _, command := range n.Cure {
			curedBy(x, &found, command)
		}
		if n.Name == "table-full" || n.Name == "table-filling" {
			largerBuckets(x, &found)
			found.Evidence = append(found.Evidence, talkers(x)...)
		}
		list = append(list, found)
	}
	return list
}

// tellDropped tells why nothing is tracked although packets came: what is dropped at its first packet never is.
func tellDropped(x *Examination, found *Finding) {
	for _, p := range x.variants() {
		for _, d := range x.dropsOf(p) {
			found.Evidence = append(found.Evidence, d.text)
		}
	}
	if len(found.Evidence) > 0 {
		found.Sentence = "Nothing is tracked: packets came, and a connection whose first packet is dropped is not tracked."
	}
}

// tableEvidence are the figures that a note on the connection table rests on.
func tableEvidence(x *Examination, check string) []string {
	h := &x.Health
	switch check {
	case "accounting-off", "timestamps-off", "events-off", "not-tracking", "nothing-tracked":
		return nil
	}
	evidence := []string{fmt.Sprintf("nf_conntrack_count = %d, nf_conntrack_max = %d", h.Count, h.Max)}
	if h.HasStats {
		evidence = append(evidence, fmt.Sprintf("drop = %d, early_drop = %d, insert_failed = %d", h.Stats.Drop, h.Stats.EarlyDrop, h.Stats.InsertFailed))
	}
	return evidence
}

// curedBy makes a step of a command that sets a setting.
func curedBy(x *Examination, f *Finding, command string) {
	name, value, ok := strings.Cut(strings.TrimPrefix(command, "sysctl -w "), "=")
	if !ok {
		return
	}
	old := ""
	s := &x.Settings
	if slices.Contains(s.Fixed, name) {
		f.Sentence += " It is one for the whole host: it is changed outside of this network namespace."
		f.Commands = append(f.Commands, []string{"nsenter", "-t", "1", "-n", "sysctl", "-w", name + "=" + value})
		return
	}
	switch {
	case strings.HasSuffix(name, "_max") && s.ConntrackMax >= 0:
		old = fmt.Sprint(s.ConntrackMax)
	case strings.HasSuffix(name, "_buckets") && s.ConntrackBuckets >= 0:
		old = fmt.Sprint(s.ConntrackBuckets)
	case strings.HasSuffix(name, "_acct"), strings.HasSuffix(name, "_timestamp"), strings.HasSuffix(name, "_events"):
		old = "0"
	}
	f.Cure.Title = "Set " + name + " to " + value
	f.Cure.Steps = append(f.Cure.Steps, setting(name, old, value, f.Sentence))
}

// largerBuckets keeps a larger table as quick: two flows a bucket are usual.
func largerBuckets(x *Examination, f *Finding) {
	h := &x.Health
	if h.Buckets <= 0 || h.Max <= h.Buckets || slices.Contains(x.Settings.Fixed, settingBuckets) {
		return
	}
	f.Cure.Steps = append(f.Cure.Steps, setting("net.netfilter.nf_conntrack_buckets", fmt.Sprint(h.Buckets), fmt.Sprint(h.Max), "a larger table needs more hash buckets to stay quick"))
}

// talkers are the clients with the most flows.
func talkers(x *Examination) []string {
	if x.Flows == nil {
		return nil
	}
	counts := map[[16]byte]int{}
	names := map[[16]byte]string{}
	seen := 0
	x.Flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
		if counts[f.Orig.Src]++; counts[f.Orig.Src] == 1 {
			names[f.Orig.Src] = f.Client().Addr().String()
		}
		seen++
		return seen < statsLimit
	})
	best, most := "", 0
	for a, n := range counts {
		if n > most || n == most && names[a] < best {
			best, most = names[a], n
		}
	}
	if most*4 < seen || most == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s has %d of them", best, most)}
}
