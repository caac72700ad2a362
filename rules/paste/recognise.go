package paste

import (
	"regexp"
	"strings"
)

// What tells text that is imported from any other: it is asked of whatever is pasted, before that is read at all.
var (
	// commandLine begins with a program whose commands are taken, or are said to belong elsewhere; or sets a switch
	// of the network, or is a line that iptables-save prints.
	commandLine = regexp.MustCompile(`(?m)^\s*(?:\S*[$#%]\s+)?(?:sudo\s+)?(?:\S*/)?(?:ip6?tables|iptables-\S+|nft|firewall-cmd|ufw)\s` +
		`|^\s*(?:\S*[$#%]\s+)?(?:sudo\s+)?sysctl\s(?:-\S+\s+)*"?net[./]|>\s*/proc/sys/net/` +
		`|^\s*\*(?:nat|filter|mangle|raw|security)\s*$|^\s*-[AID] [A-Z]`)
	// commandWithin stands anywhere in a line: behind another command, in quotation marks, in the setting of a unit.
	commandWithin = regexp.MustCompile(`(?:^|[\s;&|(!'"` + "`" + `=/{\[])(?:ip6?tables(?:-nft|-legacy)?\s+[-\\]|nft\s+(?:-f|add|insert|create|delete|destroy|replace|flush)\s)`)
	// nftLine begins a file of nft, or a command without that word. Families and objects are looked for, as prose begins with
	// add, too.
	nftLine = regexp.MustCompile(`(?m)^\s*(?:#!\s*(?:/\S*/)?(?:env\s+(?:-S\s+)?)?nft\b` +
		`|table\s+(?:(?:` + nftFamilies + `)\s+)?\S+\s*\{` +
		`|(?:add|create|insert|delete|destroy|replace|flush)\s+(?:ruleset\b|(?:table|` + nftObjects + `)\s+(?:` + nftFamilies + `)\s)` +
		`|(?:` + nftObjects + `)\s+(?:` + nftFamilies + `)\s+\S+\s+\S)`)
)

// FedLines is a text whose lines end in LF, whatever they ended in: CR and LF, or CR alone, as terminals send what is pasted.
func FedLines(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// HasCommands tells whether there is something in a text that Read or ReadNFT take: commands, wherever in their lines they
// stand, saved rules, or a file of nft.
func HasCommands(text string) bool {
	return commandLine.MatchString(text) || commandWithin.MatchString(text) || nftLine.MatchString(text) ||
		strings.Contains(text, "iptables") && containerOf(text) != nil
}
