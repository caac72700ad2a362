package paste

import (
	"regexp"
	"strings"
)

// scriptWord is one word of a shell line, with quotes and escapes taken off.
// What a shell would fill in stands in it as it was written.
type scriptWord struct {
	text      string
	line, col int // where it began, from 1; columns count characters
	// unknown are the parts that somebody has to fill in.
	unknown []unknownPart
	quoted  bool // some of it stood in quotes, or was escaped
	made    bool // put in by a correction
}

// unknownPart is a variable, a substitution or a placeholder within a word.
type unknownPart struct {
	from, to int    // in the word's text
	name     string // as it is asked for
	sign     string // of ${NAME:-fallback}: what stands between them
	fallback string
	quoted   bool // it stands in double quotes, so a shell keeps it one word
}

// joint says when a shell runs a command, after the one before it.
type joint uint8

const (
	straight joint = iota
	ifDone
	ifFailed
)

// scriptCommand is one simple command of a script.
type scriptCommand struct {
	words []scriptWord
	after joint
	// tolerant is set where the script goes on if the command fails: || follows.
	tolerant bool
	// redirects are words behind >, >> and <, with the sign before them.
	redirects []scriptRedirect
	// input is a here-document, which begins on line inputLine.
	input     string
	inputLine int
	inputKept bool // its end was quoted: a shell fills nothing in
	line      int
	closed    rune // the parenthesis that ended it, or 0
}

type scriptRedirect struct {
	sign string
	to   scriptWord
}

// trouble is what a script's text alone has wrong with it.
type trouble struct {
	line, col int
	word      string
	severity  Level
	text      string
	fix       string
}

// scriptReader cuts a script into commands as a POSIX shell does (IEEE 1003.1,
// Shell Command Language, 2.3), and runs nothing of it.
type scriptReader struct {
	src       []rune
	at        int
	line, col int
	answers   map[string]string
	instances bool // %i is filled in before a shell reads the line, even inside quotes

	commands []scriptCommand
	troubles []trouble
	now      scriptCommand
	next     joint
	heredocs []*heredoc
}

// readScript cuts text into commands. Answers fill in variables.
func (im *importer) readScript(text string) ([]scriptCommand, []trouble) {
	r := &scriptReader{answers: im.ground.Answers, instances: im.instances}
	return r.read(text)
}

// read cuts text into commands.
func (r *scriptReader) read(text string) ([]scriptCommand, []trouble) {
	r.src, r.line, r.col = []rune(strings.ReplaceAll(text, "\r\n", "\n")), 1, 1
	for r.at < len(r.src) {
		r.step()
	}
	r.end(straight)
	return r.commands, r.troubles
}

func (r *scriptReader) peek(n int) rune {
	if r.at+n < len(r.src) {
		return r.src[r.at+n]
	}
	return 0
}

// take moves on by one character.
func (r *scriptReader) take() rune {
	c := r.src[r.at]
	r.at++
	if c == '\n' {
		r.line++
		r.col = 1
	} else {
		r.col++
	}
	return c
}

func (r *scriptReader) skip(n int) {
	for range n {
		if r.at < len(r.src) {
			r.take()
		}
	}
}

func (r *scriptReader) say(line, col int, word string, s Level, text, fix string) {
	r.troubles = append(r.troubles, trouble{line, col, word, s, text, fix})
}

// end closes the command that is being read; after says how the next hangs on it.
func (r *scriptReader) end(after joint) {
	if len(r.now.words) > 0 || len(r.now.redirects) > 0 {
		r.now.after = r.next
		r.now.tolerant = after == ifFailed
		r.commands = append(r.commands, r.now)
	}
	for _, h := range r.heredocs {
		if h.command < 0 {
			h.command = len(r.commands) - 1
		}
	}
	r.now, r.next = scriptCommand{}, after
}

