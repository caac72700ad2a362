package filter

import (
	"fmt"
	"slices"
	"strings"

	"nattui/model/flow"
)

// Parse reads a filter line. An error is always an *Error. rules may be nil;
// then a rule is named by its number in the table of explanations.
func Parse(text string, rules RuleFinder) (Query, error) { return parse(text, rules, false) }

// ParseTyped reads a line that is still being typed, as far as it is finished: an "and" waits for what comes behind it, and a
// text whose quotation mark is not closed yet is searched for as far as it goes.
func ParseTyped(text string, rules RuleFinder) (Query, error) { return parse(text, rules, true) }

func parse(text string, rules RuleFinder, typed bool) (Query, error) {
	p := &queryParser{words: Words(text), end: len(text), rules: rules, typed: typed}
	if len(p.words) == 0 {
		return Query{}, nil
	}
	if err := Unclosed(text, p.words); err != nil && !typed {
		return Query{}, err
	}
	test, err := p.alternatives()
	if err != nil {
		return Query{}, err
	}
	if w, ok := p.peek(); ok {
		return Query{}, w.Problem("there is no open parenthesis here")
	}
	return Query{text: text, test: test, rates: p.rates, counters: p.counters, rules: p.asksRules, event: p.event}, nil
}

// Word is a part of the line: between blanks, a parenthesis, a sign of comparison, or a quoted text.
type Word struct {
	Text     string
	pos, end int
	quoted   bool
	unclosed bool // it lacks the quotation mark at its end
}

// Problem is the *Error that the word is wrong.
func (w Word) Problem(format string, args ...any) error {
	return &Error{Pos: w.pos, End: w.end, Word: w.Text, Problem: fmt.Sprintf(format, args...)}
}

// NotAddress is the *Error that the word, in the place of an address, is none.
func (w Word) NotAddress(format string, args ...any) error {
	return &Error{Pos: w.pos, End: w.end, Word: w.Text, Problem: fmt.Sprintf("is not an address; "+format, args...), NoAddress: true}
}

// lacks is a problem that more words may solve, where none are left.
func (p *queryParser) lacks(w Word, format string, args ...any) error {
	return &Error{Pos: w.pos, End: w.end, Word: w.Text, Problem: fmt.Sprintf(format, args...), Open: len(p.words) == 0}
}

// Unclosed is an *Error at the word whose quotation mark is not closed, of those of a line; nil where there is none.
func Unclosed(text string, words []Word) error {
	n := len(words)
	if n == 0 || !words[n-1].unclosed {
		return nil
	}
	w := words[n-1]
	return &Error{Pos: w.pos, End: w.end, Word: text[w.pos:w.end], Problem: "the quotation mark is not closed", Open: true}
}

// Is reports whether the word is one of some, in letters of either case. A quoted word is none.
func (w Word) Is(texts ...string) bool {
	return !w.quoted && slices.Contains(texts, strings.ToLower(w.Text))
}

// Words splits a line. A quote that is not closed runs to the end: the line is still being typed.
func Words(text string) []Word {
	var words []Word
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
			unclosed := close < 0
			if unclosed {
				close = len(text) - i - 1
			}
			i = min(len(text), i+close+2)
			words = append(words, Word{strings.Trim(text[start:i], string(c)), start, i, true, unclosed})
			continue
		default:
			for i < len(text) && !isBlank(text[i]) && !isSign(text[i]) && text[i] != '(' && text[i] != ')' && !isQuote(text[i]) {
				i++
			}
		}
		words = append(words, Word{Text: text[start:i], pos: start, end: i})
	}
	return words
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isQuote(c byte) bool { return c == '"' || c == '\'' }

func isSign(c byte) bool { return c == '=' || c == '<' || c == '>' || c == '!' }

// queryParser reads words from left to right. depth keeps a line of ten thousand
// parentheses from exhausting the stack.
type queryParser struct {
	words []Word
	end   int
	rules RuleFinder
	typed bool // the line is still being typed
	depth int
	// negated tells that a "not" holds for what is read: what is not known of a flow is not so either, so each condition is
	// negated by itself, and "and" and "or" change places.
	negated bool
	known   condition // of the condition that is being read, of which flows it is known; nil is all
	// rates, counters, asksRules and event tell what the conditions so far ask for.
	rates, counters, asksRules bool
	event                      Word
}

const queryDepth = 100

func (p *queryParser) peek() (Word, bool) {
	if len(p.words) == 0 {
		return Word{pos: p.end, end: p.end}, false
	}
	return p.words[0], true
}

