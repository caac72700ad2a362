package rules

// NativeTable is an nft table, not one of iptables', whose chains translate addresses too. iptables
// shows none of its rules, and the kernel asks them at the same place as those of iptables.
type NativeTable struct {
	Family string   // as nft names it: ip, ip6, inet
	Name   string   // such as firewalld
	Chains []string // those that hook into NAT, such as nat_PREROUTING
}

// String is the table as nft takes it: "table inet firewalld".
func (t NativeTable) String() string { return "table " + t.Family + " " + t.Name }

// Meets tells whether packets of the family come to its chains.
func (t NativeTable) Meets(f Family) bool {
	return t.Family == "inet" || t.Family == "netdev" || t.Family == "ip" && f == IPv4 || t.Family == "ip6" && f == IPv6
}
