package paste

import (
	"slices"
	"strings"

	"nattui/rules"
)

// valueKind says what an option's value is, and so how it is checked and how
// iptables-save prints it.
type valueKind string

// The kinds of value. normalise checks them and writes them as iptables-save does; those that it does not
// know (text, two, opt) are kept as typed.
const (
	kindNone     valueKind = ""
	kindText     valueKind = "text"
	kindNumber   valueKind = "number"
	kindAddr     valueKind = "addr"  // address, network, list of them
	kindIface    valueKind = "iface" // interface
	kindProto    valueKind = "proto"
	kindPort     valueKind = "port"  // port or range 80:90
	kindPorts    valueKind = "ports" // list
	kindStates   valueKind = "states"
	kindStatuses valueKind = "statuses"
	kindMark     valueKind = "mark"
	kindRate     valueKind = "rate"
	kindICMP     valueKind = "icmp"
	kindTypes    valueKind = "types"
	kindRange    valueKind = "range" // addresses A-B
	kindSpan     valueKind = "span"  // numbers 5:9
	kindFlags    valueKind = "flags" // two words
	kindMAC      valueKind = "mac"
	kindUser     valueKind = "user"
	kindGroup    valueKind = "group"
	kindTo       valueKind = "to" // new address and port
	kindToPorts  valueKind = "toports"
	kindNet      valueKind = "net"
	kindReject   valueKind = "reject"
	kindLevel    valueKind = "level"
	kindTwo      valueKind = "two" // two words, kept
	kindOptional valueKind = "opt" // a word, which may be missing
)

// optionSpec is one option: its name as iptables-save prints it, other
// spellings, and the value it takes.
type optionSpec struct {
	name string
	also []string
	kind valueKind
}

func (o *optionSpec) spelled(name string) bool {
	return o.name == name || slices.Contains(o.also, name)
}

func (o *optionSpec) values() int {
	switch o.kind {
	case kindNone:
		return 0
	case kindFlags, kindTwo:
		return 2
	}
	return 1
}

// specsOf reads "--sport|--source-port:port --syn".
func specsOf(text string) []optionSpec {
	var list []optionSpec
	for item := range strings.FieldsSeq(text) {
		names, kind, _ := strings.Cut(item, ":")
		all := strings.Split(names, "|")
		list = append(list, optionSpec{all[0], all[1:], valueKind(kind)})
	}
	return list
}

// globalOptions are the commands, parameters and other options of iptables(8) that belong to no match or
// target. Which parameters go with which command is checked later. The short form comes first.
var globalOptions = specsOf("-s|--source|--src:addr -d|--destination|--dst:addr -i|--in-interface:iface -o|--out-interface:iface " +
	"-p|--protocol|--proto:proto -f|--fragment -m|--match:text -j|--jump:text -g|--goto:text -t|--table:text " +
	"-w|--wait:opt -W|--wait-interval:number -c|--set-counters:two -n|--numeric -v|--verbose -x|--exact -4|--ipv4 -6|--ipv6 " +
	"--modprobe:text --line-numbers -h|--help -V|--version " +
	"-A|--append:text -C|--check:text -D|--delete:text -I|--insert:text -R|--replace:text -N|--new-chain:text -E|--rename-chain:two -P|--policy:two " +
	"-L|--list:opt -S|--list-rules:opt -F|--flush:opt -Z|--zero:opt -X|--delete-chain:opt")

// transportOptions belong to the protocols with ports.
const transportOptions = "--sport|--source-port:port --dport|--destination-port:port"

