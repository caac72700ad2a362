package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// entry is a word of the command line's with what it means.
type entry struct{ name, meaning string }

// exitEntries are the exit statuses.
var exitEntries = []entry{
	{"0", "done"},
	{"1", "failed"},
	{"2", "wrong usage"},
	{"3", "conflict: the rule or chain is not, or no longer, what the command expected"},
	{"4", "not permitted"},
	{"10", "doctor or health found problems"},
	{"11", "apply --check or restore --check: something would be changed"},
}

// ruleEntries are the fields of a rule as JSON.
var ruleEntries = []entry{
	{"family, backend", "ipv4 or ipv6, of a native rule the family of its table (ip, ip6, inet and so on); nft, legacy or native; unknown where a text of iptables-save does not tell it"},
	{"table, chain, position", "its position; positions count from 1"},
	{"target, to", "the target after -j; the new address and port"},
	{"packets, bytes", "its counters"},
	{"spec", "the line exactly as iptables-save prints it, without counters"},
	{"owner", "the program that made it, such as docker; empty for the administrator's own"},
	{"sentence", "the rule in words"},
	{"parked", "the number of the change that parked it, of a rule that is not in the kernel now; it has no position"},
	{"handle, hook, priority", "of a native rule: its handle; of a base chain the hook and priority"},
	{"order_unknown", "true where another base chain of type nat has the same priority: which comes first is not known"},
	{"map, element", "of an element of the map that tells a native rule where to translate to: the map's name, and the element"},
}

// flowEntries are the fields of a flow as JSON.
var flowEntries = []entry{
	{"proto, state", "tcp, udp, icmp …; the state as conntrack names it, absent where the protocol has none"},
	{"nat", "none, snat, dnat or both"},
	{"orig, reply", "the two directions, each with src, sport, dst, dport, packets, bytes; ICMP has type, code and icmp_id in place of ports, GRE srckey and dstkey"},
	{"timeout", "seconds left"},
	{"mark, zone, id", "as the kernel keeps them"},
	{"assured, seen_reply", "true or false"},
	{"start", "when it began (RFC 3339), if the kernel keeps timestamps"},
	{"rule", "the rule of today that translates so (the kernel does not keep which one made it): backend, table, chain, position and confidence (exact, inferred, ambiguous, stale or unknown); older where another rule may have made it, or this one before it was added again or its counters were cleared: of all its connections where it has matched fewer packets than these are; unknown with --follow also until rules that have changed are read"},
	{"rate", "bytes per second, both directions, if measured"},
	{"event, at", "with --follow: new, update or destroy, and when"},
}

// whatifEntries are the fields of an answer of whatif as JSON.
var whatifEntries = []entry{
	{"orig, result", "the packet as it arrives and as it leaves, each with src, sport, dst, dport"},
	{"nat", "none, snat, dnat or both"},
	{"certain", "false if a match that the packet alone cannot decide, or a random choice, could change the outcome"},
	{"delivered", "forward, local, dropped or no-route"},
	{"in, out", "the interfaces"},
	{"path", "the rules it passes, each with table, chain, position, spec and verdict: match, no or unknown; native ones with backend and handle, those of iptables with backend where nft and legacy both have rules in the table"},
	{"doubts", "why it is not certain, each in words"},
	{"others", "what may become of it instead, each with result, nat, delivered and out"},
	{"exists", "true for a packet of a connection that exists already, and goes as that began"},
}

// traceEntries are the fields of a traced packet as JSON.
var traceEntries = []entry{
	{"number, at", "counted from 1; when it arrived (RFC 3339)"},
	{"reply, reply_to", "true for a reply, and the number of the packet that it replies to"},
	{"proto, sort", "tcp, udp …; the kind of packet, such as syn or echo request"},
	{"orig, result", "the packet as it arrived and as it was last seen, each with src, sport, dst, dport"},
	{"delivered", "forward, local, dropped, stolen, or unknown if it was not seen any more"},
	{"in, out, mark, ttl, length", "the interfaces, and more about the packet as it arrived"},
	{"path", "what it matched: family, table, chain, position, handle, spec (or policy, end), verdict, and to, the chain of a jump"},
	{"predicted", "whether the prediction from the rules was right; absent if there is none"},
	{"outcome", "what happened to it, in words"},
}

// switchEntries are the fields of a switch as JSON.
var switchEntries = []entry{
	{"name, interface", "as sysctl names it; the interface that it is for, if it is for one"},
	{"value, word", "its value now, as a number and as a word"},
	{"boot, boot_file", "its value after a reboot, and the file that sets it; absent if none does"},
	{"purpose, depends", "what it is for; what depends on it here"},
	{"fixed", "why it cannot be changed here, if it cannot"},
}

// doctorEntries are the fields of a finding of doctor as JSON.
var doctorEntries = []entry{
	{"check", "a stable name"},
	{"severity", "ok, unseen (nothing speaks against it, and nobody was seen to get through), unknown, note, warning or error"},
	{"subject, evidence", "what it is about; how it was found"},
	{"sentence", "the finding in words"},
	{"cure", "the commands that fix it, if there are any"},
}

