package paste

import (
	"slices"
	"strconv"
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
	kindSegment  valueKind = "mss"   // numbers 5:9, which iptables holds in order
	kindFlags    valueKind = "flags" // two words
	kindMAC      valueKind = "mac"
	kindUser     valueKind = "user"
	kindGroup    valueKind = "group"
	kindTo       valueKind = "to" // new address and port
	kindToPorts  valueKind = "toports"
	kindNet      valueKind = "net"
	kindReject   valueKind = "reject"
	kindLevel    valueKind = "level"
	kindTwo      valueKind = "two"  // two words, kept
	kindOptional valueKind = "opt"  // a word, which may be missing
	kindLength   valueKind = "plen" // of a network
)

// optionSpec is one option: its name as iptables-save prints it, other
// spellings, the value it takes, and what it goes together with. What iptables'
// own table of an extension's options says stands here (struct xt_option_entry in
// xtables.h); a test holds it against the programs.
type optionSpec struct {
	name   string
	also   []string
	kind   valueKind
	lo, hi uint64 // of a number, or of both in A:B, where hi is not 0

	inverts bool   // a ! may stand before it
	must    bool   // the extension is refused without it
	some    bool   // or without one of those that have this
	groups  string // letters: of those that share one, only one may be given
	needs   string // another option that has to be there
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

// specsOf reads options as "--sport|--source-port!:port --syn!": the spellings, marks, and the kind of
// value with its bounds. The marks are ! (may be inverted), * (must be given), + (one of these must
// be given), ~x (excludes the others of group x) and ^--other (needs that one).
func specsOf(text string) []optionSpec {
	var list []optionSpec
	for item := range strings.FieldsSeq(text) {
		head, kind, _ := strings.Cut(item, ":")
		names, marks := head, ""
		if i := strings.IndexAny(head, "!*+~^"); i >= 0 {
			names, marks = head[:i], head[i:]
		}
		all := strings.Split(names, "|")
		o := optionSpec{name: all[0], also: all[1:]}
		kind, bounds, bounded := strings.Cut(kind, "<")
		o.kind = valueKind(kind)
		if bounded {
			lo, hi, _ := strings.Cut(strings.TrimSuffix(bounds, ">"), "-")
			o.lo, _ = strconv.ParseUint(lo, 10, 64)
			o.hi, _ = strconv.ParseUint(hi, 10, 64)
		}
		marks, o.needs, _ = strings.Cut(marks, "^")
		o.inverts, o.must, o.some = strings.Contains(marks, "!"), strings.Contains(marks, "*"), strings.Contains(marks, "+")
		if i := strings.IndexByte(marks, '~'); i >= 0 {
			o.groups = marks[i+1:]
		}
		list = append(list, o)
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
const transportOptions = "--sport|--source-port!:port --dport|--destination-port!:port"

// markOptions are those that MARK and CONNMARK share.
const markOptions = "--set-xmark+~a:mark --set-mark+~a:mark --and-mark+~a:mark --or-mark+~a:mark --xor-mark+~a:mark"

// matchOptions are the options of the matches that people use (iptables-extensions(8)).
var matchOptions = map[string][]optionSpec{
	"tcp":       specsOf(transportOptions + " --syn!~a --tcp-flags!~a:flags --tcp-option!:number<1-255>"),
	"udp":       specsOf(transportOptions),
	"udplite":   specsOf(transportOptions),
	"sctp":      specsOf(transportOptions + " --chunk-types!:two"),
	"dccp":      specsOf(transportOptions + " --dccp-types!:text --dccp-option!:number<1-255>"),
	"multiport": specsOf("--sports|--source-ports!+~a:ports --dports|--destination-ports!+~a:ports --ports!+~a:ports"),
	"iprange":   specsOf("--src-range!+:range --dst-range!+:range"),
	"addrtype":  specsOf("--src-type!+:types --dst-type!+:types --limit-iface-in~a --limit-iface-out~a"),
	"state":     specsOf("--state!*:states"),
	"conntrack": specsOf("--ctstate!+:states --ctproto!+:proto --ctorigsrc!+:net --ctorigdst!+:net --ctreplsrc!+:net --ctrepldst!+:net --ctstatus!+:statuses --ctexpire!+:span " +
		"--ctorigsrcport!+:port --ctorigdstport!+:port --ctreplsrcport!+:port --ctrepldstport!+:port --ctdir+:text"),
	"mark":      specsOf("--mark!*:mark"),
	"connmark":  specsOf("--mark!*:mark"),
	"comment":   specsOf("--comment*:text"),
	"limit":     specsOf("--limit:rate --limit-burst:number<0-10000>"),
	"ttl":       specsOf("--ttl-eq|--ttl!+~a:number<0-255> --ttl-gt+~a:number<0-255> --ttl-lt+~a:number<0-255>"),
	"hl":        specsOf("--hl-eq|--hl!+~a:number<0-255> --hl-gt+~a:number<0-255> --hl-lt+~a:number<0-255>"),
	"length":    specsOf("--length!*:span<0-65535>"),
	"pkttype":   specsOf("--pkt-type!*:text"),
	"mac":       specsOf("--mac-source!*:mac"),
	"owner":     specsOf("--uid-owner!+:user --gid-owner!+:group --socket-exists!+ --suppl-groups^--gid-owner"),
	"icmp":      specsOf("--icmp-type!*:icmp"),
	"icmp6":     specsOf("--icmpv6-type!*:icmp"),
	"statistic": specsOf("--mode*:text --probability!~ab:text --every!~a^--packet:number<1-4294967295> --packet~b^--every:number<0-4294967295>"),
	"time": specsOf("--timestart:text --timestop:text --monthdays!:text --weekdays!:text --datestart:text --datestop:text " +
		"--kerneltz~a --contiguous --localtz~b --utc~ab"),
	"tos":       specsOf("--tos!*:text"),
	"dscp":      specsOf("--dscp!+~a:text<0-63> --dscp-class!+~a:text"),
	"set":       specsOf("--match-set!*:two --return-nomatch --update-counters! --update-subcounters! --packets-eq!:number --packets-lt:number --packets-gt:number --bytes-eq!:number --bytes-lt:number --bytes-gt:number"),
	"connlimit": specsOf("--connlimit-upto!+~a:number<0-4294967295> --connlimit-above!+~a:number<0-4294967295> --connlimit-mask:text --connlimit-saddr~b --connlimit-daddr~b"),
	"recent":    specsOf("--set!+~abcd --rcheck!+~a --update!+~a --remove!+~abcd --seconds~c:number<1-4294967295> --hitcount~d:number<0-65535> --rttl~b --name:text --mask:text --rsource --rdest --reap^--seconds"),
	"helper":    specsOf("--helper!*:text"),
	"string":    specsOf("--string!+~a:text --hex-string!+~a:text --algo*:text --from:number<0-65535> --to:number<0-65535> --icase"),
	"physdev":   specsOf("--physdev-in!+:iface --physdev-out!+:iface --physdev-is-in!+ --physdev-is-out!+ --physdev-is-bridged!+"),
	"socket":    specsOf("--transparent --nowildcard --restore-skmark"),
	"rpfilter":  specsOf("--loose --validmark --accept-local --invert"),
	"policy":    specsOf("--dir*:text --pol:text --strict --reqid!:number --spi!:text --proto!:text --mode!:text --tunnel-src!:text --tunnel-dst!:text --next^--strict"),
	"tcpmss":    specsOf("--mss!*:mss<0-65535>"),
	"hashlimit": specsOf("--hashlimit-upto|--hashlimit!+~a:text --hashlimit-above!+~a:text --hashlimit-burst:text --hashlimit-mode:text --hashlimit-srcmask:plen --hashlimit-dstmask:plen " +
		"--hashlimit-name*:text --hashlimit-htable-size:number --hashlimit-htable-max:number --hashlimit-htable-expire:number --hashlimit-htable-gcinterval:number"),
	"ah":         specsOf("--ahspi!:text<0-4294967295>"),
	"esp":        specsOf("--espspi!:text<0-4294967295>"),
	"ipcomp":     specsOf("--ipcompspi!:text<0-4294967295> --compres"),
	"bpf":        specsOf("--bytecode+:text --object-pinned+:text"),
	"cgroup":     specsOf("--path!+:text --cgroup!+:number<0-4294967295>"),
	"cluster":    specsOf("--cluster-total-nodes*:number<1-32> --cluster-local-node!+~a:number<1-32> --cluster-local-nodemask!+~a:number<1-32> --cluster-hash-seed*:text"),
	"connbytes":  specsOf("--connbytes!*:text --connbytes-dir*:text --connbytes-mode*:text"),
	"connlabel":  specsOf("--label!*:text --set"),
	"cpu":        specsOf("--cpu!*:number<0-4294967295>"),
	"devgroup":   specsOf("--src-group!+:text --dst-group!+:text"),
	"ecn":        specsOf("--ecn-tcp-cwr!+ --ecn-tcp-ece!+ --ecn-ip-ect!+:number<0-3>"),
	"dst":        specsOf("--dst-len!:number<0-4294967295> --dst-opts:text"),
	"hbh":        specsOf("--hbh-len!:number<0-4294967295> --hbh-opts:text"),
	"frag":       specsOf("--fragid!:text<0-4294967295> --fraglen!:number<0-4294967295> --fragres --fragfirst --fragmore~a --fraglast~a"),
	"rt":         specsOf("--rt-type!:number<0-4294967295> --rt-segsleft!:text<0-4294967295> --rt-len!:number<0-4294967295> --rt-0-res^--rt-type --rt-0-addrs^--rt-type:text --rt-0-not-strict^--rt-0-addrs"),
	"mh":         specsOf("--mh-type!:text"),
	"ipv6header": specsOf("--header!*:text --soft"),
	"ipvs":       specsOf("--ipvs!+ --vproto!+:text --vaddr!+:text --vport!+:text --vdir+:text --vmethod!+:text --vportctl!+:text"),
	"nfacct":     specsOf("--nfacct-name*:text"),
	"osf":        specsOf("--genre!*:text --ttl:number<0-2> --log:number<0-2>"),
	"quota":      specsOf("--quota!*:number"),
	"realm":      specsOf("--realm!*:text"),
	"u32":        specsOf("--u32!*:text"),
}

// otherMatches exist, and their options are not listed here: they are kept as typed.
var otherMatches = []string{"eui64", "geoip", "l2tp", "quota2", "srh", "unclean", "account", "layer7", "standard", "rateest"}

// targetOptions are the options of targets. None of them may be inverted.
var targetOptions = map[string][]optionSpec{
	"ACCEPT": nil, "DROP": nil, "RETURN": nil, "QUEUE": nil, "TRACE": nil, "NOTRACK": nil,
	"DNAT":       specsOf("--to-destination*:to --random --persistent"),
	"SNAT":       specsOf("--to-source*:to --random --random-fully --persistent"),
	"MASQUERADE": specsOf("--to-ports:toports --random --random-fully"),
	"REDIRECT":   specsOf("--to-ports:toports --random"),
	"NETMAP":     specsOf("--to*:net"),
	"REJECT":     specsOf("--reject-with:reject"),
	"LOG":        specsOf("--log-prefix:text --log-level:level --log-tcp-sequence --log-tcp-options --log-ip-options --log-uid --log-macdecode"),
	"NFLOG":      specsOf("--nflog-group:number<0-65535> --nflog-prefix:text --nflog-range~a:number<0-4294967295> --nflog-size~a:number<0-4294967295> --nflog-threshold:number<0-65535>"),
	"MARK":       specsOf(markOptions),
	"CONNMARK": specsOf(markOptions + " --save-mark+~a --restore-mark+~a --nfmask~b:mark --ctmask~c:mark --mask~bc:mark" +
		" --left-shift-mark:number<0-31> --right-shift-mark:number<0-31>"),
	"TCPMSS":   specsOf("--set-mss+:number<0-65515> --clamp-mss-to-pmtu+"),
	"CT":       specsOf("--notrack --helper:text --ctevents:text --expevents:text --zone:text --zone-orig:text --zone-reply:text --timeout:text"),
	"TPROXY":   specsOf("--on-port*:number<0-65535> --on-ip:text --tproxy-mark:text"),
	"NFQUEUE":  specsOf("--queue-num~a:number<0-65535> --queue-balance~a:text<0-65534> --queue-bypass --queue-cpu-fanout^--queue-balance"),
	"TEE":      specsOf("--gateway*:text --oif:iface"),
	"CLASSIFY": specsOf("--set-class*:text"),
	"TTL":      specsOf("--ttl-set+~a:number<0-255> --ttl-dec+~a:number<1-255> --ttl-inc+~a:number<1-255>"),
	"HL":       specsOf("--hl-set+~a:number<0-255> --hl-dec+~a:number<1-255> --hl-inc+~a:number<1-255>"),
	"TOS":      specsOf("--set-tos+~a:text --and-tos+~a:text --or-tos+~a:text --xor-tos+~a:text"),
	"DSCP":     specsOf("--set-dscp+~a:text<0-63> --set-dscp-class+~a:text"),
	"SET":      specsOf("--add-set+:two --del-set+:two --map-set+:two --exist --timeout:number --map-mark --map-prio --map-queue"),
	"ECN":      specsOf("--ecn-tcp-remove+~ab --ecn-tcp-cwr+~a:number<0-1> --ecn-tcp-ece+~b:number<0-1> --ecn-ip-ect+:number<0-3>"),
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

// Nearest finds the word of a list that somebody may have meant by another, "" if none is like it.
func Nearest(word string, list []string) string { return nearest(word, list) }

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
