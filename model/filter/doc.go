// Package filter is the language of the filter line: it reads a line such as
// "dst 192.168.0.0/24 dport 80 nat dnat" and makes a flow.Condition of it, completes words that are being typed,
// and suggests a correction for a wrong word. Words is its tokenizer, which the filter of traces shares.
//
// The package is pure.
package filter