// historyEntries are the fields of a change as JSON.
var historyEntries = []entry{
	{"id, at", "its number, and when it was made (RFC 3339)"},
	{"by, from", "who made it, and from where"},
	{"state", "pending, applied, confirmed, rolled-back or failed"},
	{"deadline", "when it will be rolled back unless confirmed, if it is unconfirmed"},
	{"commands, summary", "what ran, and what it was for"},
	{"kind, undoes, undone_by", "what sort of entry it is, if it is no plain change; the number of the change that it undoes, and of the one that undid it"},
	{"expires, result", "when a change for a time ends; how it came to its state, in words"},
	{"snapshot, path", "of a snapshot, which has no id: its name and its file"},
}

// chainEntries are the fields of a chain as JSON.
var chainEntries = []entry{
	{"family, backend, table, chain", "where it is"},
	{"policy, packets, bytes", "of a chain that the kernel calls: its policy, and what reached it"},
	{"rules, owner", "how many it has; the program that made it, empty for the administrator's own"},
	{"hook, priority", "of a chain that the kernel calls, where known: where it calls it, and in which order"},
}

// healthEntries are the fields of the health of the connection table as JSON.
var healthEntries = []entry{
	{"count, max, buckets", "connections, how many there may be, and the size of the hash table"},
	{"accounting, timestamps, events", "on, off, auto (while a program listens) or unknown"},
	{"dropped_no_room, insert_failed, early_drop, invalid", "packets since the table was made, as conntrack -S has them"},
	{"notes", "what to know, each with name, severity (note, warning or error), sentence and cure (commands)"},
}

// applyEntries are the fields of what apply and restore have done as JSON.
var applyEntries = []entry{
	{"changed", "true if something was changed, or with --check would be"},
	{"id, deadline", "the number of the change; when it will be rolled back unless confirmed, if it is unconfirmed"},
	{"commands", "what ran, or would run"},
}

// snapshotEntries are the fields of a snapshot as JSON.
var snapshotEntries = []entry{
	{"name, at, path", "its name, when it was taken (RFC 3339), and its file"},
	{"damage", "why it cannot be read, if it cannot"},
}

// topEntries are the fields of a group of connections as JSON.
var topEntries = []entry{
	{"at, by, name", "when it was measured (RFC 3339); what connections are grouped by, and which group it is"},
	{"rate_minute, rate", "bytes per second, over the last minute and now"},
	{"minute_seconds", "over how many seconds rate_minute is: fewer than 60 until nattui has looked for a minute"},
	{"least", "the kernel does not count some of its connections, or some are still asked which rule made them: its figures are at least so much"},
	{"connections, bytes, packets", "how many there are, and what they have carried, where the kernel counts it"},
}

// explainEntries are the fields of an explained connection as JSON, beside those of a flow.
var explainEntries = []entry{
	{"stale", "beside all fields of a flow: true where today's rules would translate it differently"},
	{"sentence", "the connection in words"},
	{"way", "the stations of its first packet and of the answer, each with where, what and the rule's spec"},
}

// jsonEntries are all of them, with what they describe.
var jsonEntries = []struct {
	title  string
	fields []entry
}{
	{"rule", ruleEntries},
	{"flow", flowEntries},
	{"whatif", whatifEntries},
	{"trace", traceEntries},
	{"doctor", doctorEntries},
	{"switches", switchEntries},
	{"history", historyEntries},
	{"chains", chainEntries},
	{"health", healthEntries},
	{"apply", applyEntries},
	{"snapshots", snapshotEntries},
	{"top", topEntries},
	{"explain", explainEntries},
}

// jsonNote goes before the fields.
const jsonNote = "--json prints one object a line. Counters that the kernel does not keep are absent, not 0."

func flagUsage(f *pflag.Flag) string {
	if f.Value.Type() == "bool" {
		return "--" + f.Name
	}
	return "--" + f.Name + " " + strings.ToUpper(f.Name)
}

func visitFlags(c *cobra.Command, visit func(*pflag.Flag)) {
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" && f.Name != "version" {
			visit(f)
		}
	})
}

// entryList lists entries for the manual page.
func entryList(entries []entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "**%s**\n: %s\n\n", escapeMarkdown(e.name), escapeMarkdown(e.meaning))
	}
	return b.String()
}

func escapeMarkdown(s string) string {
	return strings.NewReplacer("<", "\\<", ">", "\\>", "*", "\\*", "_", "\\_").Replace(s)
}

// flagList lists the flags of a command with what they mean, in markdown.
func flagList(c *cobra.Command) string {
	var b strings.Builder
	visitFlags(c, func(f *pflag.Flag) {
		name := flagUsage(f)
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		_, usage := pflag.UnquoteUsage(f)
		fmt.Fprintf(&b, "**%s**\n: %s\n\n", name, usage)
	})
	return b.String()
}
