package metrics

import "github.com/prometheus/client_golang/prometheus"

// The metrics: names, what they count, and their labels. They are for good: alert rules and dashboards go by them
// (packaging/prometheus and packaging/grafana).
var (
	ruleLabels = []string{"family", "backend", "table", "chain", "owner", "comment", "rule"}

	buildInfo = desc("build_info", "The version of nattui; always 1.", "version", "goversion")

	partSuccess  = desc("collector_success", "Whether a part of these metrics could be read: 1 or 0.", "collector")
	partDuration = desc("collector_duration_seconds", "How long reading a part of these metrics took.", "collector")

	rulePackets     = desc("rule_packets_total", "Packets that matched a rule, as the kernel counts them; for NAT rules the first of each connection.", ruleLabels...)
	ruleBytes       = desc("rule_bytes_total", "Bytes of the packets that matched a rule.", ruleLabels...)
	ruleConnections = desc("rule_connections", "Connections now in the table that a rule has made.", ruleLabels...)
	ruleCount       = desc("rules", "Rules by who made them; an empty owner is the administrator.", "family", "backend", "table", "owner")
	omitted         = desc("series_omitted", "How many rules and translated addresses have no series of their own, because of the limits; of clients, how many connections were not looked at because there are too many.", "of")

	connections           = desc("connections", "Connections now in the table.", "family", "protocol", "nat", "state")
	translatedConnections = desc("translated_connections", "Translated connections by how sure it is which of today's rules made them; stale: none of them would.", "confidence")
	clientCount           = desc("clients", "Addresses that have connections.")
	clientConnections     = desc("client_connections", "Connections of the clients with the most.", "client")

	portsUsed              = desc("snat_ports_used", "Source ports in use of those that may be given with an address.", "address", "protocol")
	portsAvailable         = desc("snat_ports_available", "Source ports that may be given with an address towards one destination.", "address", "protocol")
	destinationConnections = desc("snat_destination_connections", "Connections to the destinations with the most, each of which needs a source port of its own.", "address", "protocol", "destination")

	entries      = desc("conntrack_entries", "Entries of the kernel's connection table.")
	entriesLimit = desc("conntrack_entries_limit", "How many entries there may be (nf_conntrack_max).")
	buckets      = desc("conntrack_buckets", "Size of the table's hash (nf_conntrack_buckets).")

	found         = desc("conntrack_found_total", "Lookups that found an entry.")
	invalid       = desc("conntrack_invalid_total", "Packets that could not be tracked.")
	insertFailed  = desc("conntrack_insert_failed_total", "Entries that could not be inserted: the packet was dropped.")
	drop          = desc("conntrack_drop_total", "Packets dropped because no entry could be made for them.")
	earlyDrop     = desc("conntrack_early_drop_total", "Entries removed before their time, to make room for others.")
	errors        = desc("conntrack_error_total", "Packets with an error, such as a bad checksum of ICMP.")
	searchRestart = desc("conntrack_search_restart_total", "Lookups that had to begin again because the hash was resized.")
	clashResolve  = desc("conntrack_clash_resolve_total", "Entries inserted twice at the same time that could be made one.")
	chainTooLong  = desc("conntrack_chain_too_long_total", "Entries that could not be inserted because a chain of the hash was too long.")

	eventsLost = desc("conntrack_events_lost_total", "Messages about connections that a program which listens to them has missed, since it began to listen.", "program", "port")

	doctorFindings = desc("doctor_findings", "What nattui doctor has found, by check and severity.", "check", "severity")
	doctorProblems = desc("doctor_findings_by_severity", "How much nattui doctor has found of each severity.", "severity")
	doctorTime     = desc("doctor_last_run_timestamp_seconds", "When nattui doctor looked last.")

	changesPending = desc("changes_pending", "Changes that are rolled back unless they are confirmed.")
	rollbackTime   = desc("change_rollback_timestamp_seconds", "When the first change that waits to be confirmed is rolled back.")
)

// Names are the names of all metrics that may be exported.
func Names() []string { return names }

var names []string

func desc(name, help string, labels ...string) *prometheus.Desc {
	name = prometheus.BuildFQName("nattui", "", name)
	names = append(names, name)
	return prometheus.NewDesc(name, help, labels, nil)
}
