// Package nft has the language of native nftables as values: tables, chains, rules, sets and the
// expressions that a rule is made of, as the kernel holds them (linux/netfilter/nf_tables.h). It reads
// and writes nothing; package nftables reads them from the kernel.
package nft
