package paste

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// container is a file of another program that carries commands: to be run when an interface comes
// up, a service starts, a machine boots.
type container struct {
	name string
	// is tells the container by a line of it that nothing else has.
	is *regexp.Regexp
	// up and down are what stands before a command that makes something, and before one that takes it
	// away again.
	up, down *regexp.Regexp
	// listed containers hold words in the ways of YAML and JSON.
	listed bool
	// alone is set where lines that hold no command are no shell's: they are left out without a word.
	alone bool
}

// program begins a command that is taken from a container whose lines do not say that they hold one.
const program = `(?:sudo\s+)?(?:/\S*/)?(?:ip6?tables(?:-nft|-legacy)?|sysctl|ip6?tables-restore)\b`

// containers are those that people paste from (wg-quick(8), interfaces(5), systemd.service(5), crontab(5),
// the Compose specification, cloud-init).
var containers = []container{
	{
		name: "wg-quick", is: regexp.MustCompile(`(?i)^\s*(\[Interface\]|(Post|Pre)(Up|Down)\s*=)`), alone: true,
		up: regexp.MustCompile(`(?i)^\s*(PostUp|PreUp)\s*=\s*`), down: regexp.MustCompile(`(?i)^\s*(PostDown|PreDown)\s*=`),
	},
	{
		name: "systemd", is: regexp.MustCompile(`^\s*\[(Unit|Service|Install)\]`), alone: true,
		up: regexp.MustCompile(`^\s*Exec(Start|StartPre|StartPost|Reload)\s*=\s*[-@:+!]*`), down: regexp.MustCompile(`^\s*Exec(Stop|StopPost)\s*=`),
	},
	{
		name: "systemd", is: regexp.MustCompile(`^\s*Exec(Start|Stop)(Pre|Post)?\s*=\s*[-@:+!]*/`),
		up: regexp.MustCompile(`^\s*Exec(Start|StartPre|StartPost|Reload)\s*=\s*[-@:+!]*`), down: regexp.MustCompile(`^\s*Exec(Stop|StopPost)\s*=`),
	},
	{
		name: "ifupdown", is: regexp.MustCompile(`^\s*(iface\s+\S+\s+inet6?\s|(post|pre)-(up|down)\s)`), alone: true,
		up: regexp.MustCompile(`^\s*(pre-up|up|post-up)\s+`), down: regexp.MustCompile(`^\s*(pre-down|down|post-down)\s`),
	},
	{
		name: "cron", is: regexp.MustCompile(`^\s*(@[a-z]+|[-0-9*/,]+(\s+[-0-9*/,A-Za-z]+){4})\s+(\w+\s+)?` + program),
		up: regexp.MustCompile(`^\s*(@[a-z]+|[-0-9*/,]+(\s+[-0-9*/,A-Za-z]+){4})\s+(\w+\s+)??(?:` + program + `)`), down: nothing,
	},
	{
		name: "YAML", is: regexp.MustCompile(`^\s*(-\s+)?(- |[\w.-]+:\s*)\s*["'\[]*\s*` + program + `|^\s*(runcmd|bootcmd|services):\s*$|WG_POST_(UP|DOWN)`), alone: true, listed: true,
		up:   regexp.MustCompile(`^\s*((-\s+)?[\w.-]*(?i:up|start|cmd|command|run)?[\w.-]*\s*[:=]\s*|-\s+)*["'\[]*\s*(?:` + program + `|(sh|bash)"?,?\s)`),
		down: regexp.MustCompile(`(?i)^\s*(-\s+)?["']?[\w.-]*(down|stop)\w*["']?\s*[:=]`),
	},
}

var nothing = regexp.MustCompile(`\A\z.`)

// unwrap takes the commands out of a container, in their lines and columns; the rest of it
// becomes blank. A text that is none is returned as it is.
func unwrap(text string) (script string, said []Remark) {
	c := containerOf(text)
	if c == nil {
		return text, nil
	}
	var out strings.Builder
	down, continued := false, false // the line before ended in a backslash
	n := 0
	for line := range strings.Lines(text) {
		n++
		body, end := strings.TrimRight(line, "\r\n"), "\n"
		again := continued
		continued = strings.HasSuffix(body, `\`)
		switch {
		case again && down:
			body = ""
		case again:
		case c.down.MatchString(body):
			down, body = true, ""
			said = append(said, Remark{Line: n, Column: 1, Level: Note, Text: fmt.Sprintf("this is what %s runs at the end, and is left out", c.name)})
		default:
			down = false
			body = c.command(body)
		}
		out.WriteString(strings.ReplaceAll(body, "%i", "$INTERFACE") + end)
	}
	return out.String(), said
}

func containerOf(text string) *container {
	for i := range containers {
		for line := range strings.Lines(text) {
			if containers[i].is.MatchString(line) {
				return &containers[i]
			}
		}
	}
	return nil
}

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
	if i := programWord.FindStringIndex(line[at[0]:at[1]]); i != nil {
		start = at[0] + i[0]
	}
	rest := line[start:]
	if c.listed {
		before := strings.TrimRight(line[:start], " ")
		quote := ""
		if n := len(before); n > 0 && strings.ContainsAny(before[n-1:], `"'`) {
			quote = before[n-1:]
		}
		if strings.HasSuffix(strings.TrimRight(strings.TrimSuffix(before, quote), " "), "[") {
			start -= len(quote)
			rest = unlist(quote + rest)
		} else {
			rest = unquote(rest, quote)
		}
	}
	return strings.Repeat(" ", utf8.RuneCountInString(line[:start])) + rest
}

var programWord = regexp.MustCompile(program + `|\b(sh|bash)\b`)

// unlist makes words of a list's items: ["a", "b c"] without its brackets.
func unlist(items string) string {
	items = strings.TrimSuffix(strings.TrimRight(items, " ,"), "]")
	quote := rune(0)
	return strings.Map(func(r rune) rune {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		case quote == 0 && r == ',':
			return ' '
		}
		return r
	}, items)
}

// unquote takes off the end of a string that began with the quote.
func unquote(rest, quote string) string {
	if quote == "" {
		return rest
	}
	rest = strings.TrimSuffix(strings.TrimRight(rest, " ,"), quote)
	if quote == `"` {
		return strings.ReplaceAll(rest, `\"`, `"`)
	}
	return rest
}
