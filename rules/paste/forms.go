package paste

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// form is what an option's word has to look like, where iptables holds it against a list or a pattern of its own.
type form struct {
	list bool           // words, with commas between them
	is   *regexp.Regexp // of each word; (?i) where iptables does not look at the case
	what string         // that fits into "is not …"
}

func oneOf(words string) *regexp.Regexp { return regexp.MustCompile(`^(` + words + `)$`) }

var (
	clock    = form{is: oneOf(`0?\d:[0-5]?\d(:[0-5]?\d)?|1\d:[0-5]?\d(:[0-5]?\d)?|2[0-3]:[0-5]?\d(:[0-5]?\d)?`), what: "a time of day, such as 08:30"}
	date     = form{is: oneOf(`(19[7-9]\d|20[0-2]\d|203[0-7])(-(0?[1-9]|1[0-2])(-(0?[1-9]|[12]\d|3[01])(T([01]?\d|2[0-3])(:[0-5]?\d(:[0-5]?\d)?)?)?)?)?`), what: "a date from 1970 to 2037, such as 2026-12-31T18:00"}
	hashRate = form{is: oneOf(`(?i)\d+([km]?b)?(/(s|se|sec|seco|secon|second|m|mi|min|minu|minut|minute|h|ho|hou|hour|d|da|day))?`), what: "a rate, such as 5/sec or 512kb/s"}
	class    = form{is: oneOf(`(?i)CS[0-7]|BE|EF|AF[1-4][1-3]|VA|LE`), what: "a class: there are CS0 to CS7, AF11 to AF43, EF and BE"}
	tos      = form{is: oneOf(`(?i)(0x[0-9a-f]+|\d+)(/(0x[0-9a-f]+|\d+))?|Minimize-Delay|Maximize-Throughput|Maximize-Reliability|Minimize-Cost|Normal-Service`), what: "a type of service: a number, number/mask, or a name such as Minimize-Delay"}
	zone     = form{is: oneOf(`\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5]|0x[0-9a-fA-F]{1,4}|mark`), what: "a zone, from 0 to 65535, or mark"}
)

// forms are those of the options whose kind is a word, by match or target and option (iptables-extensions(8)).
var forms = map[string]form{
	"time --timestart": clock, "time --timestop": clock, "time --datestart": date, "time --datestop": date,
	"time --weekdays":             {list: true, is: oneOf(`[1-7]|(Mo|Tu|We|Th|Fr|Sa|Su)\w*`), what: "a day of the week: Mon, Tue, Wed, Thu, Fri, Sat, Sun, or 1 to 7"},
	"time --monthdays":            {list: true, is: oneOf(`0?\d|[12]\d|3[01]`), what: "a day of the month"},
	"pkttype --pkt-type":          {is: oneOf(`(?i)unicast|broadcast|multicast|host|bcast|mcast`), what: "a type of packet: unicast, broadcast or multicast"},
	"conntrack --ctdir":           {is: oneOf(`(?i)ORIGINAL|REPLY`), what: "a direction: ORIGINAL or REPLY"},
	"statistic --mode":            {is: oneOf(`random|nth`), what: "a mode: random or nth"},
	"statistic --probability":     {is: oneOf(`[01]|0?\.\d+|0\.\d*|1\.0*`), what: "a probability, from 0 to 1"},
	"hashlimit --hashlimit-upto":  hashRate,
	"hashlimit --hashlimit-above": hashRate,
	"hashlimit --hashlimit-mode":  {list: true, is: oneOf(`(?i)srcip|dstip|srcport|dstport`), what: "a mode: srcip, dstip, srcport, dstport"},
	"dscp --dscp-class":           class,
	"DSCP --set-dscp-class":       class,
	"CLASSIFY --set-class":        {is: oneOf(`[0-9a-fA-F]+:[0-9a-fA-F]+`), what: "a class: write MAJOR:MINOR, such as 1:10"},
	"tos --tos":                   tos,
	"TOS --set-tos":               tos,
	"connbytes --connbytes-dir":   {is: oneOf(`original|reply|both`), what: "a direction: original, reply or both"},
	"connbytes --connbytes-mode":  {is: oneOf(`packets|bytes|avgpkt`), what: "a mode: packets, bytes or avgpkt"},
	"policy --dir":                {is: oneOf(`in|out`), what: "a direction: in or out"},
	"policy --pol":                {is: oneOf(`none|ipsec`), what: "a policy: none or ipsec"},
	"policy --proto":              {is: oneOf(`(?i)esp|ah|ipcomp|ipv6-crypt|ipv6-auth|\d+`), what: "a protocol of IPsec: esp, ah or ipcomp"},
	"policy --mode":               {is: oneOf(`tunnel|transport`), what: "a mode: tunnel or transport"},
	"CT --zone":                   zone, "CT --zone-orig": zone, "CT --zone-reply": zone,
	"CT --ctevents":  {list: true, is: oneOf(`new|related|destroy|reply|assured|protoinfo|helper|mark|natseqinfo|secmark`), what: "an event of a connection"},
	"CT --expevents": {list: true, is: oneOf(`new`), what: "an event of an expectation: there is new"},
}

