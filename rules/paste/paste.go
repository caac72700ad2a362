package paste

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
)

// Level is how much a Remark stands in the way.
type Level uint8

// The levels. A note is good to know; a doubt can be made and is seldom
// meant; an error cannot be made.
const (
	Note Level = iota
	Doubt
	Error
)

// String is note, doubt or error.
func (l Level) String() string { return [...]string{"note", "doubt", "error"}[l] }

// Remark is something to say about one word of a pasted text.
type Remark struct {
	// Line and Column are where the word begins, counted from 1, columns in characters.
	Line, Column int
	Word         string
	Level        Level
	Text         string
	// Correction is what to write instead, in short; "" where there is none.
	Correction string
}

// String is the remark with its place, as compilers print theirs.
func (f Remark) String() string {
	text := fmt.Sprintf("%d:%d: %s: %s", f.Line, f.Column, f.Level, f.Text)
	if f.Correction != "" {
		text += "; write  " + f.Correction
	}
	return text
}

// Question is a gap in a pasted text: a shell variable, or a word like YOUR_IP
// that stands for a value.
type Question struct {
	Name         string // the variable's name, or the placeholder as it stands
	Line, Column int
	Option       string // the option whose value it is
	What         string // what is wanted: an address, a port, …
	Suggestion   string // what it may well be; "" where nothing is known
}

// Import is what a pasted text comes to. Nothing of the text was run.
type Import struct {
	Remarks   []Remark
	Questions []Question
	// Corrected are the commands as they should be, each a whole line. A line
	// that should not be there at all stands as a comment.
	Corrected []string
	// Plan carries out every line. It is empty as long as anything is in doubt.
	Plan rules.Plan

	dropped []Remark // mistakes whose correction is to leave the word out
}

// InDoubt reports that something has to be answered or corrected first.
func (im Import) InDoubt() bool {
	return len(im.Questions) > 0 || slices.ContainsFunc(im.Remarks, func(f Remark) bool { return f.Level > Note })
}

// Mended reports whether anything of the text was corrected, and the lines with mistakes that have no correction.
func (im Import) Mended() (any bool, left []int) {
	for _, r := range im.Remarks {
		switch {
		case r.Level == Note:
		case r.Correction != "" || slices.Contains(im.dropped, r):
			any = true
		case r.Level == Error && !slices.Contains(left, r.Line):
			left = append(left, r.Line)
		}
	}
	return any, left
}

// Ground is what a pasted text is held against. The zero value knows
// nothing of the host.
type Ground struct {
	// Sets are the tables as they are now.
	Sets map[rules.Variant]*rules.Ruleset
	// Backend is that of the plain programs, iptables and ip6tables.
	Backend rules.Backend
	// Answers fill gaps, by the names of the questions.
	Answers map[string]string
	// AcceptDoubts takes doubtful lines as they are given.
	AcceptDoubts bool
	// AnyChain takes chains that are not known for ones that are there, and rules
	// to be deleted or replaced for ones that stand: for lines that are only to be
	// explained.
	AnyChain bool
	// Uplink is the interface to the Internet, with its addresses, for corrections.
	Uplink           string
	Uplink4, Uplink6 netip.Addr
	// Links are the host's interfaces.
	Links []string
	// UserID and GroupID look up names for -m owner; nil knows none.
	UserID, GroupID func(name string) (uint32, bool)
	// HostAddrs looks up the addresses that a host's name has now, once one is refused; known is false where that cannot be
	// told. nil knows none.
	HostAddrs func(name string) (found []netip.Addr, known bool)
	// Setting is a kernel setting's value now; nil knows none.
	Setting func(name string) (string, bool)
	// File is the name of the file that the text was read from, which may name an interface: wg0.conf. "" if there is
	// none.
	File string
	// Going is told, for each command or line of a saved table, how many were read; false ends the reading, and
	// what comes of it is not whole then. nil: always true.
	Going func(read int) bool

	assigned map[string]string // what the script itself gives its variables
	usual    map[string]string // what is offered for gaps that a container leaves
	lenient  bool              // accept doubts, to see what the line would do as it is
}

