package iptables

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"nattui/rules"
	"nattui/rules/nfnetlink"
)

// errUnseen says that the kernel lists its legacy tables to root alone: /proc/net/ip_tables_names has the mode 0440,
// and no capability of the network opens it (capabilities(7) has CAP_DAC_READ_SEARCH for that).
var errUnseen = fmt.Errorf("%w: the legacy tables are listed to root only", ErrPermission)

const unseenLegacy = "not known: the kernel lists legacy tables to root only"

// LoadedLegacy are the tables of iptables-legacy that the kernel has, by family, whether a program here can read them or not.
// It runs nothing.
func LoadedLegacy() (loaded []rules.LegacyTables) {
	for _, family := range rules.Families {
		switch names, err := loadedTables(family); {
		case errors.Is(err, errUnseen):
			loaded = append(loaded, rules.LegacyTables{Family: family, Unknown: true})
		case len(names) > 0:
			loaded = append(loaded, rules.LegacyTables{Family: family, Names: names})
		}
	}
	return loaded
}

// LegacyUnseen says why nobody can tell what legacy rules do: the kernel lists them to root only, or has some and no program
// here reads them. It is "" where that can be told, and where nothing of legacy is loaded. It runs iptables -V where tables
// are loaded and no program has the name of iptables-legacy.
func LegacyUnseen(ctx context.Context) string {
	var unread []string
	for _, l := range LoadedLegacy() {
		switch {
		case l.Unknown && nfnetlink.Capabilities().Effective&(1<<unix.CAP_NET_ADMIN) == 0:
			// Who may not see nft's rules either is told that.
		case l.Unknown:
			return "whether there are legacy iptables rules is " + unseenLegacy
		case !readsLegacy(ctx, l.Family):
			unread = append(unread, l.String())
		}
	}
	if len(unread) == 0 {
		return ""
	}
	return "there are " + strings.Join(unread, " and ") + ", and no program here reads them: what their rules do is not known"
}

// readsLegacy tells whether there are programs that read a family's tables of iptables-legacy.
func readsLegacy(ctx context.Context, family rules.Family) bool {
	for _, program := range []string{family.Command() + "-" + rules.Legacy.String(), family.Command()} {
		if find(program+"-save") != "" && find(program+"-restore") != "" && find(program) != "" {
			return program != family.Command() || plainBackend(ctx, family) == int(rules.Legacy)
		}
	}
	return false
}

// unreadLegacy is the absence of programs for tables of iptables-legacy that the kernel has; a itself where there are none.
func unreadLegacy(a *Absence) *Absence {
	if a.Variant.Backend != rules.Legacy || a.Reason != Missing {
		return a
	}
	names, err := loadedTables(a.Variant.Family)
	switch {
	case errors.Is(err, errUnseen):
		return &Absence{a.Variant, Unseen, unseenLegacy}
	case len(names) > 0:
		return &Absence{a.Variant, Unseen, a.Detail + ", and its tables are in use (" + strings.Join(names, ", ") + "): what their rules do is not known"}
	}
	return a
}
