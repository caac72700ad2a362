// Package rules is the language of Linux NAT rules, as values: reading what
// iptables-save prints, printing it back byte for byte, checking what a person
// enters, saying a rule in words, and describing changes that can be shown, run
// and inverted.
//
// The package is pure. It runs nothing, opens nothing and knows no clock; the
// kernel is reached through rules/iptables, which fills a Ruleset and carries
// out a Change.
//
// A Rule mirrors the kernel's struct ipt_entry: the fields of struct ipt_ip
// (addresses, interfaces, protocol), then matches in order, then one target.
// What is not understood stays in the rule as the words that were printed, so
// that nothing is ever lost by reading a table.
package rules
