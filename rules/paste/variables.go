package paste

import (
	"regexp"
	"strings"
)

// assignment keeps NAME=VALUE for the lines that follow, as a shell does. A value that only running something would
// tell is not known.
func (im *importer) assignment(w scriptWord) bool {
	name, value, ok := assigns(w)
	if !ok {
		return false
	}
	known := len(w.unknown) == 0
	if program := foundProgram.FindStringSubmatch(value); program != nil {
		value, known = program[1], true
	}
	if !known {
		value = ""
	}
	im.assign(name, value, known)
	return true
}

// foundProgram is how scripts look for their program.
var foundProgram = regexp.MustCompile("^(?:\\$\\(|`)(?:which|command -v|type -p)\\s+((?:/\\S*/)?ip6?tables(?:-nft|-legacy)?)(?:\\s*2>\\S+)?\\s*(?:\\)|`)$")

// assigns reads a word as NAME=VALUE.
func assigns(w scriptWord) (name, value string, ok bool) {
	name, value, ok = strings.Cut(w.text, "=")
	if !ok || name == "" || strings.IndexFunc(name, func(r rune) bool { return !isNameRune(r) }) >= 0 || name[0] >= '0' && name[0] <= '9' {
		return "", "", false
	}
	return name, value, true
}

func (im *importer) assign(name, value string, known bool) {
	im.ground.assigned[name] = value
	im.unsure[name] = !known
}

// declare takes  export NAME=VALUE  and the like, and the commands that give variables values of their own.
func (im *importer) declare(words []scriptWord) bool {
	switch words[0].text {
	case "export", "readonly", "local", "declare", "typeset":
		for _, w := range words[1:] {
			im.assignment(w)
		}
	case "unset":
		for _, w := range words[1:] {
			im.assign(w.text, "", true)
		}
	case "read", "getopts":
		for _, w := range words[1:] {
			im.assign(w.text, "", false)
		}
		return false
	case ".", "source", "eval":
		im.sourced = true // which may set any of them
		for name := range im.ground.assigned {
			im.unsure[name] = true
		}
		return false
	default:
		return false
	}
	return true
}

// filled puts in what is known of the variables at this line. An unquoted value is cut into words at its blanks
// (IEEE 1003.1, Shell Command Language, 2.6.5).
func (im *importer) filled(words []scriptWord) []scriptWord {
	var out []scriptWord
	for _, w := range words {
		if len(w.unknown) == 0 {
			out = append(out, w)
			continue
		}
		out = append(out, im.fillWord(w)...)
	}
	return out
}

func (im *importer) fillWord(w scriptWord) []scriptWord {
	var out []scriptWord
	next := scriptWord{line: w.line, col: w.col, quoted: w.quoted}
	from, some := 0, w.quoted
	_, _, keeps := assigns(w)
	for _, u := range w.unknown {
		next.text += w.text[from:u.from]
		from = u.to
		value, ok := im.value(u)
		if !ok {
			start := len(next.text)
			next.text += w.text[u.from:u.to]
			u.from, u.to = start, len(next.text)
			next.unknown = append(next.unknown, u)
			continue
		}
		if fields := strings.Fields(value); !u.quoted && !keeps && len(fields) > 1 {
			for _, f := range fields[:len(fields)-1] {
				next.text += f
				out = append(out, next)
				next = scriptWord{line: w.line, col: w.col, quoted: w.quoted}
			}
			value = fields[len(fields)-1]
		}
		next.text += value
	}
	next.text += w.text[from:]
	if next.text != "" || some {
		out = append(out, next)
	}
	return out
}

// value is what a shell would put in, where the script alone says it.
func (im *importer) value(u unknownPart) (string, bool) {
	value, given := im.ground.assigned[u.name]
	if im.unsure[u.name] || im.sourced && !given {
		return "", false
	}
	switch u.sign {
	case "", ":?", "?":
		return value, given
	case "-", "=", ":-", ":=":
		if given && (value != "" || u.sign[0] != ':') {
			return value, true
		}
		if strings.ContainsAny(u.fallback, "$`") {
			return "", false
		}
		if strings.HasSuffix(u.sign, "=") {
			im.assign(u.name, u.fallback, true)
		}
		return u.fallback, true
	}
	return "", false
}

// inDocument finds the variables in a word of a here-document, where a shell fills them in.
func (im *importer) inDocument(w scriptWord) scriptWord {
	r := &scriptReader{src: []rune(w.text), line: w.line, col: w.col, answers: im.ground.Answers}
	out := scriptWord{line: w.line, col: w.col, quoted: w.quoted}
	var b strings.Builder
	for r.at < len(r.src) {
		if c := r.peek(0); c != '$' && c != '`' || !r.fill(&out, &b, true) {
			b.WriteRune(r.take())
		}
	}
	out.text = b.String()
	if len(out.unknown) == 0 {
		return out
	}
	out.quoted = true // it stays one word, even if it is empty
	filled := im.fillWord(out)[0]
	filled.quoted = w.quoted
	return filled
}

// variableProgram takes a command whose program is a variable, which in scripts
// of this kind is iptables.
func (im *importer) variableProgram(words []scriptWord, tolerant bool) bool {
	u := words[0].unknown[0]
	suggestion := im.ground.assigned[u.name]
	if suggestion == "" {
		suggestion = "iptables"
		if strings.Contains(u.name, "6") {
			suggestion = "ip6tables"
		}
	}
	if _, _, _, ok := iptablesProgram(suggestion); !ok {
		return false
	}
	im.ask([]Question{{Name: u.name, Line: words[0].line, Column: words[0].col, What: "the program", Suggestion: suggestion}})
	im.iptablesAs(words, suggestion, tolerant)
	return true
}
