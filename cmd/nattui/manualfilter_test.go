package main

import (
	"fmt"
	"strings"
	"testing"

	"nattui/model/filter"
	"nattui/model/flow"
)

// filterExamples are lines of the filter language, with what they find.
var filterExamples = []entry{
	{"nat dnat dport 443", "what is forwarded to port 443, asked for or served there"},
	{"src 192.168.0.0/24 not state established", "what machines of the LAN have begun and not finished to open"},
	{"client 203.0.113.10 or server 192.168.0.2:8080", "one client's, and those of one server"},
	{"proto udp timeout<30s", "UDP that will be forgotten within half a minute"},
	{"rate>1Mbit", "what moves more than a megabit a second"},
	{"bytes 10k-1M age>5m", "a range, and a time"},
	{"rule PREROUTING/1", "what one rule made"},
	{"rule stale", "what today's rules would translate differently"},
	{"(dport 80,443 or dport 8000-8099) nat both", "lists, ranges and parentheses"},
	{"mark 0x10/0xff zone=1", "a mark under a mask, in one zone"},
	{"event destroy dst 10.0.*", "with --follow: what ends, to addresses that begin so"},
}

// filterPage is nattui-filter(7) in markdown. The properties are those that the filter line itself offers.
func filterPage(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(manualHead("nattui-filter", "7", "Miscellaneous Information Manual", "the language in which nattui filters connections"))
	b.WriteString("# DESCRIPTION\n\nA filter is a line of conditions: on the Flows screen behind the key /, and of `nattui flows --filter`. Conditions that stand side by side must all hold. " +
		"`or` stands between alternatives, `not` negates what follows, parentheses group. Upper and lower case are the same. Any other word is searched for in the whole line; in quotes also one that has a meaning here.\n\n" +
		"A connection has four ends: the **client** that opened it, the address that it **asked** for, the **server** that answers, and the address that this server has **seen**. " +
		"**src** is client or seen, **dst** asked or server: what a plain packet filter would have in view on either side of the translation.\n\n# PROPERTIES\n\n")
	offered := 0
	for _, c := range filter.Complete("", 0, nil) {
		if c.Text == "not" || c.Text == "or" {
			continue
		}
		offered++
		fmt.Fprintf(&b, "**%s**\n: %s%s\n\n", escapeMarkdown(c.Text), escapeMarkdown(c.Hint), escapeMarkdown(values(c.Text)))
	}
	if offered < 20 {
		t.Errorf("only %d properties are offered", offered)
	}
	b.WriteString("# VALUES\n\n" +
		"**addresses**\n: 192.168.0.2, 192.168.0.2:8080, 192.168.0.0/24, 192.168.0.1-192.168.0.9, 192.168.0.\\*, IPv6 as well; [2001:db8::1]:80 with a port. Several are separated by commas.\n\n" +
		"**ports**\n: 80, https, 8000-8099 or 80,443.\n\n" +
		"**numbers**\n: after =, !=, <, <=, > or >=, or behind the property; a range such as 10k-1M. k, M, G and T are powers of 1000, Ki, Mi … of 1024; rates also in bits, as 8Mbit; times in s, m, h and d.\n\n" +
		"**rules**\n: by position, as 3, PREROUTING/3, which is one of IPv4, ipv6/PREROUTING/3 or ipv4/nft/nat/PREROUTING/3, or all of a chain, as PREROUTING; none, stale, older, ambiguous and unknown by how certain that is.\n\n" +
		"What the kernel does not know of a connection, as bytes without accounting, compares with nothing: each comparison is false, also after not; bytes unknown finds those.\n\n# EXAMPLES\n\n")
	for _, e := range filterExamples {
		if _, err := filter.Parse(e.name, func(string) (func(*flow.Flow) (bool, bool), error) {
			return func(*flow.Flow) (bool, bool) { return true, true }, nil
		}); err != nil {
			t.Errorf("%s: %v", e.name, err)
		}
		fmt.Fprintf(&b, "%s:\n\n```\n%s\n```\n\n", escapeMarkdown(e.meaning), e.name)
	}
	b.WriteString("Traces are filtered with a part of it: see `nattui trace` in **nattui**(8).\n\n# SEE ALSO\n\n**nattui**(8), **conntrack**(8)\n")
	return b.String()
}

// values are what a property may be compared with, where these are words.
func values(property string) string {
	line := property + " "
	var words []string
	for _, c := range filter.Complete(line, len(line), nil) {
		words = append(words, c.Text)
	}
	if len(words) < 2 { // rules have values of their own
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}
