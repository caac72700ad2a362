package paste

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Commands in YAML and JSON: the Compose specification, cloud-init, Kubernetes' manifests, Ansible's playbooks. The
// file is parsed as YAML is, since a command may stand in it over several lines in five ways.

func yamlFile(name, is string) container {
	return container{name: name, is: regexp.MustCompile(is), listed: true}
}

var (
	// runLine is a line of a script that is known to be one; bareShell a shell whose script stands elsewhere.
	runLine     = regexp.MustCompile(`(?m)^\s*(?:` + program + `[\s"']|` + shell + `\s)`)
	bareShell   = regexp.MustCompile(`^` + shell + `$`)
	bareProgram = regexp.MustCompile(`^` + program + `$`)
	// environment is an item of a list of variables.
	environment = regexp.MustCompile(`^[A-Za-z_]\w*=\s*`)
	// Keys: of what is run at the end, of what names something, of modules that take their rule apart themselves,
	// and of conditions.
	endKey       = regexp.MustCompile(`(?i)^[\w.-]*(down|stop)\w*$`)
	asideKey     = regexp.MustCompile(`^(Description|name|image|container_name|description|packages?|hostname|kind|namespace|title)$`)
	moduleKey    = regexp.MustCompile(`^(ansible\.builtin\.)?ip6?tables$`)
	conditionKey = regexp.MustCompile(`^(when|if)$`)
	yamlLine     = regexp.MustCompile(`^yaml: line (\d+): `)
)

// yamlReader takes the commands out of a YAML file.
type yamlReader struct {
	*importer
	name        string // of the kind of file, as it stands in a sentence
	lines       [][]rune
	conditional bool // what is being read hangs on a condition
}

// yaml takes the commands of a file of several documents, in their order.
func (im *importer) yaml(name, text string) {
	y := yamlReader{importer: im, name: name}
	for line := range strings.SplitSeq(text, "\n") {
		y.lines = append(y.lines, []rune(strings.TrimSuffix(line, "\r")))
	}
	var documents []*yaml.Node
	for decoder := yaml.NewDecoder(strings.NewReader(text)); ; {
		n := new(yaml.Node)
		err := decoder.Decode(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			y.broken(err)
			return
		}
		documents = append(documents, n)
	}
	for _, n := range documents {
		y.node(n, "")
	}
}

// broken refuses a file that is no YAML: where a command in it ends is not known.
func (y *yamlReader) broken(err error) {
	line, text := 1, strings.TrimPrefix(err.Error(), "yaml: ")
	if at := yamlLine.FindStringSubmatch(err.Error()); at != nil {
		line, _ = strconv.Atoi(at[1])
		text = strings.TrimPrefix(err.Error(), at[0])
	}
	y.find(Remark{
		Line: min(line, len(y.lines)), Column: 1, Level: Error,
		Text: "this is no whole YAML (" + text + "), so it is not known where a command in it ends: paste the whole file, or the commands alone",
	})
}

func (y *yamlReader) node(n *yaml.Node, key string) {
	switch n.Kind {
	case yaml.DocumentNode:
		for _, c := range n.Content {
			y.node(c, "")
		}
	case yaml.MappingNode:
		y.mapping(n)
	case yaml.SequenceNode:
		y.sequence(n, key)
	case yaml.ScalarNode:
		y.scalar(n)
	}
}

func (y *yamlReader) mapping(n *yaml.Node) {
	value := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		value[n.Content[i].Value] = n.Content[i+1]
		if conditionKey.MatchString(n.Content[i].Value) && !y.conditional {
			y.conditional = true
			defer func() { y.conditional = false }()
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case endKey.MatchString(k.Value):
			y.atEnd(k, v)
		case asideKey.MatchString(k.Value) && v.Kind != yaml.MappingNode:
		case moduleKey.MatchString(k.Value) && v.Kind == yaml.MappingNode:
			y.notUnderstood(k)
		case argumentsOf(k.Value, value) != nil: // with the command that they belong to
		case value[commandOf[k.Value]] != nil && v.Kind == yaml.SequenceNode:
			y.words(slices.Concat(v.Content, value[commandOf[k.Value]].Content), k.Value)
		default:
			y.node(v, k.Value)
		}
	}
}