// hasForm holds an option's word against its form.
func hasForm(module, option, value string) *badValue {
	if option == "--hex-string" {
		return hexBlocks(value)
	}
	if module == "TEE" && option == "--gateway" {
		if _, err := netip.ParseAddr(value); err != nil {
			return &badValue{text: fmt.Sprintf("%q is not an address of a gateway", value)}
		}
		return nil
	}
	f, ok := forms[module+" "+option]
	if !ok {
		return nil
	}
	words := []string{value}
	if f.list {
		words = strings.Split(value, ",")
	}
	for _, w := range words {
		if !f.is.MatchString(w) {
			return &badValue{text: fmt.Sprintf("%q is not %s", w, f.what)}
		}
	}
	return nil
}

// hexBlocks looks at the parts of --hex-string that stand between bars.
func hexBlocks(value string) *badValue {
	parts := strings.Split(value, "|")
	for i, part := range parts {
		if i%2 == 0 {
			continue
		}
		if _, err := hex.DecodeString(strings.ReplaceAll(part, " ", "")); err != nil || i == len(parts)-1 {
			return &badValue{text: fmt.Sprintf("%q is no bytes: write them as |0d 0a|, two digits each, between bars", part)}
		}
	}
	return nil
}

// macValue reads a hardware address: six bytes.
func macValue(s string) (string, *badValue) {
	bytes := strings.Split(s, ":")
	bad := &badValue{text: fmt.Sprintf("%q is no hardware address: write six bytes, such as 52:54:00:12:34:56", s)}
	if dashed := strings.ReplaceAll(s, "-", ":"); len(bytes) == 1 && strings.Count(dashed, ":") == 5 {
		bad.fix = dashed
	}
	if len(bytes) != 6 {
		return s, bad
	}
	for i, b := range bytes {
		n, err := strconv.ParseUint(b, 16, 8)
		if err != nil || len(b) > 2 {
			return s, bad
		}
		bytes[i] = fmt.Sprintf("%02x", n)
	}
	return strings.Join(bytes, ":"), nil
}

var tcpFlagWords = oneOf(`(?i)SYN|ACK|FIN|RST|URG|PSH|ALL|NONE`)

// flagsValue reads one of the two lists of --tcp-flags.
func flagsValue(s string) *badValue {
	for word := range strings.SplitSeq(s, ",") {
		if !tcpFlagWords.MatchString(word) {
			return &badValue{text: fmt.Sprintf("%q is not a TCP flag: there are SYN, ACK, FIN, RST, URG, PSH, ALL and NONE", word)}
		}
	}
	return nil
}

// hookPlace is where a match or target may stand: in these tables and chains, anywhere where there are none.
type hookPlace struct{ tables, chains []string }

// places are those of struct xt_match and xt_target, hooks and table, in the kernel's net/netfilter.
var places = map[string]hookPlace{
	"mac": {chains: arriving}, "osf": {chains: arriving},
	"owner":    {chains: []string{"OUTPUT", "POSTROUTING"}},
	"cgroup":   {chains: []string{"INPUT", "OUTPUT", "POSTROUTING"}},
	"socket":   {chains: []string{"PREROUTING", "INPUT"}},
	"rpfilter": {tables: []string{"raw", "mangle"}, chains: []string{"PREROUTING"}},
	"CT":       {tables: []string{"raw"}}, "NOTRACK": {tables: []string{"raw"}},
	"TPROXY": {tables: []string{"mangle"}, chains: []string{"PREROUTING"}},
	"TOS":    {tables: []string{"mangle"}}, "DSCP": {tables: []string{"mangle"}}, "ECN": {tables: []string{"mangle"}},
	"TTL": {tables: []string{"mangle"}}, "HL": {tables: []string{"mangle"}},
	"CHECKSUM": {tables: []string{"mangle"}}, "TCPOPTSTRIP": {tables: []string{"mangle"}},
	"SYNPROXY": {chains: []string{"INPUT", "FORWARD"}},
}

var arriving = []string{"PREROUTING", "INPUT", "FORWARD"}

// checkPlace holds a match or target against the table and chain that it stands in.
func (c *commandReader) checkPlace(b *optionBlock) *mistake {
	p, ok := places[b.name]
	if !ok {
		return nil
	}
	name := "-m " + b.name
	if b == c.target {
		name = b.name
	}
	if len(p.tables) > 0 && !slices.Contains(p.tables, c.table) {
		m := c.fail(min(b.at+1, len(c.words)-1), "%s belongs in table %s", name, strings.Join(p.tables, " or "))
		for _, table := range p.tables {
			if rules.IsBuiltIn(table, c.chain) && (len(p.chains) == 0 || slices.Contains(p.chains, c.chain)) {
				return c.setTable(m, table)
			}
		}
		return m
	}
	if len(p.chains) > 0 && rules.IsBuiltIn(c.table, c.chain) && !slices.Contains(p.chains, c.chain) {
		return c.fail(min(b.at+1, len(c.words)-1), "%s has no place in %s: it belongs in %s", name, c.chain, strings.Join(p.chains, " or "))
	}
	return nil
}
