package ui

import (
	"regexp"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// commandLines match text that is made of commands or of saved rules.
var commandLines = regexp.MustCompile(`(?m)^\s*(?:[$#]\s+)?(?:sudo\s+)?(?:\S*/)?(?:ip6?tables|iptables-\S+|nft|firewall-cmd|ufw)\s|^\*(?:nat|filter|mangle|raw|security)\s*$|^\s*-[AID] [A-Z]`)

// paste gives pasted text to what takes it; commands are imported wherever they are pasted.
func (a *App) paste(pasted string) tea.Cmd {
	in, takes := a.input().(paster)
	switch {
	case a.leaving != staying:
		return nil
	case a.searchOpen():
		return a.pasteSearch(pasted)
	case takes && (a.typing() || a.top() != nil):
		return in.Paste(pasted)
	case a.top() != nil:
		a.refusePasted(pasted, "there is no text to type here; esc closes it")
		return nil
	case commandLines.MatchString(pasted) && (a.gw.ReadOnly || a.set() == nil):
		a.refuse(a.onlyLooks())
		return nil
	case commandLines.MatchString(pasted):
		return a.importAlso(pasted)
	case takes:
		return in.Paste(pasted)
	}
	a.refusePasted(pasted, noCommand)
	return nil
}

// noCommand is why text is not imported.
const noCommand = "no command of iptables or nft is in it"

// refusePasted says why text is not taken.
func (d *desk) refusePasted(pasted, why string) {
	if strings.TrimSpace(pasted) != "" {
		d.refuse("nothing was pasted: " + why)
	}
}