// matchOptions are the options of the matches that people use (iptables-extensions(8)).
var matchOptions = map[string][]optionSpec{
	"tcp":       specsOf(transportOptions + " --syn --tcp-flags:flags --tcp-option:number"),
	"udp":       specsOf(transportOptions),
	"udplite":   specsOf(transportOptions),
	"sctp":      specsOf(transportOptions + " --chunk-types:two"),
	"dccp":      specsOf(transportOptions + " --dccp-types:text --dccp-option:number"),
	"multiport": specsOf("--sports|--source-ports:ports --dports|--destination-ports:ports --ports:ports"),
	"iprange":   specsOf("--src-range:range --dst-range:range"),
	"addrtype":  specsOf("--src-type:types --dst-type:types --limit-iface-in --limit-iface-out"),
	"state":     specsOf("--state:states"),
	"conntrack": specsOf("--ctstate:states --ctproto:proto --ctorigsrc:net --ctorigdst:net --ctreplsrc:net --ctrepldst:net --ctstatus:statuses --ctexpire:span " +
		"--ctorigsrcport:port --ctorigdstport:port --ctreplsrcport:port --ctrepldstport:port --ctdir:text"),
	"mark":      specsOf("--mark:mark"),
	"connmark":  specsOf("--mark:mark"),
	"comment":   specsOf("--comment:text"),
	"limit":     specsOf("--limit:rate --limit-burst:number"),
	"ttl":       specsOf("--ttl-eq|--ttl:number --ttl-gt:number --ttl-lt:number"),
	"hl":        specsOf("--hl-eq:number --hl-gt:number --hl-lt:number"),
	"length":    specsOf("--length:span"),
	"pkttype":   specsOf("--pkt-type:text"),
	"mac":       specsOf("--mac-source:mac"),
	"owner":     specsOf("--uid-owner:user --gid-owner:group --socket-exists --suppl-groups"),
	"icmp":      specsOf("--icmp-type:icmp"),
	"icmp6":     specsOf("--icmpv6-type:icmp"),
	"statistic": specsOf("--mode:text --probability:text --every:number --packet:number"),
	"time": specsOf("--timestart:text --timestop:text --monthdays:text --weekdays:text --datestart:text --datestop:text " +
		"--kerneltz --contiguous --localtz --utc"),
	"tos":       specsOf("--tos:text"),
	"dscp":      specsOf("--dscp:text --dscp-class:text"),
	"set":       specsOf("--match-set:two --return-nomatch"),
	"connlimit": specsOf("--connlimit-upto:number --connlimit-above:number --connlimit-mask:number --connlimit-saddr --connlimit-daddr"),
	"recent":    specsOf("--set --rcheck --update --remove --seconds:number --hitcount:number --rttl --name:text --mask:text --rsource --rdest --reap"),
	"helper":    specsOf("--helper:text"),
	"string":    specsOf("--string:text --hex-string:text --algo:text --from:number --to:number --icase"),
	"physdev":   specsOf("--physdev-in:iface --physdev-out:iface --physdev-is-in --physdev-is-out --physdev-is-bridged"),
	"socket":    specsOf("--transparent --nowildcard --restore-skmark"),
	"rpfilter":  specsOf("--loose --validmark --accept-local --invert"),
	"policy":    specsOf("--dir:text --pol:text --strict --reqid:number --spi:text --proto:text --mode:text --tunnel-src:text --tunnel-dst:text --next"),
	"tcpmss":    specsOf("--mss:span"),
	"hashlimit": specsOf("--hashlimit-upto|--hashlimit:text --hashlimit-above:text --hashlimit-burst:text --hashlimit-mode:text --hashlimit-srcmask:number --hashlimit-dstmask:number " +
		"--hashlimit-name:text --hashlimit-htable-size:number --hashlimit-htable-max:number --hashlimit-htable-expire:number --hashlimit-htable-gcinterval:number"),
}

// otherMatches exist, and their options are not listed here: they are kept as typed.
var otherMatches = []string{
	"ah", "bpf", "cgroup", "cluster", "connbytes", "connlabel", "cpu", "devgroup", "dst", "ecn", "esp", "eui64", "frag", "geoip", "hbh", "ipcomp",
	"ipv6header", "ipvs", "l2tp", "mh", "nfacct", "osf", "quota", "quota2", "realm", "rt", "srh", "u32", "unclean", "account", "layer7", "standard",
}

