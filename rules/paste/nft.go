package paste

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// NFT is pasted text that is for nft(8), as nft -f reads it.
type NFT struct {
	Script string
	// Why says what of the text cannot be made; then Script is not all.
	Why string
}

// nftObjects are what a command may begin with that adds them without saying so, and nftFamilies the families (nft(8)).
const (
	nftObjects  = `chain|rule|set|map|element|flowtable|counter|quota|limit|secmark|synproxy|ct (?:helper|timeout|expectation)`
	nftFamilies = `ip|ip6|inet|arp|bridge|netdev`
)

var (
	// nftStart is how a file of nft begins, behind comments.
	nftStart = regexp.MustCompile(`^(?:(?:table|add|create|insert|delete|destroy|replace|flush|define|include)\s+\S|` +
		`(?:` + nftObjects + `)\s+(?:(?:` + nftFamilies + `)\s+\S+\s+\S|\S+\s+\S+\s*\{))`)
	// nftAsks is how a command begins that changes no rules, or, renaming a chain, what nattui does not change. Any other one
	// adds what it names, also without the word add.
	nftAsks = regexp.MustCompile(`^(?:list|get|reset|monitor|describe|import|export|rename)(?:\s|$)`)
	// nftShebang is that of a script of nft.
	nftShebang = regexp.MustCompile(`^#!\s*(?:/\S*/)?(?:env\s+(?:-S\s+)?)?nft\b`)
	// prompt is what a shell prints before a command.
	prompt = regexp.MustCompile(`^\s*(?:\S*[$#]\s+)?(?:sudo\s+)?(?:/\S*/)?nft\s`)
)

// ReadNFT takes text that is for nft: a file of it, commands of a shell that start with nft, or one without that word. It is
// false for other text. answers fill in variables of the shell.
func ReadNFT(text string, answers map[string]string) (NFT, bool) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	first, commands := "", 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if nftShebang.MatchString(line) {
			return NFT{Script: text}, true
		}
		if line == "" || strings.HasPrefix(line, "#") && !prompt.MatchString(line) {
			continue
		}
		if first == "" {
			first = line
		}
		if prompt.MatchString(line) {
			commands++
		}
	}
	switch {
	case nftStart.MatchString(first):
		return NFT{Script: text}, true
	case commands == 0 || !prompt.MatchString(first):
		return NFT{}, false
	}
	return nftCommands(text, answers), true
}

// nftCommands are commands of a shell as one script of nft.
func nftCommands(text string, answers map[string]string) (n NFT) {
	var lines []string
	for line := range strings.Lines(text) {
		if m := prompt.FindString(line); m != "" {
			line = "nft " + line[len(m):]
		}
		lines = append(lines, line)
	}
	commands, _ := (&scriptReader{answers: answers}).read(strings.Join(lines, ""))
	for len(commands) > 0 {
		c := commands[0]
		commands = commands[1:]
		if len(c.words) == 0 {
			continue
		}
		for openBraces(c.words) > 0 && len(commands) > 0 { // typed without quotation marks, which a shell would want
			semicolon := c.words[0]
			semicolon.text, semicolon.quoted = ";", false
			c.words = slices.Concat(c.words, []scriptWord{semicolon}, commands[0].words)
			commands = commands[1:]
		}
		line, why := nftCommand(c)
		if why != "" {
			n.Why = fmt.Sprintf("line %d: %s", c.words[0].line, why)
			return n
		}
		n.Script += line + "\n"
	}
	return n
}

// openBraces is how many braces are open behind the words, but for those in quotation marks.
func openBraces(words []scriptWord) (n int) {
	for _, w := range words {
		if w.quoted {
			continue
		}
		n += strings.Count(w.text, "{") - strings.Count(w.text, "}")
	}
	return n
}

// nftCommand is what nft would read of one command; why says that it cannot be made.
func nftCommand(c scriptCommand) (line, why string) {
	words := c.words
	if path.Base(words[0].text) != "nft" {
		return "", fmt.Sprintf("%q is not a command of nft: import that on its own", words[0].text)
	}
	words = words[1:]
	fromInput := false
	for len(words) > 0 && strings.HasPrefix(words[0].text, "-") && words[0].text != "-" {
		option := words[0].text
		words = words[1:]
		if option != "-f" && option != "--file" {
			continue
		}
		if len(words) == 0 || words[0].text != "-" && words[0].text != "/dev/stdin" {
			return "", "nft -f reads a file: import the file itself"
		}
		fromInput, words = true, words[1:]
	}
	if fromInput {
		return c.input, ""
	}
	var parts []string
	for i, w := range words {
		if len(w.unknown) > 0 {
			return "", fmt.Sprintf("%s needs a value: --set %s=…", w.unknown[0].name, w.unknown[0].name)
		}
		text := w.text
		if len(words) > 1 && i > 0 && slices.Contains([]string{"comment", "prefix"}, words[i-1].text) && !strings.HasPrefix(text, `"`) {
			text = `"` + text + `"` // the shell has taken the quotation marks off, which nft needs
		}
		parts = append(parts, text)
	}
	line = strings.Join(parts, " ")
	if nftAsks.MatchString(line) || len(words) == 0 || len(words) == 1 && !strings.Contains(line, " ") {
		return "", fmt.Sprintf("nft %s changes nothing that nattui could make", line)
	}
	return line, ""
}