// step reads one word, sign or blank.
func (r *scriptReader) step() {
	line, col := r.line, r.col
	switch c := r.peek(0); {
	case c == '\n':
		after := straight
		if len(r.now.words) == 0 {
			after = r.next // a line may end after && and ||
		}
		r.take()
		r.end(after)
		r.readHeredocs()
	case c == ' ' || c == '\t' || c == '\r':
		r.take()
	case c == noBreak:
		r.say(line, col, string(c), Note, "the blank here is none to a shell, but a no-break space from a web page: it is taken for a blank", "")
		r.take()
	case c == '>' && len(r.now.words) == 0 && len(r.now.redirects) == 0 && promptedProgram.MatchString(string(r.src[r.at:min(r.at+60, len(r.src))])):
		r.take()
	case c == '\\' && r.continues() > 0:
		n := r.continues()
		if n > 2 {
			r.say(line, col, `\`, Error, "blanks follow the backslash, so a shell does not continue the line here: the backslash has to be the last character", "")
		}
		r.skip(n)
	case c == '#':
		r.comment()
	case c == '&' && r.peek(1) == '>':
		r.redirect(2)
	case strings.ContainsRune("&|;()", c):
		r.operator(c)
	case c == '<' && r.placeholder() > 0:
		r.word()
	case c == '<' || c == '>':
		n := 1
		if r.peek(1) == c || r.peek(1) == '&' {
			n = 2
		}
		r.redirect(n)
	case c >= '0' && c <= '9' && (r.peek(1) == '>' || r.peek(1) == '<'):
		n := 2
		if r.peek(2) == '>' || r.peek(2) == '&' {
			n = 3
		}
		r.redirect(n)
	default:
		r.word()
	}
}

// operator reads a sign that ends a command (sh(1), "control operators").
func (r *scriptReader) operator(c rune) {
	line, col := r.line, r.col
	twice := r.peek(1) == c
	r.take()
	after := straight
	r.now.closed = 0
	switch {
	case c == '&' && twice:
		r.take()
		after = ifDone
	case c == '|' && twice:
		r.take()
		after = ifFailed
	case c == '|':
		r.say(line, col, "|", Error, "a pipe joins programs, and nothing is run here: paste the iptables commands alone", "")
	case c == '(' || c == ')':
		r.say(line, col, string(c), Error, "parentheses are shell logic, and nothing is run here: paste the iptables commands alone", "")
		r.now.closed = c
	}
	r.end(after)
}

// continues is the length of a backslash at a line's end, blanks after it included.
func (r *scriptReader) continues() int {
	for i := r.at + 1; i < len(r.src); i++ {
		switch r.src[i] {
		case ' ', '\t', '\r':
		case '\n':
			return i + 1 - r.at
		default:
			return 0
		}
	}
	return 0
}

// noBreak is the blank that web pages put where a line must not be broken.
const noBreak = '\u00a0'

// A comment between a line that ends in a backslash and one of options.
var (
	continuedBefore = regexp.MustCompile(`\\\r?\n([ \t]*#[^\n]*\n)*[ \t]*$`)
	optionNext      = regexp.MustCompile(`^\n[ \t]*(-|\\\r?\n|#)`)
)

// promptedProgram is a command pasted with the prompt > in front.
var promptedProgram = regexp.MustCompile(`^>\s+(sudo\s+)?(/\S*/)?ip6?tables(-\w+)?\s`)

// promptComment is a command pasted with the prompt of root's shell.
var promptComment = regexp.MustCompile(`^#\s+(sudo\s+)?(/\S*/)?ip6?tables(-\w+)?\s`)

// comment leaves out a comment. One that stands where a line is continued ends the command for a shell, which then
// takes the options that follow for another one.
func (r *scriptReader) comment() {
	line, col, from := r.line, r.col, r.at
	continued := len(r.now.words) > 0 && continuedBefore.MatchString(string(r.src[max(0, from-400):from]))
	for r.at < len(r.src) && r.src[r.at] != '\n' {
		r.take()
	}
	text := string(r.src[from:r.at])
	if continued && optionNext.MatchString(string(r.src[r.at:min(r.at+80, len(r.src))])) {
		r.say(line, col, "#", Error, "a comment ends the command here, although the line before is continued: the options behind it would be cut off", "no comment between the lines")
		r.take()
	}
	if len(r.now.words) == 0 && promptComment.MatchString(text) {
		r.say(line, col, "#", Note, "a line that begins with # is a comment and is left out; if # is the prompt it was copied with, paste it without", strings.TrimSpace(text[1:]))
	}
}

// placeholder is the length of something like <your address> here, 0 if it is
// no such thing but a redirection.
func (r *scriptReader) placeholder() int {
	for i := 1; i < 40; i++ {
		switch c := r.peek(i); {
		case c == '>':
			if i == 1 {
				return 0
			}
			return i + 1
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == '-' && i > 1, c == '.' && i > 1, c >= '0' && c <= '9' && i > 1, c == '\'' && i > 1:
		case c == ' ' && i > 1:
		default:
			return 0
		}
	}
	return 0
}

func (r *scriptReader) redirect(n int) {
	sign := string(r.src[r.at:min(r.at+n, len(r.src))])
	r.skip(n)
	if strings.HasSuffix(sign, "<<") {
		r.heredocStart()
		return
	}
	for r.peek(0) == ' ' || r.peek(0) == '\t' {
		r.take()
	}
	if c := r.peek(0); c == 0 || c == '\n' || c == ';' {
		return
	}
	before := len(r.now.words)
	r.word()
	if len(r.now.words) > before {
		r.now.redirects = append(r.now.redirects, scriptRedirect{sign, r.now.words[before]})
		r.now.words = r.now.words[:before]
	}
}

// word reads one word, quotes and all.
func (r *scriptReader) word() {
	w := scriptWord{line: r.line, col: r.col}
	if len(r.now.words) == 0 {
		r.now.line = r.line
	}
	q := quotes{open: [2]int{r.line, r.col}}
	var b strings.Builder
	for r.at < len(r.src) {
		c := r.peek(0)
		if q.now == 0 && (c != '<' || r.placeholder() == 0) && strings.ContainsRune(" \t\n;&|<>()\u00a0", c) {
			break
		}
		r.character(&w, &b, &q)
	}
	if q.now != 0 {
		r.say(q.open[0], q.open[1], string(q.now), Error, "a quote is opened here and never closed", "")
	}
	w.text = b.String()
	r.now.words = append(r.now.words, w)
}

// quotes is the quote that the reader is inside of, 0 where there is none, and where the last one opened.
type quotes struct {
	now  rune
	open [2]int // line and column
}

// character reads the next character of a word, or what a backslash, a quote or a gap makes of several.
func (r *scriptReader) character(w *scriptWord, b *strings.Builder, q *quotes) {
	c := r.peek(0)
	switch {
	case c == '%' && r.instances && r.peek(1) == 'i':
		from := b.Len()
		b.WriteString(instance)
		r.skip(len(instance))
		r.ask(w, b, unknownPart{from: from, name: instance, quoted: true})
	case q.now == '\'':
		r.take()
		if c == '\'' {
			q.now = 0
		} else {
			b.WriteRune(c)
		}
	case c == '$' && q.now == 0 && r.peek(1) == '\'':
		w.quoted = true
		r.escaped(b)
	case c == '$' || c == '`':
		if !r.fill(w, b, q.now == '"') {
			b.WriteRune(r.take())
		}
	case q.now == '"':
		r.insideDouble(b, q)
	case c == '\'' || c == '"':
		*q = quotes{c, [2]int{r.line, r.col}}
		w.quoted = true
		r.take()
	case c == '\\':
		if n := r.continues(); n > 0 {
			r.skip(n)
			return
		}
		r.take()
		w.quoted = true
		if r.at < len(r.src) {
			b.WriteRune(r.take())
		}
	case c == '<':
		n := r.placeholder()
		from := b.Len()
		b.WriteString(string(r.src[r.at : r.at+n]))
		r.skip(n)
		r.ask(w, b, unknownPart{from: from, name: b.String()[from:]})
	default:
		b.WriteRune(r.take())
	}
}

// insideDouble reads a character inside double quotes, where a backslash quotes only some.
func (r *scriptReader) insideDouble(b *strings.Builder, q *quotes) {
	switch c := r.take(); {
	case c == '"':
		q.now = 0
	case c == '\\' && r.at < len(r.src) && strings.ContainsRune("\\\"$`", r.peek(0)):
		b.WriteRune(r.take())
	case c == '\\' && r.peek(0) == '\n':
		r.take()
	default:
		b.WriteRune(c)
	}
}

// fill reads what a shell would fill in: a variable, or what a command prints.
func (r *scriptReader) fill(w *scriptWord, b *strings.Builder, quoted bool) bool {
	from := r.at
	n := r.unknownLength()
	if n == 0 {
		return false
	}
	text := string(r.src[from : from+n])
	name, sign, fallback := text, "", ""
	switch {
	case strings.HasPrefix(text, "${"):
		name = strings.TrimSuffix(text[2:], "}")
		if i := strings.IndexAny(name, ":-=+?%#"); i > 0 {
			fallback = strings.TrimLeft(name[i:], ":-=+?%#")
			sign = name[i : len(name)-len(fallback)]
			name = name[:i]
		}
	case text[0] == '$' && len(text) > 1 && text[1] != '(':
		name = text[1:]
	}
	start := b.Len()
	r.skip(n)
	b.WriteString(text)
	r.ask(w, b, unknownPart{from: start, name: name, sign: sign, fallback: fallback, quoted: quoted})
	return true
}

// unknownLength is how much text at the cursor a shell would replace.
func (r *scriptReader) unknownLength() int {
	if r.peek(0) == '`' {
		for i := 1; r.at+i < len(r.src); i++ {
			if r.peek(i) == '`' {
				return i + 1
			}
		}
		return len(r.src) - r.at
	}
	switch c := r.peek(1); {
	case c == '{' || c == '(':
		closing := map[rune]rune{'{': '}', '(': ')'}[c]
		depth := 0
		for i := 1; r.at+i < len(r.src); i++ {
			switch r.peek(i) {
			case c:
				depth++
			case closing:
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
		return len(r.src) - r.at
	case isNameRune(c) && (c < '0' || c > '9'):
		n := 2
		for isNameRune(r.peek(n)) {
			n++
		}
		return n
	case c >= '0' && c <= '9' || strings.ContainsRune("@*#?!-$", c) && c != 0:
		return 2
	}
	return 0
}

func isNameRune(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// ask notes an unknown part that ends at the end of b, or fills it in.
func (r *scriptReader) ask(w *scriptWord, b *strings.Builder, u unknownPart) {
	if value, ok := r.answers[u.name]; ok {
		text := b.String()[:u.from] + value
		b.Reset()
		b.WriteString(text)
		return
	}
	u.to = b.Len()
	w.unknown = append(w.unknown, u)
}
