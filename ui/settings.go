package ui

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"nattui/rules/paste"
	"nattui/ui/theme"
)

// Settings are what an operator has chosen for the screens. The zero value is what
// they are without any choice.
type Settings struct {
	Theme theme.Choice
	// Keys are the keys of actions, by the name that help shows; those not named keep theirs.
	Keys map[string][]string
	// Columns are the columns of Flows in their order; none is the usual ones.
	Columns []string
	// countdown is what a change is offered first.
	countdown countdown
}

// Complaint is what is wrong with a line of the settings; the rest of them counts.
type Complaint struct {
	Line int // from 1
	Text string
}

// SettingsExample has all that can be set.
const SettingsExample = `theme = "light"      # auto, dark, light, ansi, ansi-dark, ansi-light or none
countdown = "90s"    # auto, off, 30s, 90s or 5m: what a change is offered first

[keys]               # by the words that help shows
"look again" = ["f5", "r"]
delete = "D"

[columns]            # the last ones give way where it is narrow
flows = ["client", "served by", "rule", "rate", "state"]
`

// ReadSettings reads the settings, a text in TOML (toml.io, version 1.0) such as SettingsExample.
func ReadSettings(text []byte) (Settings, []Complaint) {
	r := settingsReader{seen: map[string]int{}}
	err := toml.Unmarshal(text, &map[string]any{})
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		line, _ := bad.Position()
		return Settings{}, []Complaint{{line, strings.TrimPrefix(err.Error(), "toml: ") + "; none of the settings is used"}}
	}
	r.read(text)
	if err != nil && len(r.complaints) == 0 {
		r.complain(1, "%v", err)
	}
	r.checkKeys()
	return r.Settings, r.complaints
}

// read takes all settings of a text that is good TOML but for names that are there twice.
func (r *settingsReader) read(text []byte) {
	p, section := unstable.Parser{}, ""
	p.Reset(text)
	for p.NextExpression() {
		e := p.Expression()
		path := keyPath(e)
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			section = strings.Join(path, ".")
			r.line = settingLine(&p, e)
			r.enter(section)
		case unstable.KeyValue:
			r.line = settingLine(&p, e)
			if section != "" {
				path = append([]string{section}, path...)
			}
			r.set(path, e.Value())
		}
	}
}

// settingsReader takes one setting after the other.
type settingsReader struct {
	Settings
	complaints []Complaint
	line       int
	seen       map[string]int // the lines of the settings
	keyLines   map[string]int
}

func (r *settingsReader) complain(line int, format string, args ...any) {
	r.complaints = append(r.complaints, Complaint{line, fmt.Sprintf(format, args...)})
}

// keyPath is the dotted name of an expression.
func keyPath(e *unstable.Node) (path []string) {
	for it := e.Key(); it.Next(); {
		path = append(path, string(it.Node().Data))
	}
	return path
}

// settingLine is the line of an expression: that of its name.
func settingLine(p *unstable.Parser, e *unstable.Node) int {
	it := e.Key()
	it.Next()
	return p.Shape(it.Node().Raw).Start.Line
}

func (r *settingsReader) enter(section string) {
	if section != "keys" && section != "columns" {
		r.complain(r.line, "there is no section [%s]: [keys] and [columns]", section)
	}
}

// settingNames are the settings outside of sections.
var settingNames = []string{"theme", "countdown", "keys", "columns"}

func (r *settingsReader) set(path []string, value *unstable.Node) {
	words, ok := wordsOf(value)
	name := strings.Join(path, ".")
	if first, ok := r.seen[name]; ok {
		r.complain(r.line, "%s stands in line %d already; that is used", name, first)
		return
	}
	r.seen[name] = r.line
	switch {
	case len(path) == 2 && path[0] == "keys":
		r.setKeys(path[1], words, ok)
	case name == "columns.flows":
		r.setColumns(words, ok)
	case len(path) == 1 && value.Kind == unstable.InlineTable && (name == "keys" || name == "columns"):
		for it := value.Children(); it.Next(); {
			r.set(append(slices.Clone(path), keyPath(it.Node())...), it.Node().Value())
		}
	case name == "theme" && value.Kind == unstable.String:
		choice, err := theme.Choose(words[0])
		if err != nil {
			r.complain(r.line, "theme: %v", err)
			return
		}
		r.Theme = choice
	case name == "countdown" && value.Kind == unstable.String:
		r.setCountdown(words[0])
	case name == "theme", name == "countdown":
		r.complain(r.line, "%s is a word in quotes", name)
	case name == "columns":
		r.complain(r.line, `columns is a table: write [columns], and beneath it flows = ["client", "served by"]`)
	case len(path) > 1 && path[0] == "columns":
		r.complain(r.line, "columns can be chosen for flows only, not for %s", strings.Join(path[1:], "."))
	case len(path) == 1 || path[0] == "keys":
		r.complain(r.line, "there is no setting %s%s", name, nearest(name, settingNames))
	}
}

// wordsOf is a string, or an array of strings.
func wordsOf(value *unstable.Node) (words []string, ok bool) {
	switch value.Kind {
	case unstable.String:
		return []string{string(value.Data)}, true
	case unstable.Array:
		for it := value.Children(); it.Next(); {
			if it.Node().Kind != unstable.String {
				return nil, false
			}
			words = append(words, string(it.Node().Data))
		}
		return words, true
	}
	return nil, false
}

