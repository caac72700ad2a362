package model

import (
	"fmt"
	"slices"
	"strings"

	"nattui/model/flow"
)

// ParseQuery reads a filter line. An error is always a *QueryError. rules may be nil;
// then a rule is named by its number in the table of explanations.
func ParseQuery(text string, rules RuleFinder) (Query, error) {
	p := &queryParser{words: queryWords(text), end: len(text), rules: rules}
	if len(p.words) == 0 {
		return Query{}, nil
	}
	test, err := p.alternatives()
	if err != nil {
		return Query{}, err
	}
	if w, ok := p.peek(); ok {
		return Query{}, w.problem("there is no parenthesis open here")
	}
	return Query{text: text, test: test, rates: p.rates, rules: p.asksRules, event: p.event}, nil
}

// word is a part of the line: between blanks, a parenthesis, a sign of comparison, or a quoted text.
type word struct {
	text     string
	pos, end int
	quoted   bool
}

func (w word) problem(format string, args ...any) error {
	return &QueryError{Pos: w.pos, End: w.end, Word: w.text, Problem: fmt.Sprintf(format, args...)}
}

// lacks is a problem that more words may solve, where none are left.
func (p *queryParser) lacks(w word, format string, args ...any) error {
	return &QueryError{Pos: w.pos, End: w.end, Word: w.text, Problem: fmt.Sprintf(format, args...), Open: len(p.words) == 0}
}

func (w word) is(texts ...string) bool {
	return !w.quoted && slices.Contains(texts, strings.ToLower(w.text))
}

