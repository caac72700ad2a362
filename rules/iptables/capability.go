package iptables

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"nattui/rules"
	"nattui/rules/nfnetlink"
)

// errUnseen says that the kernel lists its legacy tables to root alone: /proc/net/ip_tables_names has the mode 0440,
// and no capability of the network opens it (capabilities(7) has CAP_DAC_READ_SEARCH for that).
var errUnseen = fmt.Errorf("%w: the legacy tables are listed to root only", ErrPermission)

const unseenLegacy = "not known: the kernel lists legacy tables to root only"

// LegacyUnseen says why nobody can tell whether there are legacy rules; "" where it can be told, and where nothing of
// legacy is loaded.
func LegacyUnseen() string {
	if os.Geteuid() == 0 || nfnetlink.Capabilities().Effective&(1<<unix.CAP_NET_ADMIN) == 0 {
		return "" // root sees them, and whoever may not see nft's either is told that
	}
	for _, family := range rules.Families {
		if _, err := loadedTables(family); errors.Is(err, errUnseen) {
			return "whether there are legacy iptables rules is " + unseenLegacy
		}
	}
	return ""
}