func (r *settingsReader) setCountdown(word string) {
	choices := map[string]countdown{"auto": countdownAuto, "off": countdownOff}
	names := []string{"auto", "off"}
	for _, c := range []countdown{countdownShort, countdownUsual, countdownLong} {
		wait := c.time(nil)
		choices[wait.String()] = c
		names = append(names, shortTime(wait))
	}
	asked := word
	if d, err := time.ParseDuration(word); err == nil {
		asked = d.String()
	}
	c, ok := choices[asked]
	if !ok {
		r.complain(r.line, "countdown: %q is none of %s", word, strings.Join(names, ", "))
		return
	}
	r.countdown = c
}

// shortTime is a duration as somebody writes it.
func shortTime(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

func (r *settingsReader) setColumns(words []string, ok bool) {
	if !ok || len(words) == 0 {
		r.complain(r.line, `columns.flows is a list of names, such as ["client", "served by", "rule"]`)
		return
	}
	for i, w := range words {
		switch {
		case !slices.Contains(flowColumnNames, w):
			meant := nearest(w, flowColumnNames)
			if meant == "" {
				meant = ": there are " + strings.Join(flowColumnNames, ", ")
			}
			r.complain(r.line, "columns.flows: there is no column %q%s", w, meant)
			return
		case slices.Contains(words[:i], w):
			r.complain(r.line, "columns.flows: %q is there twice", w)
			return
		}
	}
	r.Columns = words
}

func (r *settingsReader) setKeys(name string, words []string, ok bool) {
	if !ok || len(words) == 0 {
		r.complain(r.line, `keys.%s is a key or a list of keys, such as "f5" or ["f5", "ctrl+r"]`, name)
		return
	}
	for _, w := range words {
		if why := wrongKey(w); why != "" {
			r.complain(r.line, "keys.%s: %s", name, why)
			return
		}
	}
	if r.Keys == nil {
		r.Keys, r.keyLines = map[string][]string{}, map[string]int{}
	}
	r.Keys[name], r.keyLines[name] = words, r.line
}

// keyNames are keys that have a name, as bubbletea calls them.
var keyNames = []string{
	"enter", "tab", "esc", "space", "backspace", "delete", "insert", "up", "down", "left", "right", "home", "end", "pgup", "pgdown",
	"f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12",
}

// wrongKey says why a word names no key that can be chosen, "" if it does.
func wrongKey(word string) string {
	rest := word
	for _, mod := range []string{"ctrl+", "alt+", "shift+"} {
		rest = strings.TrimPrefix(rest, mod)
	}
	switch {
	case word == "ctrl+c":
		return "ctrl+c always quits"
	case utf8.RuneCountInString(rest) == 1, slices.Contains(keyNames, rest):
		return ""
	}
	return fmt.Sprintf("%q is not a key%s", word, nearest(rest, keyNames))
}

// quitAsked is what quitting is called in the question about an unconfirmed change, quitAlways on the screens, where the
// same key goes back.
var quitAsked, quitAlways = "quit", keys.Quit.Help().Desc

// bothQuit tells that two names are of quitting: those may share a key, as the question takes it first.
func bothQuit(a, b string) bool {
	quits := []string{quitAsked, quitAlways}
	return slices.Contains(quits, a) && slices.Contains(quits, b)
}

// quitEverywhere has keys for quit leave the screens too, unless those have keys of their own.
func (r *settingsReader) quitEverywhere() {
	words, ok := r.Keys[quitAsked]
	if _, chosen := r.Keys[quitAlways]; ok && !chosen {
		r.Keys[quitAlways], r.keyLines[quitAlways] = words, r.keyLines[quitAsked]
	}
}

// checkKeys drops keys for actions that do not exist, and keys that something else on the same screen has.
func (r *settingsReader) checkKeys() {
	r.quitEverywhere()
	whole, groups := everyTable()
	var names []string
	for _, t := range append(groups, keyGroup{keys: whole}) {
		for _, a := range t.keys {
			if a.name() != "" && a.do != nil && !slices.Contains(names, a.name()) {
				names = append(names, a.name())
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Keys)) {
		if !slices.Contains(names, name) {
			r.complain(r.keyLines[name], "there is no action %q%s", name, nearest(name, names))
			delete(r.Keys, name)
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(r.Keys), func(a, b string) int { return r.keyLines[a] - r.keyLines[b] }) {
		for _, g := range groups {
			t := g.keys
			if !g.typed {
				t = t.and(whole)
			}
			if why := clash(t.rebound(r.Keys), name, g); why != "" {
				r.complain(r.keyLines[name], "keys.%s: %s", name, why)
				delete(r.Keys, name)
				break
			}
		}
	}
	slices.SortFunc(r.complaints, func(a, b Complaint) int { return a.Line - b.Line })
}

// clash says which other action of a table the keys of one are taken by, "" if none.
func clash(t keyTable, name string, g keyGroup) string {
	for _, a := range t {
		if a.name() != name || a.do == nil {
			continue
		}
		for _, k := range a.keys.Keys() {
			if g.typed && utf8.RuneCountInString(k) == 1 {
				return fmt.Sprintf("%q is typed as text in %q; take one with ctrl or alt, or f1 to f12", k, g.title)
			}
			for _, other := range t {
				if other.do != nil && other.name() != name && !bothQuit(other.name(), name) && slices.Contains(other.keys.Keys(), k) {
					by := other.name()
					if by == "" {
						by = "something else"
					}
					return fmt.Sprintf("%q is %s in %s", k, by, g.title)
				}
			}
		}
	}
	return ""
}

// nearest names what somebody may have meant, if anything is like it.
func nearest(word string, names []string) string {
	if meant := paste.Nearest(word, names); meant != "" {
		return fmt.Sprintf(": did you mean %q?", meant)
	}
	return ""
}