// commandOf has, by the key of a command that is a list, the key of what is appended to it.
var commandOf = map[string]string{"entrypoint": "command", "command": "args"}

// argumentsOf is the list that this key's list is appended to, nil where it stands for itself.
func argumentsOf(key string, value map[string]*yaml.Node) *yaml.Node {
	for command, arguments := range commandOf {
		if v := value[command]; arguments == key && v != nil && v.Kind == yaml.SequenceNode && value[key].Kind == yaml.SequenceNode {
			return v
		}
	}
	return nil
}

func (y *yamlReader) sequence(n *yaml.Node, key string) { y.words(n.Content, key) }

// words takes a list: the words of one command, or commands and other things, each by itself.
func (y *yamlReader) words(items []*yaml.Node, key string) {
	scalars := !slices.ContainsFunc(items, func(n *yaml.Node) bool { return n.Kind != yaml.ScalarNode })
	switch {
	case !scalars || len(items) < 2:
	case bareShell.MatchString(items[0].Value):
		y.shellWords(items)
		return
	case isArgv(items):
		y.argv(items)
		return
	}
	for _, item := range items {
		y.node(item, key)
	}
}

// isArgv tells the words of a command from a list of packages.
func isArgv(items []*yaml.Node) bool {
	if !bareProgram.MatchString(items[0].Value) {
		return false
	}
	_, _, _, tables := iptablesProgram(strings.TrimSpace(strings.TrimPrefix(items[0].Value, "sudo")))
	return !tables || strings.HasPrefix(items[1].Value, "-") || items[1].Value == "!"
}

// shellWords takes the script of [sh, -c, SCRIPT]. What follows it is handed to the script.
func (y *yamlReader) shellWords(items []*yaml.Node) {
	at := slices.IndexFunc(items, func(n *yaml.Node) bool { return strings.HasPrefix(n.Value, "-") && strings.HasSuffix(n.Value, "c") })
	left := items[1:]
	if at == 1 && len(items) > 2 {
		y.script(items[2], 0)
		left = items[3:]
	}
	for _, n := range left {
		if mentions.MatchString(n.Value) {
			y.notUnderstood(n)
			return
		}
	}
}

