package paste

import (
	"fmt"
	"strconv"
	"strings"

	"nattui/rules"
)

// command reads the option that says what to do, and the words that belong to it.
func (c *commandReader) command(letter byte, i int) (int, *mistake) {
	name := c.words[i].text
	if c.op != 0 {
		return 0, c.secondCommand(name, i)
	}
	c.op, c.opAt = letter, i
	next := i + 1
	word := func(what string) (string, *mistake) {
		if next >= len(c.words) || c.isOption(next) || c.words[next].text == "!" {
			return "", c.fail(i, "%s needs %s", name, what)
		}
		c.findPlaceholders(next, kindText)
		text := c.fill(next, name, kindText)
		next++
		return text, nil
	}
	switch letter {
	case 'L', 'S', 'F', 'Z', 'X':
		if next < len(c.words) && !c.isOption(next) && c.words[next].text != "!" {
			c.chain, _ = word("a chain")
			if (letter == 'S' || letter == 'L' || letter == 'Z') && next < len(c.words) && isDigits(c.words[next].text) {
				next++
			}
		}
		return next, nil
	}
	var m *mistake
	if c.chain, m = word("a chain"); m != nil {
		return 0, c.missingChain(m, i)
	}
	switch letter {
	case 'I', 'R', 'D':
		if next < len(c.words) && isDigits(c.words[next].text) {
			c.number, _ = strconv.Atoi(c.words[next].text)
			c.numbered = true
			if c.number == 0 {
				return 0, c.fail(next, "rules are counted from 1").replace(next, 1, "1")
			}
			next++
		}
	case 'E':
		c.other, m = word("the chain's new name")
	case 'P':
		c.other, m = word("a policy, ACCEPT or DROP")
		if m != nil {
			return 0, m.replace(i+1, 1, c.chain, "ACCEPT")
		}
		if up := strings.ToUpper(c.other); up != "ACCEPT" && up != "DROP" {
			return 0, c.fail(next-1, "a policy is ACCEPT or DROP")
		} else if up != c.other {
			return 0, c.fail(next-1, "policies are written in capitals").replace(next-1, 1, up)
		}
	}
	return next, m
}

// secondCommand is the mistake of two commands in one line: a capital where a small letter was meant.
func (c *commandReader) secondCommand(name string, i int) *mistake {
	first := "-" + string(c.op)
	m := c.fail(i, "%s and %s are two commands, and one line takes one", first, name)
	if low := strings.ToLower(name); len(name) == 2 && c.global(low) != nil && strings.Contains("-s-d-p-i-j-t", low) {
		m.text += fmt.Sprintf("; small letters choose packets: is %s meant?", low)
		return m.replace(i, 1, low)
	}
	return m
}

// missingChain mends a command without its chain.
func (c *commandReader) missingChain(m *mistake, i int) *mistake {
	for k := range c.words {
		for kind, name := range map[rules.Kind]string{rules.DNAT: "DNAT", rules.SNAT: "SNAT", rules.Masquerade: "MASQUERADE", rules.Redirect: "REDIRECT"} {
			if c.words[k].text == name {
				return m.replace(i, 1, c.words[i].text, rules.DefaultChain(kind))
			}
		}
	}
	return m
}
