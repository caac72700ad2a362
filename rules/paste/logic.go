package paste

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"nattui/rules"
)

// What a shell decides: whether a command is reached. Nothing is run, so it is known only where commands say it by
// themselves: true, false, and iptables on the tables as they are.

// truth is whether something is so.
type truth uint8

// What hangs on something that is not run may be so.
const (
	yes truth = iota
	no
	maybe
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (t truth) not() truth { return [...]truth{no, yes, maybe}[t] }

func (t truth) and(other truth) truth {
	switch {
	case t == no || other == no:
		return no
	case t == maybe || other == maybe:
		return maybe
	}
	return yes
}

func (t truth) or(other truth) truth { return t.not().and(other.not()).not() }

// block is one of the shell's if, case, for and while, or a function's body.
type block struct {
	word    scriptWord
	end     string
	reached truth // the block itself
	taken   truth // an earlier branch of it
	now     truth // what is being read
	asking  bool  // what is being read is its condition
	said    bool  // that it is logic
	named   bool  // that its commands are left out
}

var strictShebang = regexp.MustCompile(`^#!\S+(\s+\S+)?\s+-\w*e`)

// run takes commands one after the other.
func (im *importer) run(commands []scriptCommand) {
	im.last = yes
	for i := range commands {
		if !im.going(i) {
			return
		}
		if im.ended.text != "" {
			im.leaveRest(commands[i:])
			return
		}
		if c := &commands[i]; len(c.words) > 0 {
			im.line = c.words[0].line
		}
		im.command(&commands[i])
	}
}

// leaveRest says that what follows an exit is left out, where something does.
func (im *importer) leaveRest(rest []scriptCommand) {
	follows := slices.ContainsFunc(rest, func(c scriptCommand) bool {
		return len(c.words) > 0 && !slices.Contains([]string{"fi", "done", "esac", "}", ";;", "exit"}, c.words[0].text)
	})
	if w := im.ended; follows {
		im.find(Remark{w.line, w.col, w.text, Note, w.text + " ends the script here: what follows is left out", ""})
	}
}

// reached tells whether a shell gets to what stands at this place.
func (im *importer) reached() truth {
	if n := len(im.blocks); n > 0 {
		return im.blocks[n-1].now
	}
	return yes
}

// command takes one command of a script.
func (im *importer) command(sc *scriptCommand) {
	words := im.stripPrompt(sc.words)
	reach := im.reached()
	switch sc.after {
	case ifDone:
		reach = reach.and(im.last)
	case ifFailed:
		reach = reach.and(im.last.not())
	default:
		im.named = false
	}
	words = im.structure(words, sc, &reach)
	if len(words) == 0 {
		return
	}
	switch reach {
	case no:
		im.leave(words)
		return
	case maybe:
		im.leaveDoubtful(words)
		im.last = maybe
		return
	}
	negated := words[0].text == "!" && !words[0].quoted
	im.last = yes
	im.simple(words, sc)
	if negated {
		im.last = im.last.not()
	}
}

// structure takes the words off that open, divide and close blocks. What is left is a command, which is reached as
// reach says.
func (im *importer) structure(words []scriptWord, sc *scriptCommand, reach *truth) []scriptWord {
	for len(words) > 0 && !words[0].quoted && len(words[0].unknown) == 0 {
		var inner *block
		if n := len(im.blocks); n > 0 {
			inner = &im.blocks[n-1]
		}
		w := words[0]
		switch w.text {
		case "if":
			im.blocks = append(im.blocks, block{word: w, end: "fi", reached: *reach, taken: no, now: *reach, asking: true})
		case "while", "until", "for", "select", "case", "function":
			im.openUnknown(w, *reach)
			*reach = im.reached()
			if i := slices.IndexFunc(words, func(w scriptWord) bool { return w.text == "{" }); w.text == "function" && i > 0 {
				words = words[i:]
			} else if w.text != "while" && w.text != "until" {
				return nil
			}
		case "{":
			im.blocks = append(im.blocks, block{word: w, end: "}", reached: *reach, now: *reach})
		case "then", "elif", "else":
			if inner == nil || inner.end != "fi" {
				im.strayLogic(w)
				return nil
			}
			im.branch(inner, w)
			*reach = inner.now
		case "do":
			if inner == nil || inner.end != "done" {
				im.strayLogic(w)
				return nil
			}
			inner.asking, *reach = false, inner.now
		case "fi", "done", "esac", "}":
			im.close(w)
			return nil
		default:
			if inner != nil && inner.end == "esac" && sc.closed == ')' {
				return nil // a pattern
			}
			if sc.closed == '(' && len(words) == 1 {
				im.blocks = append(im.blocks, block{word: w, end: "}", reached: *reach, now: maybe})
				return nil
			}
			return words
		}
		words = words[1:]
	}
	return words
}

// openUnknown opens a block of which it is not known how often it runs.
func (im *importer) openUnknown(w scriptWord, reach truth) {
	end := map[string]string{"case": "esac", "function": "}"}[w.text]
	if end == "" {
		end = "done"
	}
	im.blocks = append(im.blocks, block{word: w, end: end, reached: reach, now: reach.and(maybe), asking: end == "done"})
	if reach != no {
		im.strayLogic(w)
	}
}

func (im *importer) strayLogic(w scriptWord) {
	im.find(Remark{Line: w.line, Column: w.col, Word: w.text, Level: Error, Text: w.text + " is shell logic, and nothing is run here: paste the iptables commands that it comes to"})
}

// branch goes on to the next part of an if.
func (im *importer) branch(b *block, w scriptWord) {
	rest := b.reached.and(b.taken.not())
	switch w.text {
	case "then":
		b.now = rest.and(im.last)
		b.taken, b.asking = b.taken.or(b.now), false
		if b.now == maybe && !b.said && b.reached == yes {
			im.strayLogic(b.word)
			b.said = true
		}
	case "elif":
		b.now, b.asking = rest, true
	case "else":
		b.now = rest
	}
}

// close ends a block; what hangs on it hangs on what it was not known to do.
func (im *importer) close(w scriptWord) {
	n := len(im.blocks)
	// The { of a function opens a block within that of its name.
	for n > 0 && im.blocks[n-1].end != w.text {
		n--
	}
	if n == 0 {
		im.strayLogic(w)
		return
	}
	b := im.blocks[n-1]
	im.blocks = im.blocks[:n-1]
	if w.text == "}" && n > 1 && im.blocks[n-2].end == "}" && im.blocks[n-2].word.text != "{" {
		im.blocks = im.blocks[:n-2]
	}
	switch {
	case w.text == "}" && b.now == yes:
	case b.taken == maybe || b.now == maybe:
		im.last = maybe
	default:
		im.last = yes
	}
}

// leave keeps a command that a shell does not get to as a comment.
func (im *importer) leave(words []scriptWord) {
	if line := commandText(im.filled(words)); strings.Contains(line, "tables") {
		im.comment(line)
	}
}

// leaveDoubtful keeps a command as a comment of which nobody knows whether a shell gets to it.
func (im *importer) leaveDoubtful(words []scriptWord) {
	for _, w := range words {
		if name, _, ok := assigns(w); ok {
			im.unsure[name] = true
			continue
		}
		break
	}
	first := stripPrefix(words)
	switch {
	case len(first) == 0 || slices.ContainsFunc(words[:1], func(w scriptWord) bool { _, _, ok := assigns(w); return ok }) && len(first) == len(words):
		return
	case slices.Contains([]string{"export", "readonly", "local", "declare", "typeset", "read", "unset"}, first[0].text):
		for _, w := range first[1:] {
			name, _, _ := strings.Cut(w.text, "=")
			im.unsure[name] = true
		}
		return
	case slices.Contains(idleCommands, first[0].text) || slices.Contains(conditions, first[0].text):
		return
	}
	named := &im.named
	if n := len(im.blocks); n > 0 && im.blocks[n-1].now == maybe {
		if im.blocks[n-1].asking {
			return
		}
		named = &im.blocks[n-1].named
	}
	if w := first[0]; !*named {
		im.find(Remark{w.line, w.col, w.text, Doubt, "nothing is run here, so it is not known whether a shell gets to this: it is left out", ""})
		*named = true
	}
	im.comment(commandText(im.filled(words)))
}

// comment keeps a line among the corrected ones, such that nothing takes it for a command.
func (im *importer) comment(line string) {
	im.out.Corrected = append(im.out.Corrected, "# "+strings.ReplaceAll(line, "\n", "\n# "))
}

// conditions are the commands by which a shell asks.
var conditions = []string{"[", "[[", "test"}

// prefixes run the command that follows them.
var prefixes = []string{"command", "exec", "nohup", "env", "time", "!", "nice", "ionice", "setsid"}

// stripPrefix takes off what is in front of the program: programs that run another one.
func stripPrefix(words []scriptWord) []scriptWord {
	for len(words) > 0 {
		switch name := words[0].text; {
		case name == "sudo" || name == "doas":
			words = words[1:]
			for len(words) > 0 && strings.HasPrefix(words[0].text, "-") {
				if (words[0].text == "-u" || words[0].text == "-g") && len(words) > 1 {
					words = words[1:]
				}
				words = words[1:]
			}
			words = stripAssignments(words)
		case name == "env" || name == "nice" || name == "ionice":
			words = words[1:]
			for len(words) > 1 && strings.HasPrefix(words[0].text, "-") && !isRuleOption(words[0].text) {
				if slices.Contains([]string{"-n", "-c", "-u"}, words[0].text) {
					words = words[1:]
				}
				words = words[1:]
			}
			words = stripAssignments(words)
		case slices.Contains(prefixes, name):
			words = words[1:]
		default:
			return words
		}
	}
	return words
}

func isRuleOption(word string) bool { return word == "-A" || word == "-t" || word == "-I" }

func stripAssignments(words []scriptWord) []scriptWord {
	for len(words) > 0 {
		if _, _, ok := assigns(words[0]); !ok {
			break
		}
		words = words[1:]
	}
	return words
}

// idleCommands change neither rules nor settings, and are left out without a word.
var idleCommands = []string{"echo", "printf", "true", ":", "false", "set", "exit", "sleep", "export", "logger", "clear", "cd", "date", "id", "whoami", "return", "unset", "shift", "readonly", "local", "declare", "typeset", "break", "continue"}

// simple takes one simple command that a shell gets to.
func (im *importer) simple(words []scriptWord, sc *scriptCommand) {
	before := stripAssignments(words)
	if len(before) == 0 {
		for _, w := range words {
			im.assignment(im.fillWord(w)[0])
		}
		return
	}
	before = im.filled(before)
	words = stripPrefix(before)
	if len(words) == 0 || looksForProgram(before) {
		return
	}
	if i := slices.IndexFunc(before[:len(before)-len(words)], func(w scriptWord) bool { return w.text == "exec" }); i >= 0 {
		defer func() { im.ended = before[i] }()
	}
	first := words[0]
	if slices.Contains(conditions, first.text) {
		im.last = maybe
		if n := len(im.blocks); n == 0 || !im.blocks[n-1].asking {
			im.strayLogic(first)
		}
		return
	}
	if len(first.unknown) > 0 && im.variableProgram(words, sc.forgives(im.strict)) {
		return
	}
	im.program(words, sc)
}

// looksForProgram reports a question whether the program is installed, which it is: command -v iptables.
func looksForProgram(words []scriptWord) bool {
	if words[0].text == "command" && len(words) > 2 && strings.EqualFold(words[1].text, "-v") {
		words = words[1:]
	} else if !slices.Contains([]string{"which", "type", "hash"}, words[0].text) {
		return false
	}
	return len(words) == 2 && strings.Contains(words[1].text, "tables")
}

// forgives tells that a script goes on where the command fails: || follows, or nobody looks at what it says.
func (sc *scriptCommand) forgives(strict bool) bool {
	if sc.tolerant {
		return true
	}
	silent := slices.ContainsFunc(sc.redirects, func(r scriptRedirect) bool {
		return r.to.text == "/dev/null" && (strings.HasPrefix(r.sign, "2>") || strings.HasPrefix(r.sign, "&>")) || strings.HasPrefix(r.sign, "2>&") && r.to.text == "1"
	})
	return silent && !strict
}

// program takes a command by the name of its program.
func (im *importer) program(words []scriptWord, sc *scriptCommand) {
	first, tolerant := words[0], sc.forgives(im.strict)
	name := first.text[strings.LastIndexByte(first.text, '/')+1:]
	_, _, _, ok := iptablesProgram(name)
	switch {
	case ok:
		im.iptables(words, tolerant)
	case strings.HasSuffix(name, "tables-restore") || strings.HasSuffix(name, "tables-legacy-restore") || strings.HasSuffix(name, "tables-nft-restore"):
		im.restore(sc, name)
	case slices.Contains(shells, name) && im.shell(words, tolerant):
	case name == "sysctl":
		im.sysctl(words)
	case name == "echo" && len(sc.redirects) > 0 && strings.HasPrefix(sc.redirects[0].to.text, "/proc/sys/"):
		im.procWrite(words, sc.redirects[0].to)
	case name == "echo" && len(sc.redirects) > 0 && isSettingsFile(sc.redirects[0].to.text):
		im.fileWrite(words, sc.redirects[0])
	case name == "modprobe" || name == "insmod":
		im.find(Remark{first.line, first.col, first.text, Note, "the kernel loads what a rule needs by itself: " + name + " is left out", ""})
	case name == "exit" || name == "return":
		im.ended = first
	case name == "false":
		im.last = no
	case name == "set":
		im.strict = im.strict || len(words) > 1 && strings.HasPrefix(words[1].text, "-") && strings.Contains(words[1].text, "e")
	case im.declare(words):
	case slices.Contains(idleCommands, name) && silentRedirects(sc):
	case strings.Contains(name, "tables-save"), name == "netfilter-persistent", name == "service" && len(words) > 1 && strings.HasPrefix(words[1].text, "ip"), name == "invoke-rc.d":
		im.find(Remark{first.line, first.col, first.text, Note, "saving is a step of its own here: nattui save", ""})
	default:
		im.foreign(words, sc)
	}
}

// shells are the programs that take a script with -c.
var shells = []string{"sh", "bash", "ash", "dash"}

// silentRedirects tells that a command writes into no file.
func silentRedirects(sc *scriptCommand) bool {
	return !slices.ContainsFunc(sc.redirects, func(r scriptRedirect) bool {
		return r.to.text != "/dev/null" && !strings.HasSuffix(r.sign, ">&")
	})
}

// foreign takes a command of a program that is not known, or that has none.
func (im *importer) foreign(words []scriptWord, sc *scriptCommand) {
	first := words[0]
	name := first.text[strings.LastIndexByte(first.text, '/')+1:]
	if im.elsewhere(words, name, sc.input) {
		return
	}
	tolerant := sc.forgives(im.strict)
	if meant := nearest(name, []string{"iptables", "ip6tables"}); meant != "" && len(name) > 5 && !slices.Contains([]string{"ebtables", "arptables"}, name) {
		im.find(Remark{first.line, first.col, first.text, Error, fmt.Sprintf("there is no program %s", name), meant})
		words = putWords(words, 0, 1, []string{meant})
		im.iptables(words, tolerant)
		return
	}
	if strings.HasPrefix(first.text, "-") || isRuleStart(words) {
		im.find(Remark{first.line, first.col, first.text, Error, "the program is missing in front", "iptables"})
		im.iptables(putWords(words, 0, 0, []string{"iptables"}), tolerant)
		return
	}
	im.last = maybe
	why := name + " is not run: iptables and nft commands, saved rules and kernel settings are taken from a text"
	if name == "nft" {
		why = "commands of nft are taken from a text of their own, not from one with lines of iptables: import them by themselves"
	}
	im.find(Remark{first.line, first.col, first.text, Doubt, why, ""})
	im.comment(rules.ShellLine(texts(words)))
}
