// Package evaluate says what the kernel does with a packet: which chains of a
// rules.Ruleset it visits, which rules it passes, how it is translated, and where it goes.
//
// Rules are compiled once, by Compile, and asked any number of times. Answers
// are of three values: a match that the packet as given cannot decide is Unknown, and what
// depends on it is not certain. What the rules themselves do not hold (addresses,
// routes, connections) is asked of a Host.
//
// The package is pure. It follows net/ipv4/netfilter/ip_tables.c,
// net/netfilter/nf_nat_core.c and the matches' own sources (net/netfilter/xt_*.c).
package evaluate
