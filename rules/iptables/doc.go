// Package iptables is the adapter to the kernel's iptables tables: it reads
// them into values of package rules, notices when anybody changes them, and
// carries out changes so that they are made whole or not at all.
//
// # Backends
//
// Linux keeps iptables rules in two places that do not see each other. The nft
// backend stores them as nftables objects, in tables of the families ip and ip6
// that bear iptables' names. The legacy backend stores them in ip_tables and
// ip6_tables, one blob of entries per table. Which one the plain command
// "iptables" means is a choice of the distribution. [Open] finds out once what
// is there; a [rules.Variant] (family and backend) that is missing is an [Absence]
// with its reason, and the others work without it.
//
// Snapshots and changes go through the programs iptables-save and
// iptables-restore, since only iptables can turn the options of its extensions
// into kernel structures and back. What is asked often does not: generations,
// notices and counters come from nfnetlink (linux/netfilter/nf_tables.h), and on
// legacy from the socket options of linux/netfilter_ipv4/ip_tables.h, at a
// hundredth of the cost of reading the rules again.
//
// go-iptables finds the programs out and their versions. Rules are not made with
// it: it makes one rule a process, so that of a plan half could be made and half
// refused, with every state in between in force meanwhile, and it sets no
// counters. iptables-restore makes all changes of a table in one commit or none,
// refuses before anything is changed, and keeps counters (-c). Where a single rule
// is meant and nothing has to be atomic, as in the lab's scenarios and in what tests
// find, go-iptables makes it: see Iptables of model/lab.
//
// Tables that iptables cannot show in full, because somebody put native nft
// objects into them, are read-only here ([rules.ReadOnly]); native tables
// elsewhere that translate as well are listed by [Natives].
//
// # Privileges
//
// Everything needs CAP_NET_ADMIN in the user namespace that owns the network
// namespace, legacy also CAP_NET_RAW. Without it, errors wrap [ErrPermission].
// Reading never loads a kernel module of the legacy backend and creates no table.
//
// # What blocks
//
// Reading takes as long as iptables-save does: 10 ms for an ordinary table,
// seconds for tens of thousands of rules in few chains. Writing waits up to
// [LockWait] for the lock that the legacy programs share, then fails with a
// [*Locked] that names the holder. Everything that runs a program takes a context.
// A Host may be used by several goroutines; changes are made one after the other.
package iptables