func (p *queryParser) take() (Word, bool) {
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
		if w, ok := p.peek(); !ok || !w.Is("or", "||", "|") {
			break
		}
		p.take()
		next, err := p.all()
		if err != nil {
			return nil, err
		}
		tests = append(tests, next)
	}
	if p.negated {
		return every(tests), nil
	}
	return anyOf(tests), nil
}

// anyOf is true where one of the tests is.
func anyOf(tests []condition) condition {
	if len(tests) == 1 {
		return tests[0]
	}
	return func(f *flow.Flow, now int64, kind flow.MessageKind) bool {
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
		if !ok || w.Is("or", "||", "|", ")") {
			if len(tests) == 0 {
				return nil, p.lacks(w, "a condition is missing here, such as dst 192.168.0.2 or nat dnat")
			}
			if p.negated {
				return anyOf(tests), nil
			}
			return every(tests), nil
		}
		if w.Is("and", "&&", "&") {
			if err := p.and(len(tests) > 0); err != nil {
				return nil, err
			}
			continue
		}
		test, err := p.one()
		if err != nil {
			return nil, err
		}
		tests = append(tests, test)
	}
}

// and reads the word between two conditions; first tells that there is one before it.
func (p *queryParser) and(first bool) error {
	w, _ := p.take()
	next, more := p.peek()
	switch {
	case !first:
		return w.Problem("a condition is missing before it")
	case !more && p.typed:
		return nil
	case !more, next.Is("and", "&&", "&", "or", "||", "|", ")"):
		return p.lacks(w, "a condition is missing after it, such as dst 192.168.0.2 or nat dnat")
	}
	return nil
}

func every(tests []condition) condition {
	switch len(tests) {
	case 1:
		return tests[0]
	case 2:
		a, b := tests[0], tests[1]
		return func(f *flow.Flow, now int64, kind flow.MessageKind) bool { return a(f, now, kind) && b(f, now, kind) }
	}
	return func(f *flow.Flow, now int64, kind flow.MessageKind) bool {
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
		return nil, w.Problem("nested too deeply")
	}
	defer func() { p.depth-- }()
	switch {
	case !ok:
		return nil, p.lacks(w, "a condition is missing here")
	case w.Is("not", "!"):
		p.negated = !p.negated
		defer func() { p.negated = !p.negated }()
		return p.one()
	case w.Is("("):
		test, err := p.alternatives()
		if err != nil {
			return nil, err
		}
		if c, ok := p.take(); !ok || !c.Is(")") {
			return nil, p.lacks(w, "the parenthesis is not closed")
		}
		return test, nil
	case w.Is(")"):
		return nil, w.Problem("there is no open parenthesis here")
	case w.quoted:
		return p.signed(freeText(w.Text), nil), nil
	case isSign(w.Text[0]):
		return nil, w.Problem("a comparison needs a property before it, such as rate>1M")
	}
	return p.condition(w)
}

// condition reads what a property needs after it, or takes the word as free text.
func (p *queryParser) condition(key Word) (condition, error) {
	key = p.cutColon(key)
	name := keyName(key.Text)
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
	p.counters = p.counters || name == "bytes" || name == "packets"
	p.asksRules = p.asksRules || name == "rule"
	if name == "event" && p.event.Text == "" {
		p.event = key
	}
	return p.compiled(k, sign, value)
}

// compiled is the condition of a property, as "not" has it.
func (p *queryParser) compiled(k queryKey, sign string, value Word) (condition, error) {
	p.known = k.known
	test, err := k.compile(p, sign, value)
	return p.signed(test, p.known), err
}

// signed is a condition, or where "not" holds its opposite for flows of which it is known; known nil is all.
func (p *queryParser) signed(test, known condition) condition {
	switch {
	case !p.negated || test == nil:
		return test
	case known == nil:
		return signed("!=", test)
	}
	return func(f *flow.Flow, now int64, kind flow.MessageKind) bool {
		return known(f, now, kind) && !test(f, now, kind)
	}
}

// cutColon takes a colon behind a property for a blank: dst:10.0.0.1.
func (p *queryParser) cutColon(key Word) Word {
	name, value, ok := strings.Cut(key.Text, ":")
	if _, known := queryKeys[keyName(name)]; !ok || !known {
		return key
	}
	middle := key.pos + len(name) + 1
	if value != "" {
		p.words = slices.Concat([]Word{{Text: value, pos: middle, end: key.end}}, p.words)
	}
	return Word{Text: name, pos: key.pos, end: middle - 1}
}

