package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/nft"
	"nattui/rules/nftables"
	"nattui/ui/text"
)

// completeNativeRule completes the chain and the number of a native rule, as completeRule does. It is false where no
// native rule is meant.
func (o *deleteOptions) completeNativeRule(c *cobra.Command, args []string) ([]string, bool) {
	_, native, err := o.isNative(c)
	if err != nil || !native {
		return nil, false
	}
	now, t, err := o.readNativeTable(c)
	if err != nil {
		return nil, true
	}
	var lines []string
	for _, chain := range t.Chains {
		switch {
		case len(args) == 0 && len(chain.Rules) > 0:
			lines = append(lines, chain.Name+"\t"+rules.Plural(len(chain.Rules), "rule"))
		case len(args) == 1 && chain.Name == args[0]:
			for n, r := range chain.Rules {
				lines = append(lines, strconv.Itoa(n+1)+"\t"+text.Safe(r.Read(chain, now.Links).Sentence(chain.Name)))
			}
		}
	}
	return lines, true
}

// completeTables completes a table: those of iptables that are given, and the native ones that are there.
func completeTables(ofIPTables []string) completer {
	return func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		tables := slices.Clone(ofIPTables)
		if now, err := nftables.Read(c.Context()); err == nil {
			for _, t := range now.Tables {
				if !t.OfIPTables() {
					tables = append(tables, t.Family.String()+" "+t.Name)
				}
			}
		}
		return tables, cobra.ShellCompDirectiveNoFileComp
	}
}

// nativeServers offers the servers that native rules forward to.
func nativeServers(ctx context.Context, offered *choices) {
	now, err := nftables.Read(ctx)
	if err != nil {
		return
	}
	for _, t := range now.Tables {
		for _, chain := range t.Chains {
			for n, r := range chain.Rules {
				read := r.Read(chain, now.Links)
				server, single := serverOf(read.To())
				if t.OfIPTables() || read.Kind() != rules.DNAT || !single || r.Owner(chain) != "" && t.Name != nft.OwnTable {
					continue
				}
				hint := fmt.Sprintf("%s %d: %s", chain.Path(), n+1, read.Sentence(chain.Name))
				offered.add(read.To(), rules.Variant{Family: rules.FamilyOf(server), Backend: rules.Native}, text.Safe(hint))
			}
		}
	}
}

// serverOf is the address of a new destination, where that is a single one.
func serverOf(to string) (netip.Addr, bool) {
	if server, err := netip.ParseAddrPort(to); err == nil {
		return server.Addr(), true
	}
	server, err := netip.ParseAddr(to)
	return server, err == nil
}
