package rules

import (
	"slices"
	"strings"
)

// Untold lists what the rule's sentence does not tell of its matches that have no type of their own: the module where it has
// no words for it, else the options that it leaves out.
func (r Rule) Untold() []string {
	var list []string
	for _, m := range r.Matches {
		if o, ok := m.(Opaque); ok {
			list = append(list, untoldOf(o)...)
		}
	}
	return list
}

// untoldOf lists what the words of a match leave out.
func untoldOf(m Opaque) []string {
	say, words := opaquePhrases[m.Name], extensionOptions(matchWords(nil, m)[2:])
	told := ""
	if say != nil {
		told = say(words)
	}
	if told == "" {
		return []string{m.Name}
	}
	var list []string
	for from, to := 0, 0; from < len(words); from = to {
		to = optionEnd(words, from)
		option := words[from:to]
		if !tellsNothing(option) && say(slices.Concat(words[:from], words[to:])) == told {
			list = append(list, Join(option))
		}
	}
	return list
}

// optionEnd is where an option ends that begins with its name, or with ! before that.
func optionEnd(words extensionOptions, from int) int {
	to := from + 1
	if words[from] == "!" && to < len(words) {
		to++
	}
	for to < len(words) && words[to] != "!" && !strings.HasPrefix(words[to], "--") {
		to++
	}
	return to
}

// tellsNothing tells an option that does not say which packets a rule takes, or says no more than without it.
func tellsNothing(option []string) bool {
	switch option[0] {
	case "--hashlimit-name", "--algo", "--connlimit-saddr", "--rsource": // where it is counted or how it is sought; what holds by itself
		return true
	case "--limit-burst": // told, be it the five that hold without it
		return true
	case "--connlimit-mask", "--mask": // iptables-save prints the mask of one address, too
		return len(option) > 1 && slices.Contains([]string{"32", "128", "255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, option[1])
	}
	return false
}