// text takes a word as free text, unless no flow can have it.
func (p *queryParser) text(w Word) (condition, error) {
	if next, more := p.peek(); more && !next.quoted && isSign(next.Text[0]) && next.Text[0] != '!' {
		return nil, w.Problem("is not a property that can be compared; use %s", strings.Join(orderedKeys, ", "))
	}
	if test := bareWord(w.Text); test != nil {
		return p.signed(test, nil), nil
	}
	if why := hopeless(w.Text); why != "" {
		return nil, w.Problem("%s", why)
	}
	return p.signed(freeText(w.Text), nil), nil
}

// value reads an optional sign and the value of a property.
func (p *queryParser) value(key Word, name string, k queryKey) (sign string, value Word, err error) {
	if w, ok := p.peek(); ok && !w.quoted && (isSign(w.Text[0]) || w.Is("not")) {
		sign = w.Text
		if sign == "!" || w.Is("not") {
			sign = "!="
		}
		switch {
		case !slices.Contains([]string{"=", "==", "!=", "<", "<=", ">", ">="}, sign):
			return "", w, w.Problem("is not a comparison; use = != < <= > >=")
		case !k.ordered && sign != "=" && sign != "==" && sign != "!=":
			return "", w, w.Problem("%s can only be compared with = and !=", key.Text)
		}
		p.take()
	}
	value, ok := p.take()
	if !ok || value.Is("(", ")") {
		if sign == "" {
			return "", key, p.lacks(key, "needs %s", k.wants)
		}
		return "", value, p.lacks(value, "%s needs %s", key.Text, k.wants)
	}
	return sign, p.whole(value, name, k), nil
}

// whole takes up what belongs to a value although a blank stands between: the rest of a list after or
// before a comma, the unit of a number, the number of a rule behind its chain.
func (p *queryParser) whole(value Word, name string, k queryKey) Word {
	join := func(between string) {
		next, _ := p.take()
		value.Text, value.end = value.Text+between+next.Text, next.end
	}
	for {
		next, more := p.peek()
		switch {
		case !more || next.quoted || value.quoted || isSign(next.Text[0]) || next.Is("(", ")"):
			return value
		case strings.HasSuffix(value.Text, ",") != strings.HasPrefix(next.Text, ","):
			join("")
		case k.units != nil && isUnit(next.Text, k.units) && isPlain(value.Text):
			join("")
		case name == "rule" && ruleGoesOn(value, next.Text):
			join("/")
		default:
			return value
		}
	}
}

// ruleGoesOn tells whether a word belongs to the name of a rule that a value begins: a chain behind a family, a number
// behind a chain.
func ruleGoesOn(value Word, next string) bool {
	family, chain, cut := strings.Cut(value.Text, "/")
	if !cut {
		chain = family
	}
	switch isFamily := slices.Contains([]string{"ipv4", "ipv6"}, strings.ToLower(family)); {
	case value.Is(certainties...), cut && !isFamily:
		return false
	case isFamily && !cut:
		return true
	}
	return isPlain(next) && !strings.ContainsAny(chain, "/0123456789")
}

// isUnit tells whether a word is a unit alone.
func isUnit(text string, u units) bool {
	_, ok := u(strings.ToLower(text))
	return ok && text != ""
}

// isPlain tells whether a word is a number without a unit.
func isPlain(text string) bool { return text != "" && strings.Trim(text, "0123456789.") == "" }

// side reads "orig src A" and its like.
func (p *queryParser) side(key Word, name string) (condition, error) {
	w, ok := p.take()
	side := Word{Text: w.Text, pos: w.pos, end: w.end}
	if first, rest, cut := strings.Cut(w.Text, ":"); cut {
		if _, known := queryKeys[name+" "+keyName(first)]; known {
			side = Word{Text: first, pos: w.pos, end: w.pos + len(first)}
			if rest != "" {
				p.words = slices.Concat([]Word{{Text: rest, pos: side.end + 1, end: w.end}}, p.words)
			}
		}
	}
	full := name + " " + keyName(side.Text)
	k, known := queryKeys[full]
	if !ok || !known {
		if !ok {
			w = key
		}
		return nil, p.lacks(w, "after %s comes src, dst, sport or dport", key.Text)
	}
	sign, value, err := p.value(side, full, k)
	if err != nil {
		return nil, err
	}
	return p.compiled(k, sign, value)
}
