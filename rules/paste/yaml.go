package paste

import (
	"regexp"
	"slices"
	"strings"

	"nattui/rules"
)

// Commands in YAML and JSON: the Compose specification, cloud-init, Kubernetes' manifests, Ansible's playbooks.

func yamlFile(name, is string) container {
	return container{
		name: name, is: regexp.MustCompile(is), alone: true, listed: true,
		up:   regexp.MustCompile(`^\s*((-\s+)?["']?[\w.-]+["']?\s*[:=]\s*|-\s+)*["'\[]*\s*(?:` + program + `(?:[\s"',\]]|$)|` + shell + `)`),
		down: regexp.MustCompile(`(?i)^\s*(-\s+)?["']?[\w.-]*(down|stop)\w*["']?\s*[:=]`),
	}
}

// listed is the command that begins at start of a line: a string with quotes or without, or a list of words. It
// returns where it begins.
func listed(line string, start int) (int, string) {
	before := strings.TrimRight(line[:start], " ")
	quote := ""
	if n := len(before); n > 0 && strings.ContainsAny(before[n-1:], `"'`) {
		quote = before[n-1:]
	}
	rest := line[start:]
	if strings.HasSuffix(strings.TrimRight(strings.TrimSuffix(before, quote), " "), "[") {
		return start - len(quote), listCommand(quote + rest)
	}
	rest = unquote(rest, quote)
	if bareShell.MatchString(rest) {
		return start, "" // its script stands elsewhere
	}
	return start, rest
}

var bareShell = regexp.MustCompile(`^` + shell + `["']?\s*$`)

// listCommand is the command of a list's items, which begins after the bracket: words as they are, a shell with its
// script, or the script alone.
func listCommand(items string) string {
	words := listItems(items)
	i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "-") && strings.HasSuffix(w, "c") })
	switch {
	case len(words) > 0 && bareShell.MatchString(words[0]) && i == 1 && len(words) > 2:
		return words[2]
	case len(words) > 0 && bareShell.MatchString(words[0]):
		return ""
	case len(words) == 1:
		return words[0]
	case slices.ContainsFunc(words, func(w string) bool { return w == "" || strings.ContainsAny(w, " \t;&|<>$\"'") }):
		return rules.ShellLine(words)
	}
	return unlist(items)
}

// listItems are the items of ["a", "b c"], without its first bracket.
func listItems(items string) []string {
	var all []string
	var now strings.Builder
	quote, some := rune(0), false
	end := func() {
		if text := strings.TrimSpace(now.String()); some || text != "" {
			if !some {
				now.Reset()
				now.WriteString(text)
			}
			all = append(all, now.String())
		}
		now.Reset()
		some = false
	}
	escaped := false
	for _, r := range items {
		switch {
		case escaped:
			if r == 'n' {
				r = '\n'
			}
			now.WriteRune(r)
			escaped = false
		case quote == '"' && r == '\\':
			escaped = true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, some = r, true
		case quote == 0 && r == ',':
			end()
		case quote == 0 && r == ']':
			end()
			return all
		case quote == 0 && r == ' ' && (some || now.Len() == 0):
		default:
			now.WriteRune(r)
		}
	}
	end()
	return all
}

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

var (
	blockItem   = regexp.MustCompile(`^(\s*)-\s+(.*?)\s*$`)
	programItem = regexp.MustCompile(`^` + program + `$`)
)

// joinItems puts a command whose words stand in a block list, each in a line of its own, into the line of its program.
func joinItems(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i := 0; i < len(lines); i++ {
		first := blockItem.FindStringSubmatch(strings.TrimRight(lines[i], "\r\n"))
		if first == nil || !programItem.MatchString(strings.Trim(first[2], `"'`)) {
			continue
		}
		var words []string
		next := i + 1
		for ; next < len(lines); next++ {
			item := blockItem.FindStringSubmatch(strings.TrimRight(lines[next], "\r\n"))
			if item == nil || item[1] != first[1] {
				break
			}
			words = append(words, strings.Trim(item[2], `"'`))
		}
		if len(words) == 0 || !strings.HasPrefix(words[0], "-") {
			lines[i] = strings.Repeat(" ", len(first[1])) + "# a package\n"
			continue
		}
		lines[i] = first[1] + "- " + strings.Trim(first[2], `"'`) + " " + rules.ShellLine(words) + "\n"
		for k := i + 1; k < next; k++ {
			lines[k] = "\n"
		}
	}
	return strings.Join(lines, "")
}
