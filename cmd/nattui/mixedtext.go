package main

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"

	"nattui/rules"
	"nattui/rules/nft"
	"nattui/ui/text"
)

// listedTables are tables as nft list ruleset printed them, in a text in which there is more.
type listedTables struct {
	lines  [][]byte // of the whole text
	tables []listedTable
	open   bool // the last one is not closed
}

// listedTable is one of them, from a line to another.
type listedTable struct {
	family, name string
	from, to     int
}

var nativeTableLine = regexp.MustCompile(`^\s*table (ip|ip6|inet|arp|bridge|netdev) (\S+) \{`)

// cutNative finds the tables that nft list ruleset printed, and what else is in the text, such as what iptables-save printed
// before or after them.
func cutNative(text []byte) (listed listedTables, rest []byte) {
	depth := 0
	for line := range bytes.Lines(text) {
		at := len(listed.lines)
		listed.lines = append(listed.lines, line)
		if savedTable.Match(line) {
			depth = 0 // of a table that is cut off
		}
		if m := nativeTableLine.FindSubmatch(line); m != nil && depth == 0 {
			listed.tables = append(listed.tables, listedTable{family: string(m[1]), name: string(m[2]), from: at})
		} else if depth == 0 {
			rest = append(rest, line...)
			continue
		}
		rest = append(rest, '\n')
		listed.tables[len(listed.tables)-1].to = at + 1
		depth = max(0, depth+braces(line))
	}
	listed.open = depth > 0
	return listed, rest
}

// tableBegun is a text that ends in the name of a table, without what is in it.
var tableBegun = regexp.MustCompile(`(?:^|\n)[ \t]*table[^{}\n]*\s*$`)

// cutOff says that a listing is not there to its end; nil where it is.
func (l *listedTables) cutOff(path string, text []byte) error {
	switch {
	case l.open:
		last := &l.tables[len(l.tables)-1]
		return fmt.Errorf("%s: table %s %s, which begins in line %d, is not closed: the text is cut off, and rules may be missing; take the whole of it", path, last.family, last.name, last.from+1)
	case len(l.tables) > 0 && tableBegun.Match(text):
		return fmt.Errorf("%s ends where another table begins: the text is cut off, and rules may be missing; take the whole of it", path)
	}
	return nil
}

// folded tells that lines within the tables begin where none of nft's does: a mail program has folded them.
func (l *listedTables) folded() bool {
	for _, t := range l.tables {
		for _, line := range l.lines[min(t.from+1, t.to):t.to] {
			if len(line) > 0 && !bytes.ContainsAny(line[:1], " \t\r\n}#") {
				return true
			}
		}
	}
	return false
}

// readListed reads what nft printed, or a file that nft takes, with what a mail has put around its tables: that is left out
// where nft does not take the whole.
func readListed(ctx context.Context, path string, printed []byte) (*nft.Ruleset, error) {
	listed, around := cutNative(printed)
	if err := listed.cutOff(path, printed); err != nil {
		return nil, err
	}
	set, err := readNftText(ctx, printed)
	if err == nil {
		return set, nil
	}
	if listed.folded() {
		return nil, fmt.Errorf("%s: lines of its tables are folded, as mail programs do: have it sent as a file; %w", path, err)
	}
	if len(bytes.TrimSpace(around)) == 0 || nftStatement.Match(around) {
		return nil, err
	}
	set, errWithout := readNftText(ctx, listed.others(nil))
	if errWithout != nil {
		return nil, errWithout
	}
	stray := slices.DeleteFunc(bytes.Split(around, []byte("\n")), func(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 })
	say(stderr, fmt.Sprintf("%s: what stands around its tables is left out, as nft does not read it (%s): %s", path, rules.Plural(len(stray), "line"), text.Safe(string(bytes.TrimSpace(stray[0])))))
	return set, nil
}

// nftStatement begins a line outside of tables that nft may take: without it what is left would be another rule set.
var nftStatement = regexp.MustCompile(`(?m)^\s*(?:add|create|insert|replace|define|redefine|undefine|include|delete|destroy|flush|reset|rename|table)\b`)

// braces is how many more braces a line opens than it closes, but for those in a text in quotes.
func braces(line []byte) (more int) {
	quoted := false
	for _, c := range line {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			more++
		case c == '}':
			more--
		}
	}
	return more
}

// others are the tables that are not those of iptables, which nft lists too where its backend is nft: on their lines of the
// text, so that what is said of a line is said of that. Nil where there are none.
func (l *listedTables) others(sets map[rules.Variant]*rules.Ruleset) []byte {
	out := make([][]byte, len(l.lines))
	kept := false
	for i := range out {
		out[i] = []byte("\n")
	}
	for _, t := range l.tables {
		if !t.isOf(sets, bytes.Join(l.lines[t.from:t.to], nil)) {
			copy(out[t.from:t.to], l.lines[t.from:t.to])
			kept = true
		}
	}
	if !kept {
		return nil
	}
	return bytes.Join(out, nil)
}

// isOf tells that a table is one of these, and not one of nft's own with the same name: it has their chains.
func (t *listedTable) isOf(sets map[rules.Variant]*rules.Ruleset, text []byte) bool {
	family, could := map[string]rules.Family{"ip": rules.IPv4, "ip6": rules.IPv6}[t.family]
	for v, set := range sets {
		table, has := set.Table(t.name)
		if !could || !has || v.Family != family || v.Backend == rules.Legacy {
			continue
		}
		foreign := slices.ContainsFunc(table.Chains, func(c rules.Chain) bool { return !bytes.Contains(text, []byte("chain "+c.Name+" {")) })
		if !foreign {
			return true
		}
	}
	return false
}