func (g *Ground) accepts() bool { return g.AcceptDoubts || g.lenient }

func (g *Ground) answer(name string) (string, bool) {
	for _, key := range []string{name, strings.Trim(name, "<>[]{}")} {
		if v, ok := g.Answers[key]; ok {
			return v, true
		}
	}
	return "", false
}

func (g *Ground) uplinkAddr(f rules.Family) netip.Addr {
	if f == rules.IPv6 {
		return g.Uplink6
	}
	return g.Uplink4
}

// chains are a table's chains of a person's own.
func (g *Ground) chains(f rules.Family, b rules.Backend, table string) []string {
	var names []string
	if t, ok := g.Sets[rules.Variant{Family: f, Backend: b}].Table(table); ok {
		for _, c := range t.Chains {
			if !rules.IsBuiltIn(table, c.Name) {
				names = append(names, c.Name)
			}
		}
	}
	return names
}

func (g *Ground) hasChain(f rules.Family, b rules.Backend, table, name string) bool {
	return slices.Contains(g.chains(f, b, table), name) || g.AnyChain && !looksLikeKnown(name)
}

// looksLikeKnown reports a name that is rather a misspelt one of iptables' own.
func looksLikeKnown(name string) bool {
	var names []string
	for _, chains := range rules.BuiltInChains {
		names = append(names, chains...)
	}
	for target := range targetOptions {
		names = append(names, target)
	}
	return len(name) > 3 && nearest(name, names) != ""
}

