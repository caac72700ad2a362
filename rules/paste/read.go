package paste

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"nattui/rules"
)

// commandReader takes one iptables command apart, option by option and in the
// order that iptables does. It stops at the first mistake, which says how to
// mend the words; then they are read again.
type commandReader struct {
	ground *Ground
	words  []scriptWord // the program first

	family   rules.Family
	backend  rules.Backend
	explicit bool // the program's name says the backend
	table    string

	op       byte // the letter of the command: A, I, D, …
	opAt     int
	chain    string
	number   int
	numbered bool
	other    string // the new name, or the policy

	at       map[string]int // where the options of every rule stand, by their short name
	src, dst []rules.Net
	in, out  rules.Iface
	proto    rules.ProtoMatch
	fragment rules.Fragment
	counters rules.Counters
	blocks   []*optionBlock // matches, in order
	target   *optionBlock
	goes     bool // -g

	notes     []Remark
	questions []Question
}

// mistake is what stops a command from being read, and how to mend it.
type mistake struct {
	at       int // the word it is about
	severity Level
	text     string
	absent   bool   // a chain is not there that the command would do without
	fix      string // what to write, in short
	mend     func([]scriptWord) []scriptWord
	// instead are the words of which each makes a command of its own in place of
	// the word at: tcp/udp.
	instead []string
}

func (c *commandReader) fail(at int, format string, args ...any) *mistake {
	return &mistake{at: at, severity: Error, text: fmt.Sprintf(format, args...)}
}

// replace mends by putting words in place of n words.
func (m *mistake) replace(at, n int, with ...string) *mistake {
	m.mend = func(ws []scriptWord) []scriptWord { return putWords(ws, at, n, with) }
	if m.fix == "" {
		m.fix = strings.Join(with, " ")
	}
	return m
}

func putWords(ws []scriptWord, at, n int, with []string) []scriptWord {
	at = min(at, len(ws))
	n = min(n, len(ws)-at)
	near := ws[min(at, len(ws)-1)]
	made := make([]scriptWord, len(with))
	for i, text := range with {
		made[i] = scriptWord{text: text, line: near.line, col: near.col, made: true}
		// What is not known stays so, wherever it is put.
		for j := range n {
			if old := ws[at+j]; old.text == text {
				made[i] = old
			}
		}
	}
	return slices.Concat(ws[:at], made, ws[at+n:])
}

// iptablesProgram tells by its name, or path, which iptables program a word is: its family, and its backend where
// the name says so (explicit).
func iptablesProgram(word string) (f rules.Family, b rules.Backend, explicit, ok bool) {
	name := path.Base(word)
	switch {
	case strings.HasPrefix(name, "ip6tables"):
		f, name = rules.IPv6, strings.TrimPrefix(name, "ip6tables")
	case strings.HasPrefix(name, "iptables"):
		name = strings.TrimPrefix(name, "iptables")
	default:
		return 0, 0, false, false
	}
	switch name {
	case "":
		return f, rules.NFT, false, true
	case "-nft":
		return f, rules.NFT, true, true
	case "-legacy":
		return f, rules.Legacy, true, true
	}
	return 0, 0, false, false
}

// dashes are what typesetters make of - and --.
var dashes = strings.NewReplacer("–", "--", "—", "--", "−", "-", "‐", "-", "‑", "-")

// read takes the command apart.
func (c *commandReader) read() *mistake {
	c.at = map[string]int{}
	if m := c.checkLetters(); m != nil {
		return m
	}
	not, notAt := false, 0
	for i := 1; i < len(c.words); {
		w := c.words[i]
		if w.text == "!" && !w.quoted {
			if not {
				return c.fail(i, "a second ! follows the first").replace(i, 1)
			}
			not, notAt = true, i
			i++
			continue
		}
		next, m := c.option(i, not)
		if m != nil {
			return m
		}
		if not && next < 0 {
			return c.fail(notAt, "! does not go with %s", w.text).replace(notAt, 1)
		}
		if next < 0 {
			next = -next
		}
		not = false
		i = next
	}
	if not {
		return c.fail(notAt, "! stands before nothing").replace(notAt, 1)
	}
	return c.whole()
}

// checkLetters finds what word processors and web pages put in place of plain
// letters.
func (c *commandReader) checkLetters() *mistake {
	for i, w := range c.words[1:] {
		i++
		if strings.Contains(w.text, "\u00a0") && !w.quoted {
			m := c.fail(i, "the blank in it is none to a shell, but a no-break space from a web page")
			return m.replace(i, 1, strings.FieldsFunc(w.text, func(r rune) bool { return r == '\u00a0' })...)
		}
		if !w.quoted && strings.HasPrefix(dashes.Replace(w.text), "-") && !strings.HasPrefix(w.text, "-") {
			fixed := "-" + strings.TrimLeft(dashes.Replace(w.text), "-")
			if len(fixed) > 2 {
				fixed = "-" + fixed
			}
			return c.fail(i, "the dash is a typesetter's, which iptables does not know").replace(i, 1, fixed)
		}
		if !w.quoted && strings.ContainsAny(w.text, "“”„‘’") {
			end := i
			for strings.ContainsAny(w.text, "“„‘") && !strings.ContainsAny(w.text[1:], "”’") && end+1 < len(c.words) {
				end++
				if strings.ContainsAny(c.words[end].text, "”’") {
					break
				}
			}
			var text []string
			for _, part := range c.words[i : end+1] {
				text = append(text, part.text)
			}
			fixed := strings.NewReplacer("“", "", "”", "", "„", "", "‘", "", "’", "").Replace(strings.Join(text, " "))
			return c.fail(i, "the quotes are a typesetter's, which a shell does not know").replace(i, end-i+1, fixed)
		}
	}
	return nil
}

