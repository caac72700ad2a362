package rules

import (
	"slices"
	"strings"
)

// LegacyTables are the tables that iptables-legacy has in the kernel (/proc/net/ip_tables_names). Its programs alone can say
// what is in them: nft and iptables-nft show nothing of it.
type LegacyTables struct {
	Family Family
	Names  []string
	// Unknown is set where the kernel does not tell which there are: it lists them to root only.
	Unknown bool
}

// String is "IPv4 tables of iptables-legacy (nat, filter)".
func (t LegacyTables) String() string {
	if t.Unknown {
		return t.Family.Title() + " tables of iptables-legacy, which the kernel lists to root only"
	}
	return t.Family.Title() + " tables of iptables-legacy (" + strings.Join(t.Names, ", ") + ")"
}

// Has tells whether a table may be there.
func (t LegacyTables) Has(name string) bool {
	return t.Unknown || slices.Contains(t.Names, name)
}
