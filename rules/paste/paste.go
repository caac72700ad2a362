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
}

// InDoubt reports that something has to be answered or corrected first.
func (im Import) InDoubt() bool {
	return len(im.Questions) > 0 || slices.ContainsFunc(im.Remarks, func(f Remark) bool { return f.Level > Note })
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
	// Setting is a kernel setting's value now; nil knows none.
	Setting func(name string) (string, bool)
	// Going is told, for each command or line of a saved table, how many were read; false ends the reading, and
	// what comes of it is not whole then. nil: always true.
	Going func(read int) bool

	assigned map[string]string // what the script itself gives its variables
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
	text = strings.TrimPrefix(text, "\ufeff") // a byte order mark, as editors on other systems put in front
	im := &importer{ground: ground, saw: map[string]bool{}, made: rules.Sequences{}, standing: map[place]lineCount{}, edited: map[string]string{}}
	im.ground.Sets = map[rules.Variant]*rules.Ruleset{}
	for k, s := range ground.Sets {
		im.ground.Sets[k] = s
	}
	im.ground.assigned = map[string]string{}
	if isSaved(text) {
		im.saved(text, 1, rules.IPv4, ground.Backend, false)
	} else {
		script, said := unwrap(text)
		im.out.Remarks = append(im.out.Remarks, said...)
		im.script(script)
	}
	if len(im.out.Corrected) == 0 && !im.out.InDoubt() && !im.present {
		im.find(Remark{Line: 1, Column: 1, Level: Error, Text: "there is no iptables command in it"})
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

// importer carries a text from line to line. Its ground's sets change as the
// commands would change them.
type importer struct {
	ground   Ground
	out      Import
	steps    []rules.Step
	saw      map[string]bool // questions asked already
	made     rules.Sequences // what the commands so far have made of the sets
	standing map[place]lineCount
	edited   map[string]string // lines written from their parts, by lines as they were read
	present  bool              // rules of a saved table stand already
	last     bool              // the last command would have succeeded
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
	commands, troubles := readScript(text, im.ground.Answers)
	for _, t := range troubles {
		im.find(Remark{t.line, t.col, t.word, t.severity, t.text, t.fix})
	}
	im.run(commands)
}

// run takes commands one after the other.
func (im *importer) run(commands []scriptCommand) {
	im.last = true
	for i := range commands {
		c := &commands[i]
		if c.after == ifDone && !im.last || c.after == ifFailed && im.last {
			continue
		}
		im.last = true
		if !im.going(i) {
			return
		}
		im.command(c)
		im.last = im.last != c.negated()
	}
}

// negated reports a command after a !, which succeeds where it fails.
func (sc *scriptCommand) negated() bool {
	return len(sc.words) > 1 && sc.words[0].text == "!" && !sc.words[0].quoted
}

// shell takes the script of  sh -c SCRIPT, whose words all stand where that word does.
func (im *importer) shell(words []scriptWord) bool {
	i := slices.IndexFunc(words, func(w scriptWord) bool { return strings.HasPrefix(w.text, "-") && strings.HasSuffix(w.text, "c") })
	if i < 1 || i+1 >= len(words) {
		return false
	}
	w := words[i+1]
	commands, troubles := readScript(w.text, im.ground.Answers)
	for _, t := range troubles {
		im.find(Remark{w.line, w.col, t.word, t.severity, t.text, t.fix})
	}
	for k := range commands {
		for n := range commands[k].words {
			commands[k].words[n].line, commands[k].words[n].col = w.line, w.col
		}
	}
	im.run(commands)
	return true
}

// going says how many commands or lines were read, and asks whether to go on.
func (im *importer) going(read int) bool { return im.ground.Going == nil || im.ground.Going(read) }

// stripPrefix takes off what is in front of the program: programs that run another one, and shell logic,
// which has been reported where it begins a command.
func stripPrefix(words []scriptWord) []scriptWord {
	for len(words) > 0 {
		switch words[0].text {
		case "sudo", "doas":
			words = words[1:]
			for len(words) > 0 && strings.HasPrefix(words[0].text, "-") {
				if (words[0].text == "-u" || words[0].text == "-g") && len(words) > 1 {
					words = words[1:]
				}
				words = words[1:]
			}
		case "command", "exec", "nohup", "env", "time", "!", "then", "else", "do":
			words = words[1:]
		default:
			return words
		}
	}
	return words
}

// shellLogic are the words by which a shell decides and repeats.
var shellLogic = []string{"if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "function", "{", "}", "[", "[[", "test", "select", "in"}

// idleCommands change neither rules nor settings, and are left out without a word. exit, return, shift and
// unset matter to a shell: here the lines that follow are read as if they were reached.
var idleCommands = []string{"echo", "printf", "true", ":", "set", "exit", "sleep", "export", "logger", "clear", "cd", "date", "id", "whoami", "return", "unset", "shift"}

// command takes one command of a script.
func (im *importer) command(sc *scriptCommand) {
	words := im.stripPrompt(sc.words)
	for len(words) > 0 && im.assignment(words[0]) {
		words = words[1:]
	}
	if len(words) == 0 {
		return
	}
	first := words[0]
	place := func(s Level, format string, args ...any) {
		im.find(Remark{Line: first.line, Column: first.col, Word: first.text, Level: s, Text: fmt.Sprintf(format, args...)})
	}
	if slices.Contains(shellLogic, first.text) {
		place(Error, "%s is shell logic, and nothing is run here: paste the iptables commands that it comes to", first.text)
	}
	words = stripPrefix(words)
	if len(words) == 0 || slices.Contains(shellLogic, words[0].text) {
		return
	}
	first = words[0]
	if len(first.unknown) > 0 && im.variableProgram(words) {
		return
	}
	name := first.text[strings.LastIndexByte(first.text, '/')+1:]
	_, _, _, ok := iptablesProgram(name)
	switch {
	case ok:
		im.iptables(words, sc.tolerant)
	case strings.HasSuffix(name, "tables-restore") || strings.HasSuffix(name, "tables-legacy-restore") || strings.HasSuffix(name, "tables-nft-restore"):
		im.restore(sc, name)
	case slices.Contains([]string{"sh", "bash", "ash", "dash"}, name) && im.shell(words):
	case name == "sysctl":
		im.sysctl(words)
	case name == "echo" && len(sc.redirects) > 0 && strings.HasPrefix(sc.redirects[0].to.text, "/proc/sys/"):
		im.procWrite(words, sc.redirects[0].to)
	case name == "echo" && len(sc.redirects) > 0 && isSettingsFile(sc.redirects[0].to.text):
		im.fileWrite(words, sc.redirects[0])
	case name == "modprobe" || name == "insmod":
		place(Note, "the kernel loads what a rule needs by itself: %s is left out", name)
	case slices.Contains(idleCommands, name) && len(sc.redirects) == 0:
	case strings.Contains(name, "tables-save"), name == "netfilter-persistent", name == "service" && len(words) > 1 && strings.HasPrefix(words[1].text, "ip"), name == "invoke-rc.d":
		place(Note, "saving is a step of its own here: nattui save")
	default:
		if meant := nearest(name, []string{"iptables", "ip6tables"}); meant != "" && len(name) > 5 {
			im.find(Remark{first.line, first.col, first.text, Error, fmt.Sprintf("there is no program %s", name), meant})
			words = putWords(words, 0, 1, []string{meant})
			im.iptables(words, sc.tolerant)
			return
		}
		if strings.HasPrefix(first.text, "-") || isRuleStart(words) {
			im.find(Remark{first.line, first.col, first.text, Error, "the program is missing in front", "iptables"})
			im.iptables(putWords(words, 0, 0, []string{"iptables"}), sc.tolerant)
			return
		}
		place(Doubt, "%s is not run: only iptables commands and kernel settings are taken from a text", name)
		im.out.Corrected = append(im.out.Corrected, "# "+rules.ShellLine(texts(words)))
	}
}

func isRuleStart(words []scriptWord) bool {
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

// assignment notes NAME=VALUE, which a shell keeps and nothing here does but to
// offer it as an answer.
func (im *importer) assignment(w scriptWord) bool {
	name, value, ok := strings.Cut(w.text, "=")
	if !ok || name == "" || strings.IndexFunc(name, func(r rune) bool { return !isNameRune(r) }) >= 0 || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	im.ground.assigned[name] = value
	return true
}

// variableProgram takes a command whose program is a variable, which in scripts
// of this kind is iptables.
func (im *importer) variableProgram(words []scriptWord) bool {
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
	im.iptablesAs(words, suggestion, false)
	return true
}