// queryWords splits a line. A quote that is not closed runs to the end: the line is still being typed.
func queryWords(text string) []word {
	var words []word
	for i := 0; i < len(text); {
		start := i
		switch c := text[i]; {
		case isBlank(c):
			i++
			continue
		case c == '(' || c == ')':
			i++
		case isSign(c):
			for i < len(text) && isSign(text[i]) {
				i++
			}
		case isQuote(c):
			close := strings.IndexByte(text[i+1:], c)
			if close < 0 {
				close = len(text) - i - 1
			}
			i = min(len(text), i+close+2)
			words = append(words, word{strings.Trim(text[start:i], string(c)), start, i, true})
			continue
		default:
			for i < len(text) && !isBlank(text[i]) && !isSign(text[i]) && text[i] != '(' && text[i] != ')' && !isQuote(text[i]) {
				i++
			}
		}
		words = append(words, word{text[start:i], start, i, false})
	}
	return words
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isQuote(c byte) bool { return c == '"' || c == '\'' }

func isSign(c byte) bool { return c == '=' || c == '<' || c == '>' || c == '!' }

// queryParser reads words from left to right. depth keeps a line of ten thousand
// parentheses from exhausting the stack.
type queryParser struct {
	words []word
	end   int
	rules RuleFinder
	depth int
	// rates, asksRules and event tell what the conditions so far ask for.
	rates, asksRules bool
	event            word
}

const queryDepth = 100

func (p *queryParser) peek() (word, bool) {
	if len(p.words) == 0 {
		return word{pos: p.end, end: p.end}, false
	}
	return p.words[0], true
}

func (p *queryParser) take() (word, bool) {
	w, ok := p.peek()
	if ok {
		p.words = p.words[1:]
	}
	return w, ok
}

// alternatives reads: all { "or" all }.
func (p *queryParser) alternatives() (condition, error) {
	first, err := p.all()
	if err != nil {
		return nil, err
	}
	tests := []condition{first}
	for {
		if w, ok := p.peek(); !ok || !w.is("or", "||", "|") {
			break
		}
		p.take()
		next, err := p.all()
		if err != nil {
			return nil, err
		}
		tests = append(tests, next)
	}
	return anyOf(tests), nil
}

// anyOf is true where one of the tests is.
func anyOf(tests []condition) condition {
	if len(tests) == 1 {
		return tests[0]
	}
	return func(f *flow.Flow, now int64, kind flow.ChangeKind) bool {
		for _, test := range tests {
			if test(f, now, kind) {
				return true
			}
		}
		return false
	}
}

// all reads conditions up to an "or", a closing parenthesis or the end.
func (p *queryParser) all() (condition, error) {
	var tests []condition
	for {
		w, ok := p.peek()
		if !ok || w.is("or", "||", "|", ")") {
			if len(tests) == 0 {
				return nil, p.lacks(w, "a condition is missing here, such as dst 192.168.0.2 or nat dnat")
			}
			return every(tests), nil
		}
		if w.is("and", "&&", "&") {
			p.take()
			continue
		}
		test, err := p.one()
		if err != nil {
			return nil, err
		}
		tests = append(tests, test)
	}
}

func every(tests []condition) condition {
	switch len(tests) {
	case 1:
		return tests[0]
	case 2:
		a, b := tests[0], tests[1]
		return func(f *flow.Flow, now int64, kind flow.ChangeKind) bool { return a(f, now, kind) && b(f, now, kind) }
	}
	return func(f *flow.Flow, now int64, kind flow.ChangeKind) bool {
		for _, test := range tests {
			if !test(f, now, kind) {
				return false
			}
		}
		return true
	}
}

// one reads: "not" one, "(" alternatives ")", or a condition.
func (p *queryParser) one() (condition, error) {
	w, ok := p.take()
	if p.depth++; p.depth > queryDepth {
		return nil, w.problem("nested too deeply")
	}
	defer func() { p.depth-- }()
	switch {
	case !ok:
		return nil, p.lacks(w, "a condition is missing here")
	case w.is("not", "!"):
		test, err := p.one()
		if err != nil {
			return nil, err
		}
		return func(f *flow.Flow, now int64, kind flow.ChangeKind) bool { return !test(f, now, kind) }, nil
	case w.is("("):
		test, err := p.alternatives()
		if err != nil {
			return nil, err
		}
		if c, ok := p.take(); !ok || !c.is(")") {
			return nil, p.lacks(w, "the parenthesis is not closed")
		}
		return test, nil
	case w.is(")"):
		return nil, w.problem("there is no parenthesis open here")
	case w.quoted:
		return freeText(w.text), nil
	case isSign(w.text[0]):
		return nil, w.problem("a comparison needs a property before it, such as rate>1M")
	}
	return p.condition(w)
}

// condition reads what a property needs after it, or takes the word as free text.
func (p *queryParser) condition(key word) (condition, error) {
	key = p.cutColon(key)
	name := keyName(key.text)
	if name == "orig" || name == "reply" {
		return p.side(key, name)
	}
	k, ok := queryKeys[name]
	if !ok {
		return p.text(key)
	}
	sign, value, err := p.value(key, name, k)
	if err != nil {
		return nil, err
	}
	p.rates = p.rates || name == "rate" || name == "pps"
	p.asksRules = p.asksRules || name == "rule"
	if name == "event" && p.event.text == "" {
		p.event = key
	}
	return k.compile(p, sign, value)
}

// cutColon takes a colon behind a property for a blank: dst:10.0.0.1.
func (p *queryParser) cutColon(key word) word {
	name, value, ok := strings.Cut(key.text, ":")
	if _, known := queryKeys[keyName(name)]; !ok || !known {
		return key
	}
	middle := key.pos + len(name) + 1
	if value != "" {
		p.words = slices.Concat([]word{{text: value, pos: middle, end: key.end}}, p.words)
	}
	return word{text: name, pos: key.pos, end: middle - 1}
}

// text takes a word as free text, unless no flow can have it.
func (p *queryParser) text(w word) (condition, error) {
	if next, more := p.peek(); more && !next.quoted && isSign(next.text[0]) && next.text[0] != '!' {
		return nil, w.problem("is no property of a flow that can be compared; these are: %s", strings.Join(orderedKeys, ", "))
	}
	if test := bareWord(w.text); test != nil {
		return test, nil
	}
	if why := hopeless(w.text); why != "" {
		return nil, w.problem("%s", why)
	}
	return freeText(w.text), nil
}

// value reads an optional sign and the value of a property.
func (p *queryParser) value(key word, name string, k queryKey) (sign string, value word, err error) {
	if w, ok := p.peek(); ok && !w.quoted && (isSign(w.text[0]) || w.is("not")) {
		sign = w.text
		if sign == "!" || w.is("not") {
			sign = "!="
		}
		switch {
		case !slices.Contains([]string{"=", "==", "!=", "<", "<=", ">", ">="}, sign):
			return "", w, w.problem("is no comparison; these are: = != < <= > >=")
		case !k.ordered && sign != "=" && sign != "==" && sign != "!=":
			return "", w, w.problem("%s can be compared with = and != alone", key.text)
		}
		p.take()
	}
	value, ok := p.take()
	if !ok || value.is("(", ")") {
		if sign == "" {
			value = key
		}
		return "", value, p.lacks(value, "%s needs %s", key.text, k.wants)
	}
	return sign, p.whole(value, name, k), nil
}

// whole takes up what belongs to a value although a blank stands between: the rest of a list after or
// before a comma, the unit of a number, the number of a rule behind its chain.
func (p *queryParser) whole(value word, name string, k queryKey) word {
	join := func(between string) {
		next, _ := p.take()
		value.text, value.end = value.text+between+next.text, next.end
	}
	for {
		next, more := p.peek()
		switch {
		case !more || next.quoted || value.quoted || isSign(next.text[0]) || next.is("(", ")"):
			return value
		case strings.HasSuffix(value.text, ",") != strings.HasPrefix(next.text, ","):
			join("")
		case k.units != nil && isUnit(next.text, k.units) && isPlain(value.text):
			join("")
		case name == "rule" && isPlain(next.text) && strings.ToUpper(value.text) == value.text && !strings.ContainsAny(value.text, "/0123456789"):
			join("/")
		default:
			return value
		}
	}
}

// isUnit tells whether a word is a unit alone.
func isUnit(text string, u units) bool {
	_, ok := u(strings.ToLower(text))
	return ok && text != ""
}

// isPlain tells whether a word is a number without a unit.
func isPlain(text string) bool { return text != "" && strings.Trim(text, "0123456789.") == "" }

// side reads "orig src A" and its like.
func (p *queryParser) side(key word, name string) (condition, error) {
	w, ok := p.take()
	side := word{text: w.text, pos: w.pos, end: w.end}
	if first, rest, cut := strings.Cut(w.text, ":"); cut {
		if _, known := queryKeys[name+" "+keyName(first)]; known {
			side = word{text: first, pos: w.pos, end: w.pos + len(first)}
			if rest != "" {
				p.words = slices.Concat([]word{{text: rest, pos: side.end + 1, end: w.end}}, p.words)
			}
		}
	}
	full := name + " " + keyName(side.text)
	k, known := queryKeys[full]
	if !ok || !known {
		if !ok {
			w = key
		}
		return nil, p.lacks(w, "after %s comes src, dst, sport or dport", key.text)
	}
	sign, value, err := p.value(side, full, k)
	if err != nil {
		return nil, err
	}
	return k.compile(p, sign, value)
}