// option reads the option at word i with its values, and returns where to go on,
// negative if a ! before it means nothing.
func (c *commandReader) option(i int, not bool) (int, *mistake) {
	w := c.words[i]
	text := w.text
	switch {
	case !strings.HasPrefix(text, "-") || text == "-" || text == "--" || isDigits(text[1:]) && c.global(text) == nil:
		return 0, c.stray(i)
	case strings.HasPrefix(text, "--"):
		return c.longOption(i, not)
	}
	if m := c.oneDash(i); m != nil {
		return 0, m
	}
	spec := c.global(text[:2])
	if spec == nil {
		return 0, c.unknownShort(i)
	}
	if len(text) > 2 {
		if spec.name == "-w" && text[2] >= '0' && text[2] <= '9' {
			return i + 1, nil // how long to wait: iptables reads what is a number of it
		}
		if spec.kind == kindNone || spec.kind == kindOptional {
			var apart []string
			for _, letter := range text[1:] {
				if c.global("-"+string(letter)) == nil {
					return 0, c.unknownLong(i, "-"+text)
				}
				apart = append(apart, "-"+string(letter))
			}
			c.words = putWords(c.words, i, 1, apart)
			return c.option(i, not)
		}
		if meant := nearest("-"+text, longNames); meant != "" && len(text) > 4 && editDistance("-"+text, meant) <= 1 {
			return 0, c.fail(i, "there is no option %s", text).replace(i, 1, meant)
		}
		if strings.Contains("-i-o-p", spec.name) {
			return 0, c.fail(i, "iptables wants a blank between %s and its value", spec.name).replace(i, 1, spec.name, text[2:])
		}
		c.words = putWords(c.words, i, 1, []string{spec.name, text[2:]})
	}
	return c.globalOption(spec, i, not)
}

func (c *commandReader) global(name string) *optionSpec {
	for k := range globalOptions {
		if globalOptions[k].spelled(name) {
			return &globalOptions[k]
		}
	}
	return nil
}

// longOption reads an option that begins with two dashes.
func (c *commandReader) longOption(i int, not bool) (int, *mistake) {
	name, value, joined := strings.Cut(c.words[i].text, "=")
	found, m := c.resolve(i, name)
	if m != nil {
		return 0, m
	}
	if joined {
		if found.spec != nil && found.block == nil && strings.Contains("-i-o-p", found.spec.name) {
			return 0, c.fail(i, "iptables wants a blank between %s and its value", name).replace(i, 1, name, value)
		}
		w := c.words[i]
		c.words = putWords(c.words, i, 1, []string{name, value})
		for _, u := range w.unknown {
			u.from, u.to = u.from-len(name)-1, u.to-len(name)-1
			c.words[i+1].unknown = append(c.words[i+1].unknown, u)
		}
		c.words[i+1].quoted = w.quoted
	}
	if found.full != name {
		c.note(i, fmt.Sprintf("%s is short for %s: iptables takes it as long as no other option begins so", name, found.full), found.full)
		w := c.words[i]
		c.words[i].text = found.full
		if joined {
			c.words[i].text += "=" + value
			for k := range w.unknown {
				c.words[i].unknown[k].from += len(found.full) - len(name)
				c.words[i].unknown[k].to += len(found.full) - len(name)
			}
		}
	}
	if found.block == nil {
		return c.globalOption(found.spec, i, not)
	}
	return c.blockOption(found, i, not)
}

func (c *commandReader) note(at int, text, fix string) {
	w := c.words[at]
	c.notes = append(c.notes, Remark{Line: w.line, Column: w.col, Word: w.text, Level: Note, Text: text, Correction: fix})
}

// value is the word that an option's value stands in, with what is not known in
// it filled by something that could be right.
func (c *commandReader) value(i int, name string, kind valueKind) (string, *mistake) {
	if i >= len(c.words) || c.isOption(i) && kind != kindText {
		m := c.fail(min(i, len(c.words)-1), "%s needs a value", name)
		if i < len(c.words) {
			m.at = i - 1
		}
		return "", m
	}
	c.findPlaceholders(i, kind)
	return c.fill(i, name, kind), nil
}

// isOption reports a word that is an option rather than a value.
func (c *commandReader) isOption(i int) bool {
	w := c.words[i]
	return !w.quoted && len(w.text) > 1 && w.text[0] == '-' && (!isDigits(w.text[1:]) || c.global(w.text) != nil)
}
