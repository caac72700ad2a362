package paste

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"unicode/utf8"
)

// container is a file of another program that carries commands: to be run when an interface comes
// up, a service starts, a machine boots.
type container struct {
	name string // as it stands in a sentence
	// is tells the container by a line of it that nothing else has.
	is *regexp.Regexp
	// up and down are what stands before a command that makes something, and before one that takes it
	// away again.
	up, down *regexp.Regexp
	// listed containers are YAML, which yaml.go reads.
	listed bool
	// alone is set where lines that hold no command are no shell's: they are left out without a word.
	alone bool
	// argv tells that a line's words are handed to the program as they are, by no shell.
	argv bool
	// percent is what stands for one % in a line.
	percent string
	// timed is what stands before a command that is run at a time of its own, which says nothing of now.
	timed *regexp.Regexp
}

// program begins a command that is taken from a container whose lines do not say that they hold one.
const program = `(?:sudo\s+)?(?:/\S*/)?(?:ip6?tables(?:-nft|-legacy)?|sysctl|ip6?tables-restore)\b`

// shell is a shell's name, with its path or without.
const shell = `(?:/\S*/)?(?:sh|bash|ash|dash)\b`

// atStop are the lines of a unit that are run when it stops or is told to read its files again.
var (
	atStart = regexp.MustCompile(`^\s*Exec(Start|StartPre|StartPost)\s*=\s*[-@:+!|]*`)
	atStop  = regexp.MustCompile(`^\s*Exec(Stop|StopPost|Reload)\s*=`)
)

// containers are those that people paste from (wg-quick(8), interfaces(5), systemd.service(5), crontab(5)).
var containers = []container{
	{
		name: "wg-quick", is: regexp.MustCompile(`(?i)^\s*(\[Interface\]|(Post|Pre)(Up|Down)\s*=)`), alone: true,
		up: regexp.MustCompile(`(?i)^\s*(PostUp|PreUp)\s*=\s*`), down: regexp.MustCompile(`(?i)^\s*(PostDown|PreDown)\s*=`),
	},
	{name: "systemd", is: regexp.MustCompile(`^\s*\[(Unit|Service|Install)\]`), alone: true, up: atStart, down: atStop, argv: true, percent: "%%"},
	{name: "systemd", is: regexp.MustCompile(`^\s*Exec(Start|Stop)(Pre|Post)?\s*=\s*[-@:+!]*/`), up: atStart, down: atStop, argv: true, percent: "%%"},
	{
		name: "ifupdown", is: regexp.MustCompile(`^\s*(iface\s+\S+\s+inet6?\s|(post|pre)-(up|down)\s)`), alone: true,
		up: regexp.MustCompile(`^\s*(pre-up|up|post-up)\s+`), down: regexp.MustCompile(`^\s*(pre-down|down|post-down)\s`),
	},
	{
		name: "cron", is: regexp.MustCompile(`^\s*(@[a-z]+|[-0-9*/,]+(\s+[-0-9*/,A-Za-z]+){4})\s+(\w+\s+)?` + program), percent: `\%`,
		up: regexp.MustCompile(`^\s*@reboot\s+(\w+\s+)??(?:` + program + `)`), down: nothing,
		timed: regexp.MustCompile(`^\s*(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|[-0-9*/,]+(\s+[-0-9*/,A-Za-z]+){4})\s`),
	},
	yamlFile("the cloud-init file", `^#cloud-config|^\s*(runcmd|bootcmd):`),
	yamlFile("the Kubernetes manifest", `^\s*apiVersion:\s`),
	yamlFile("the Ansible playbook", `^\s*(-\s+)?((ansible\.builtin\.)?iptables|ansible\.\w+\.\w+):|^\s*-\s+hosts:|^\s*tasks:\s*$`),
	yamlFile("the Compose file", `^\s*services:\s*$|^\s*(-\s+)?"?WG_POST_(UP|DOWN)|^\s*(command|entrypoint):\s`),
	yamlFile("the JSON file", `^\s*\{?\s*"[\w.-]+"\s*:\s*[\[{"]`),
	yamlFile("the YAML file", `^\s*(-\s+)?(- |[\w.-]+:\s*)\s*["'\[]*\s*`+program+`|^\s*args:\s*\[`),
}