// argv takes a command whose words are handed over as they are.
func (y *yamlReader) argv(items []*yaml.Node) {
	var sc scriptCommand
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`")
	for i, n := range items {
		text := n.Value
		if i == 0 {
			text = strings.TrimSpace(strings.TrimPrefix(text, "sudo"))
		}
		read, _ := y.readScript(`"` + quote.Replace(text) + `"`)
		w := read[0].words[0]
		w.line, w.col = n.Line, n.Column
		w.quoted = text == "" || strings.ContainsAny(text, " \t\n;&|<>()'\"#")
		sc.words = append(sc.words, w)
	}
	sc.line = items[0].Line
	y.separately(false, []scriptCommand{sc})
}

// scalar takes a string where it is a script.
func (y *yamlReader) scalar(n *yaml.Node) {
	from := 0
	if at := environment.FindStringIndex(n.Value); at != nil {
		from = at[1]
		name, _, _ := strings.Cut(n.Value, "=")
		if endKey.MatchString(name) {
			y.atEnd(n, n)
			return
		}
		y.instances = y.instances || strings.HasPrefix(name, "WG_")
	}
	text := strings.TrimSpace(n.Value[from:])
	switch {
	case bareProgram.MatchString(text): // a package, or a container of that name
	case isSaved(text), runLine.MatchString(text), containerOf(text) != nil && mentions.MatchString(text):
		y.script(n, from)
	case mentions.MatchString(text):
		y.notUnderstood(n)
	}
}

// script takes a script that begins at byte from of a string.
func (y *yamlReader) script(n *yaml.Node, from int) {
	text := n.Value[from:]
	place := y.places(n, text)
	if isSaved(text) {
		line, _ := place(1, 1)
		y.saved(text, line, 0, y.ground.Backend, false, false)
		return
	}
	if inner := containerOf(text); inner != nil && inner.listed {
		y.notUnderstood(n)
		return
	} else if inner != nil {
		unwrapped, said := y.unwrap(inner, text)
		for _, r := range said {
			r.Line, r.Column = place(r.Line, r.Column)
			y.find(r)
		}
		text = unwrapped
	}
	commands, troubles := y.readScript(text)
	for _, t := range troubles {
		line, col := place(t.line, t.col)
		y.find(Remark{line, col, t.word, t.severity, t.text, t.fix})
	}
	for i := range commands {
		c := &commands[i]
		c.line, _ = place(c.line, 1)
		c.inputLine, _ = place(c.inputLine, 1)
		for k := range c.words {
			c.words[k].line, c.words[k].col = place(c.words[k].line, c.words[k].col)
		}
		for k := range c.redirects {
			to := &c.redirects[k].to
			to.line, to.col = place(to.line, to.col)
		}
	}
	y.separately(strictShebang.MatchString(text), commands)
}

// separately runs the commands of one script, whose end and blocks are its own.
func (y *yamlReader) separately(strict bool, commands []scriptCommand) {
	if y.conditional && len(commands) > 0 {
		w := commands[0].words[0]
		y.find(Remark{w.line, w.col, w.text, Doubt, y.name + " runs this only under a condition, which is not known here: it is left out", ""})
		return
	}
	ended, blocks, before := y.ended, y.blocks, y.strict
	y.ended, y.blocks, y.strict = scriptWord{}, nil, strict
	y.run(commands)
	y.ended, y.blocks, y.strict = ended, blocks, before
}

// places finds the lines and columns of a string's text in the file: its characters stand there in their order, with
// blanks, quotes and escapes between them.
func (y *yamlReader) places(n *yaml.Node, text string) func(line, col int) (int, int) {
	line, col := n.Line-1, n.Column-1
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		line, col = line+1, 0
	}
	var at [][][2]int
	for value := range strings.SplitSeq(text, "\n") {
		var row [][2]int
		for _, r := range value {
			if l, c, ok := y.next(r, line, col); ok {
				row = append(row, [2]int{l + 1, c + 1})
				line, col = l, c+1
			} else {
				row = append(row, [2]int{min(line, len(y.lines)-1) + 1, col + 1})
			}
		}
		at = append(at, append(row, [2]int{min(line, len(y.lines)-1) + 1, col + 1}))
	}
	return func(line, col int) (int, int) {
		if line < 1 || line > len(at) {
			return n.Line, n.Column
		}
		p := at[line-1][max(0, min(col, len(at[line-1]))-1)]
		return p[0], p[1]
	}
}

// next is where a character that is no blank comes next, on this line or the first below it that is not empty.
func (y *yamlReader) next(r rune, line, col int) (int, int, bool) {
	if r == ' ' || r == '\t' {
		return 0, 0, false
	}
	below := false
	for l := line; l < len(y.lines); l++ {
		row := y.lines[l]
		if i := slices.Index(row[min(col, len(row)):], r); i >= 0 {
			return l, col + i, true
		}
		if below && strings.TrimSpace(string(row)) != "" {
			break
		}
		below, col = true, 0
	}
	return 0, 0, false
}

// atEnd names what is run when something stops.
func (y *yamlReader) atEnd(k, v *yaml.Node) {
	if mentionsAny(v) {
		y.find(Remark{Line: k.Line, Column: 1, Level: Note, Text: fmt.Sprintf("this is what %s runs at the end, and is left out", y.name)})
	}
}

func mentionsAny(n *yaml.Node) bool {
	return mentions.MatchString(n.Value) || slices.ContainsFunc(n.Content, mentionsAny)
}

// notUnderstood names a line that is about iptables and left out.
func (y *yamlReader) notUnderstood(n *yaml.Node) {
	line := string(y.lines[min(n.Line, len(y.lines))-1])
	word := strings.TrimSpace(line)
	y.find(Remark{n.Line, 1 + len(line) - len(strings.TrimLeft(line, " \t")), word, Doubt, "this line of " + y.name + " is not understood, and left out", ""})
}
