package paste

import (
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
)

// isSaved reports the output of iptables-save, rather than commands.
func isSaved(text string) bool {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		return len(line) > 1 && line[0] == '*' && strings.IndexFunc(line[1:], func(r rune) bool { return r < 'a' || r > 'z' }) < 0
	}
	return false
}

// saved takes the output of iptables-save. What stands in the tables stays, as
// with iptables-restore --noflush, and a rule that stands there already is not
// made a second time.
func (im *importer) saved(text string, from int, family rules.Family, backend rules.Backend, explicit, expands bool) {
	s := savedReader{importer: im, expands: expands, family: family, backend: backend, program: family.Command(), owned: map[string]int{}}
	if explicit {
		s.program += "-" + backend.String()
	}
	n := from
	for line := range strings.Lines(strings.ReplaceAll(text, "\r\n", "\n")) {
		if !im.going(n - from) {
			return
		}
		s.line(n, strings.TrimRight(line, "\n"))
		n++
	}
	if s.table != "" {
		im.find(Remark{n - 1, 1, "", Note, "COMMIT is missing at the end: the table is taken as whole", "COMMIT"})
	}
	if s.present > 0 {
		im.present = true
		im.find(Remark{from, 1, "", Note, fmt.Sprintf("%d of its rules stand in the tables already and are left as they are", s.present), ""})
	}
	for owner, n := range s.owned {
		im.find(Remark{from, 1, "", Note, fmt.Sprintf("%d of its rules are of %s, which makes them itself when it needs them", n, owner), ""})
	}
	im.find(Remark{from, 1, "", Note, "what stands in the tables now stays: these rules are added to it", ""})
}

type savedReader struct {
	*importer
	family  rules.Family
	backend rules.Backend
	program string
	table   string
	expands bool // a shell fills in its variables
	present int
	owned   map[string]int
	lines   map[string]map[string]bool // lines of the rules that stood there, by chain
}

func (s *savedReader) line(n int, line string) {
	trimmed := strings.TrimSpace(line)
	s.importer.line = n
	fail := func(text string) {
		s.find(Remark{n, 1, trimmed, Error, text, ""})
	}
	switch {
	case trimmed == "" || trimmed[0] == '#':
		return
	case trimmed[0] == '*':
		s.table = trimmed[1:]
		if _, ok := rules.BuiltInChains[s.table]; !ok {
			m := nearest(s.table, []string{"nat", "filter", "mangle", "raw", "security"})
			s.find(Remark{n, 1, trimmed, Error, fmt.Sprintf("there is no table %q", s.table), "*" + m})
			if s.table = m; m == "" {
				s.table = "nat"
			}
		}
		s.remember()
	case trimmed == "COMMIT":
		s.table = ""
	case s.table == "":
		fail("this line stands outside a table: it has to come between *TABLE and COMMIT")
	case trimmed[0] == ':':
		s.chain(n, trimmed)
	default:
		s.rule(n, line)
	}
}

// remember notes which rules stand in the table before anything is added.
func (s *savedReader) remember() {
	s.lines = map[string]map[string]bool{}
	if t, ok := s.set(rules.Variant{Family: s.family, Backend: s.backend}).Table(s.table); ok {
		for _, c := range t.Chains {
			have := make(map[string]bool, len(c.Rules))
			for _, r := range c.Rules {
				have[r.String()] = true
			}
			s.lines[c.Name] = have
		}
	}
}

func (s *savedReader) chain(n int, line string) {
	c, err := rules.ParseChain(line)
	if err != nil {
		s.find(Remark{n, 1, line, Error, err.Error(), ""})
		return
	}
	word := func(text string) scriptWord { return scriptWord{text: text, line: n, col: 1} }
	switch {
	case rules.IsBuiltIn(s.table, c.Name):
		have, ok := s.set(rules.Variant{Family: s.family, Backend: s.backend}).Chain(s.table, c.Name)
		if c.Policy == "-" || ok && have.Policy == c.Policy || !ok && c.Policy == "ACCEPT" {
			return
		}
		s.iptables([]scriptWord{word(s.program), word("-t"), word(s.table), word("-P"), word(c.Name), word(c.Policy)}, false)
	case !s.ground.hasChain(s.family, s.backend, s.table, c.Name):
		s.iptables([]scriptWord{word(s.program), word("-t"), word(s.table), word("-N"), word(c.Name)}, false)
	}
}

func (s *savedReader) rule(n int, line string) {
	_, spec := rules.CutCounters(strings.TrimLeft(line, " \t"))
	offset := len(line) - len(spec)
	words, err := savedWords(spec, n, offset)
	if err != nil {
		s.find(Remark{n, offset + 1, "", Error, err.Error(), ""})
		return
	}
	if s.expands {
		for i := range words {
			words[i] = s.inDocument(words[i])
		}
	}
	if r, err := rules.Parse(strings.TrimRight(spec, " \t")); err == nil {
		if s.lines[r.Chain][r.String()] {
			s.present++
			return
		}
		if o := rules.OwnerOf(r); o != "" {
			s.owned[o]++
		}
	}
	front := []scriptWord{{text: s.program, line: n, col: offset + 1}, {text: "-t", line: n, col: offset + 1}, {text: s.table, line: n, col: offset + 1}}
	s.iptables(slices.Concat(front, words), false)
}

// savedWords is Split with the places of the words.
func savedWords(line string, n, offset int) ([]scriptWord, error) {
	texts, err := rules.Split(line)
	if err != nil {
		return nil, err
	}
	words := make([]scriptWord, 0, len(texts))
	at := 0
	for _, t := range texts {
		for at < len(line) && (line[at] == ' ' || line[at] == '\t') {
			at++
		}
		w := scriptWord{text: t, line: n, col: offset + at + 1, quoted: at < len(line) && line[at] == '"'}
		quoted := false
		for ; at < len(line); at++ {
			if quoted && line[at] == '\\' {
				at++
				continue
			}
			if line[at] == '"' {
				quoted = !quoted
			}
			if !quoted && (line[at] == ' ' || line[at] == '\t') {
				break
			}
		}
		words = append(words, w)
	}
	return words, nil
}

// restore takes iptables-restore with a here-document; a file is not opened.
func (im *importer) restore(sc *scriptCommand, name string) {
	family, backend, explicit := rules.IPv4, im.ground.Backend, false
	if strings.HasPrefix(name, "ip6") {
		family = rules.IPv6
	}
	switch {
	case strings.Contains(name, "-legacy"):
		backend, explicit = rules.Legacy, true
	case strings.Contains(name, "-nft"):
		backend, explicit = rules.NFT, true
	}
	if sc.input == "" {
		w := sc.words[0]
		im.find(Remark{w.line, w.col, w.text, Doubt, "files are not opened from here: give the file itself to nattui import", "nattui import FILE"})
		im.out.Corrected = append(im.out.Corrected, "# "+commandText(sc.words))
		return
	}
	im.saved(sc.input, sc.inputLine, family, backend, explicit, !sc.inputKept)
}