// Read makes a plan of pasted text: one iptables command, several, a shell
// script, or the output of iptables-save. It is read as a POSIX shell would,
// without running anything or filling in variables. Every mistake is found with
// its place and its correction.
func Read(text string, ground Ground) Import {
	text = withoutMarkup(strings.TrimPrefix(text, "\ufeff")) // a byte order mark, as editors on other systems put in front
	im := &importer{ground: ground, saw: map[string]bool{}, made: rules.Sequences{}, standing: map[place]lineCount{}, edited: map[string]string{}, unsure: map[string]bool{}, origins: map[ruleAt]int{}}
	im.ground.Sets = map[rules.Variant]*rules.Ruleset{}
	im.read = map[rules.Variant]bool{}
	for k, s := range ground.Sets {
		im.ground.Sets[k] = s
		im.read[k] = s != nil
	}
	im.ground.assigned = map[string]string{}
	if isSaved(text) {
		im.saved(text, 1, rules.IPv4, ground.Backend, false, false)
	} else {
		im.unsaved(withoutFences(text))
	}
	if len(im.out.Corrected) == 0 && !im.out.InDoubt() && !im.present {
		im.find(Remark{Line: 1, Column: 1, Level: Error, Text: "there is no iptables command in it"})
	}
	if !im.out.InDoubt() && len(im.steps) > 0 {
		im.sayUnreached(ground.Sets)
	}
	slices.SortStableFunc(im.out.Remarks, func(a, b Remark) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	if im.out.InDoubt() {
		im.steps = nil
	}
	im.out.Plan = rules.Plan{Title: im.title(), Steps: im.steps}
	return im.out
}

// unsaved takes a script, or a file of another program that carries commands.
func (im *importer) unsaved(text string) {
	c := containerOf(text)
	switch {
	case c == nil:
	case c.listed:
		im.yaml(c.name, text)
		return
	default:
		script, said := im.unwrap(c, text)
		im.out.Remarks = append(im.out.Remarks, said...)
		text = script
	}
	im.strict = strictShebang.MatchString(text)
	im.script(text)
}

// importer carries a text from line to line. Its ground's sets change as the
// commands would change them.
type importer struct {
	ground   Ground
	out      Import
	steps    []rules.Step
	saw      map[string]bool        // questions asked already
	read     map[rules.Variant]bool // of which tables it is known what they have
	made     rules.Sequences        // what the commands so far have made of the sets
	standing map[place]lineCount
	edited   map[string]string // lines written from their parts, by lines as they were read
	present  bool              // rules of a saved table stand already
	last     truth             // whether the last command would have succeeded
	blocks   []block           // the shell's blocks that are open
	ended    scriptWord        // what ends the script, once that is reached
	named    bool              // it is said that what hangs on the last command is left out
	strict   bool              // set -e: what fails ends the script
	line     int               // that of the command being taken
	origins  map[ruleAt]int    // the lines that the rules of the text come from
	sourced  bool              // something was read in that may set any variable
	// instances is set where %i in the text stands for an interface, or a unit's instance.
	instances bool
	unsure    map[string]bool // variables whose value hangs on what is not run
}

func (im *importer) title() string {
	if n := len(im.steps); n != 1 {
		return fmt.Sprintf("Apply the %d steps of what was pasted", n)
	}
	return im.steps[0].Sentence()
}

func (im *importer) find(f Remark) { im.out.Remarks = append(im.out.Remarks, f) }

func (im *importer) ask(qs []Question) {
	for _, q := range qs {
		if !im.saw[q.Name] {
			im.saw[q.Name] = true
			im.out.Questions = append(im.out.Questions, q)
		}
	}
}

// script goes through the commands of a shell script.
func (im *importer) script(text string) {
	commands, troubles := im.readScript(text)
	for _, t := range troubles {
		im.find(Remark{t.line, t.col, t.word, t.severity, t.text, t.fix})
	}
	im.run(commands)
}

// shell takes the script of  sh -c SCRIPT, whose words all stand where that word does.
// tolerant says that it may fail, as its last command then may.
func (im *importer) shell(words []scriptWord, tolerant bool) bool {
	i := slices.IndexFunc(words, func(w scriptWord) bool { return strings.HasPrefix(w.text, "-") && strings.HasSuffix(w.text, "c") })
	if i < 1 || i+1 >= len(words) {
		return false
	}
	w := words[i+1]
	commands, troubles := im.readScript(w.text)
	for _, t := range troubles {
		im.find(Remark{w.line, w.col, t.word, t.severity, t.text, t.fix})
	}
	for k := range commands {
		for n := range commands[k].words {
			commands[k].words[n].line, commands[k].words[n].col = w.line, w.col
		}
	}
	if n := len(commands); n > 0 {
		commands[n-1].tolerant = commands[n-1].tolerant || tolerant
	}
	ended, blocks := im.ended, im.blocks
	im.blocks = nil
	im.run(commands)
	im.ended, im.blocks = ended, blocks // exit ends that shell alone
	return true
}

// going says how many commands or lines were read, and asks whether to go on.
func (im *importer) going(read int) bool { return im.ground.Going == nil || im.ground.Going(read) }

// isRuleStart reports a rule without its program, from its table or chain on.
func isRuleStart(words []scriptWord) bool {
	first := words[0].text
	_, table := rules.BuiltInChains[first]
	for _, chains := range rules.BuiltInChains {
		table = table || slices.Contains(chains, strings.ToUpper(first))
	}
	if !table {
		return false
	}
	return len(words) > 2 && slices.ContainsFunc(words, func(w scriptWord) bool { return w.text == "-j" || w.text == "-A" })
}

func texts(words []scriptWord) []string {
	all := make([]string, len(words))
	for i := range words {
		all[i] = words[i].text
	}
	return all
}

// stripPrompt takes off the prompt that a command was copied with.
func (im *importer) stripPrompt(words []scriptWord) []scriptWord {
	for len(words) > 1 {
		t := words[0].text
		prompt := t == "$" || t == "%" || t == ">" || strings.Contains(t, "@") && strings.ContainsAny(t[len(t)-1:], "#$%~:]") || strings.HasPrefix(t, "[") && strings.Contains(t, "@")
		if !prompt && !(t == "#" || strings.HasSuffix(t, "]#") || strings.HasSuffix(t, "]$")) {
			return words
		}
		words = words[1:]
	}
	return words
}