var nothing = regexp.MustCompile(`\A\z.`)

// mentions finds a line that is about iptables; aside is one that names something rather than running it, or is a
// comment.
var (
	mentions = regexp.MustCompile(`ip6?tables`)
	aside    = regexp.MustCompile(`^\s*([#;]|(Description|Documentation|After|Before|Wants|Requires|Requisite|BindsTo|Conflicts|PartOf|Condition\w+|Assert\w+|WantedBy|RequiredBy|Alias)\s*=)`)
)

// unwrapping is a container being read.
type unwrapping struct {
	*container
	said  []Remark
	iface string // of ifupdown: that which the lines are about
	// mayFail is set while a command is read after which the unit starts even if it fails.
	mayFail bool
	n       int // the line
}

// unwrap takes the commands out of a container, in their lines and columns; the rest of it
// becomes blank.
func (im *importer) unwrap(c *container, text string) (script string, said []Remark) {
	im.names(c)
	var out strings.Builder
	u := unwrapping{container: c}
	down, continued := false, false // the line before ended in a backslash
	for line := range strings.Lines(text) {
		u.n++
		body, end := strings.TrimRight(line, "\r\n"), "\n"
		again := continued
		continued = strings.HasSuffix(body, `\`)
		switch {
		case again && down:
			body = ""
		case again:
			body = u.plain(body)
		case c.timed != nil && c.timed.MatchString(body):
			if mentions.MatchString(body) {
				u.say(body, Note, "%s runs this at its own times, not now: it is left out", c.name)
			}
			down, body = true, ""
		case c.down.MatchString(body):
			u.say(body, Note, "this is what %s runs at the %s, and is left out", c.name, map[bool]string{true: "reload", false: "end"}[strings.Contains(body, "ExecReload")])
			down, body = true, ""
		default:
			down, u.mayFail = false, false
			body = u.line(body)
		}
		if u.mayFail && !continued && strings.TrimSpace(body) != "" {
			body, u.mayFail = body+" || true", false
		}
		out.WriteString(body + end)
	}
	return out.String(), u.said
}

func (u *unwrapping) say(word string, level Level, format string, args ...any) {
	column := 1
	if level == Note {
		word = ""
	} else {
		column += len(word) - len(strings.TrimLeft(word, " \t"))
		word = strings.TrimSpace(word)
	}
	u.said = append(u.said, Remark{Line: u.n, Column: column, Word: word, Level: level, Text: fmt.Sprintf(format, args...)})
}

// line is what a line has to run, and says what it holds that is not understood.
func (u *unwrapping) line(line string) string {
	if name := ifaceLine.FindStringSubmatch(line); name != nil && u.name == "ifupdown" {
		u.iface = name[1]
	}
	body := u.command(line)
	if strings.TrimSpace(body) == "" {
		if mentions.MatchString(line) && !aside.MatchString(line) {
			u.say(line, Doubt, "this line of %s is not understood, and left out", u.name)
		}
		return ""
	}
	if sign := shellSign.FindStringIndex(unquoted(body)); u.argv && sign != nil {
		word := strings.TrimSpace(body[sign[0]:sign[1]])
		u.said = append(u.said, Remark{
			Line: u.n, Column: utf8.RuneCountInString(body[:sign[0]]) + 2, Word: word, Level: Error,
			Text: "systemd runs no shell, so " + word + " would be a word for the program", Correction: "/bin/sh -c '…'",
		})
	}
	if u.argv {
		body = u.prefixed(line, body)
	}
	return u.plain(body)
}

// prefixed carries out what stands before a unit's program (systemd.service(5)): after - it may fail, after @ the next
// word is only the name that it is told to have.
func (u *unwrapping) prefixed(line, body string) string {
	signs := strings.TrimSpace(line[:len(line)-len(strings.TrimLeft(body, " "))])
	signs = signs[strings.IndexByte(signs, '=')+1:]
	if second := secondWord.FindStringSubmatchIndex(body); strings.Contains(signs, "@") && second != nil {
		body = body[:second[2]] + strings.Repeat(" ", second[3]-second[2]) + body[second[3]:]
	}
	u.mayFail = strings.Contains(signs, "-")
	return body
}

var (
	secondWord = regexp.MustCompile(`^\s*\S+\s+(\S+)`)
	ifaceLine  = regexp.MustCompile(`^\s*iface\s+(\S+)`)
	ownIface   = regexp.MustCompile(`\$IFACE\b|\$\{IFACE\}`)
	shellSign  = regexp.MustCompile(`\s(&&|\|\|?|[0-9]?>>?|<)(\s|/|&|$)`)
)

// instance is what wg-quick puts in the name of its interface for, and systemd that of a unit's instance.
const instance = "%i"

// names finds what the file's own name says of the commands in it: wg0.conf is of wg0, nat@wan0.service of wan0.
func (im *importer) names(c *container) {
	file := im.ground.File[strings.LastIndexByte(im.ground.File, '/')+1:]
	name, found := "", false
	switch c.name {
	case "wg-quick":
		name, found = strings.CutSuffix(file, ".conf")
		im.ground.usual = map[string]string{instance: "wg0"}
	case "systemd":
		if name, found = strings.CutSuffix(file, ".service"); found {
			_, name, found = strings.Cut(name, "@")
		}
	default:
		return
	}
	im.instances = true
	if _, given := im.ground.Answers[instance]; found && name != "" && !given {
		im.ground.Answers = maps.Clone(im.ground.Answers)
		if im.ground.Answers == nil {
			im.ground.Answers = map[string]string{}
		}
		im.ground.Answers[instance] = name
	}
}

// plain is a command without what its container puts in.
func (u *unwrapping) plain(body string) string {
	const kept = "\x00"
	if u.percent != "" {
		body = strings.ReplaceAll(body, u.percent, kept)
	}
	if u.iface != "" {
		body = ownIface.ReplaceAllLiteralString(body, u.iface)
	}
	return strings.ReplaceAll(body, kept, "%")
}

// unquoted is a line with blanks for what stands in quotes.
func unquoted(line string) string {
	b := []byte(line)
	quote := byte(0)
	for i, c := range b {
		switch {
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b[i] = ' '
		}
	}
	return string(b)
}

func containerOf(text string) *container {
	for i := range containers {
		for line := range strings.Lines(text) {
			if containers[i].is.MatchString(strings.TrimRight(line, "\r\n")) && (!containers[i].listed || mentions.MatchString(text)) {
				return &containers[i]
			}
		}
	}
	return nil
}

// withoutFences leaves of Markdown what stands between its fences, and lines outside that hold a command.
func withoutFences(text string) string {
	if n := len(fence.FindAllString(text, -1)); n == 0 || n%2 != 0 {
		return fence.ReplaceAllString(text, "")
	}
	var out strings.Builder
	inside := false
	for line := range strings.Lines(text) {
		switch {
		case fence.MatchString(line):
			inside, line = !inside, "\n"
		case !inside && !mentions.MatchString(line) && !settingLine.MatchString(line):
			line = "\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

var (
	fence       = regexp.MustCompile("(?m)^[ \\t]*(?:```|~~~)[\\w+-]*[ \\t]*\r?$")
	settingLine = regexp.MustCompile(`^\s*([$#]\s+)?(sudo\s+)?(sysctl\s|echo\s|exit\b|\w+=)`)
)

// command is what a line has to run, behind as many blanks as it stood behind other words.
func (c *container) command(line string) string {
	at := c.up.FindStringIndex(line)
	switch {
	case at == nil && c.alone:
		return ""
	case at == nil:
		return line
	}
	start := at[1]
	if i := programWord.FindStringIndex(line[at[0]:at[1]]); i != nil && c.name == "cron" {
		start = at[0] + i[0]
	}
	return strings.Repeat(" ", utf8.RuneCountInString(line[:start])) + line[start:]
}

var programWord = regexp.MustCompile(program)
