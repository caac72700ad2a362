package ui

import (
	"regexp"

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
		return nil
	case commandLines.MatchString(pasted) && (a.gw.ReadOnly || a.set() == nil):
		a.refuse(a.onlyLooks())
		return nil
	case commandLines.MatchString(pasted):
		x := newImport(&a.desk)
		a.open(x)
		return x.Paste(pasted)
	case takes:
		return in.Paste(pasted)
	}
	return nil
}