// targetOptions are the options of targets.
var targetOptions = map[string][]optionSpec{
	"ACCEPT": nil, "DROP": nil, "RETURN": nil, "QUEUE": nil, "TRACE": nil, "NOTRACK": nil, "MIRROR": nil,
	"DNAT":       specsOf("--to-destination:to --random --persistent"),
	"SNAT":       specsOf("--to-source:to --random --random-fully --persistent"),
	"MASQUERADE": specsOf("--to-ports:toports --random --random-fully"),
	"REDIRECT":   specsOf("--to-ports:toports --random"),
	"NETMAP":     specsOf("--to:net"),
	"REJECT":     specsOf("--reject-with:reject"),
	"LOG":        specsOf("--log-prefix:text --log-level:level --log-tcp-sequence --log-tcp-options --log-ip-options --log-uid --log-macdecode"),
	"NFLOG":      specsOf("--nflog-group:number --nflog-prefix:text --nflog-range:number --nflog-size:number --nflog-threshold:number"),
	"MARK":       specsOf("--set-xmark:mark --set-mark:mark --and-mark:mark --or-mark:mark --xor-mark:mark"),
	"CONNMARK":   specsOf("--set-xmark:mark --set-mark:mark --and-mark:mark --or-mark:mark --xor-mark:mark --save-mark --restore-mark --nfmask:mark --ctmask:mark --mask:mark"),
	"TCPMSS":     specsOf("--set-mss:number --clamp-mss-to-pmtu"),
	"CT":         specsOf("--notrack --helper:text --ctevents:text --expevents:text --zone:text --zone-orig:text --zone-reply:text --timeout:text"),
	"TPROXY":     specsOf("--on-port:number --on-ip:text --tproxy-mark:text"),
	"NFQUEUE":    specsOf("--queue-num:number --queue-balance:text --queue-bypass --queue-cpu-fanout"),
	"TEE":        specsOf("--gateway:text --oif:iface"),
	"CLASSIFY":   specsOf("--set-class:text"),
	"TTL":        specsOf("--ttl-set:number --ttl-dec:number --ttl-inc:number"),
	"HL":         specsOf("--hl-set:number --hl-dec:number --hl-inc:number"),
	"TOS":        specsOf("--set-tos:text --and-tos:text --or-tos:text --xor-tos:text"),
	"DSCP":       specsOf("--set-dscp:text --set-dscp-class:text"),
	"SET":        specsOf("--add-set:two --del-set:two --map-set:two --exist --timeout:number"),
}

// modulesWith lists the matches that have an option of that name.
func modulesWith(name string) []string {
	return namesWith(matchOptions, name)
}

// targetsWith lists the targets that have an option of that name.
func targetsWith(name string) []string { return namesWith(targetOptions, name) }

func namesWith(table map[string][]optionSpec, name string) []string {
	var found []string
	for module, specs := range table {
		if slices.ContainsFunc(specs, func(o optionSpec) bool { return o.spelled(name) }) {
			found = append(found, module)
		}
	}
	slices.Sort(found)
	return found
}

// knownMatch reports a match that iptables has.
func knownMatch(name string) bool {
	_, ok := matchOptions[name]
	return ok || slices.Contains(otherMatches, name)
}

func knownTarget(name string) bool {
	_, ok := targetOptions[name]
	return ok || rules.IsExtension(name)
}

// nearest finds the word of a list that is most like another: equal but for
// case, or at most a third of its letters (and two) away; "" if none is.
func nearest(word string, list []string) string {
	best, bestAt := "", min(2, (len(word)+1)/3)+1
	for _, candidate := range list {
		d := editDistance(strings.ToLower(word), strings.ToLower(candidate))
		if d < bestAt || d == bestAt && best != "" && candidate < best {
			best, bestAt = candidate, d
		}
	}
	return best
}

// editDistance counts the letters to insert, drop, change or swap with their
// neighbour (optimal string alignment).
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	var before, last, now [65]int
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last = last, now
	}
	return last[len(b)]
}

// longNames are all long options known, for finding the one that was meant.
var longNames = func() []string {
	seen := map[string]bool{}
	add := func(specs []optionSpec) {
		for _, o := range specs {
			for _, n := range append([]string{o.name}, o.also...) {
				if strings.HasPrefix(n, "--") {
					seen[n] = true
				}
			}
		}
	}
	add(globalOptions)
	for _, table := range []map[string][]optionSpec{matchOptions, targetOptions} {
		for _, specs := range table {
			add(specs)
		}
	}
	var names []string
	for n := range seen {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}()
