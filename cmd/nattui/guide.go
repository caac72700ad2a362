package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nattui/model/conntrack"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/guide"
	"nattui/rules/iptables"
	"nattui/ui/text"
)

// newGuideCommands makes the commands that take an intention or a pasted text:
// guide, import and explain.
func newGuideCommands() []*cobra.Command {
	return []*cobra.Command{newGuideCommand(), newImportCommand()}
}

// guideOptions are the flags that every recipe has.
type guideOptions struct {
	approval
	backend string
	watch   bool
}

func newGuideCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "guide",
		Short: "Describe what you want; get the rules, settings and reasons",
		Long: "guide makes a plan for what you want: rules in the right chains and positions, IP forwarding now and at boot, and the return path. " +
			"Each step says why it is needed. Nothing is added twice.",
		Example: "nattui guide share --net 192.168.0.0/24\nnattui guide publish --port 80 --to 192.168.0.2:8080 --inside --this-host\nnattui guide proxy --in lan0 --port 80 --to 8888 --dry-run",
		Args:    noSuchCommand,
		RunE: func(c *cobra.Command, _ []string) error {
			return usagef("say what you want: %s", strings.Join(commandNames(c), ", "))
		},
	}
	c.AddCommand(guideShare(), guidePublish(), guideProxy(), guideOneToOne(), guideVPN(), guideMove())
	return c
}

// recipeCommand makes the command of one recipe.
func recipeCommand(use, short, long, example string, flags func(c *cobra.Command), recipe func() (guide.Recipe, error)) *cobra.Command {
	var o guideOptions
	c := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := recipe()
			if err != nil {
				return err
			}
			return o.run(c, r)
		},
	}
	c.Flags().SortFlags = false
	flags(c)
	c.Flags().StringVar(&o.backend, "backend", "", "nft, legacy or native: where new rules go (default: native where only native rules translate, else that which has the NAT rules, or that of the iptables command)")
	offer(c, "backend", "nft", "legacy", "native")
	c.Flags().BoolVar(&o.watch, "watch", false, "then wait for the first packet and show how far it gets (default on a terminal)")
	for _, name := range []string{"to", "inside"} {
		if f := c.Flags().Lookup(name); f != nil && f.Value.Type() == "string" && (c.Name() == "publish" || c.Name() == "move" || name == "inside") {
			_ = c.RegisterFlagCompletionFunc(name, completeHosts)
		}
	}
	for _, name := range []string{"in", "out"} {
		if c.Flags().Lookup(name) != nil {
			_ = c.RegisterFlagCompletionFunc(name, completeInterfaces)
		}
	}
	o.approval.register(c.Flags())
	o.approval.registerTime(c.Flags())
	return c
}

func guideShare() *cobra.Command {
	var r guide.Share
	return recipeCommand("share", "Share this gateway's address with a network",
		"share lets machines of a network inside use this address to reach the Internet: SNAT if the address is fixed, MASQUERADE if it may change, firewall rules for both directions, IP forwarding now and at boot, and a smaller TCP segment size if the uplink is a tunnel.",
		"nattui guide share --net 192.168.0.0/24\nnattui guide share --net 2001:db8:2::/64 --out wan0 --dry-run",
		func(c *cobra.Command) {
			c.Flags().StringVar(&r.Net, "net", "", "the network inside, such as 192.168.0.0/24")
			c.Flags().StringVar(&r.Out, "out", "", "the interface to the Internet (default: that of the default route)")
			c.Flags().StringVar(&r.As, "as", "", "the public source address (default: the interface's own)")
		},
		func() (guide.Recipe, error) { return r, nil })
}

func guidePublish() *cobra.Command {
	var r guide.Publish
	return recipeCommand("publish", "Make a service inside reachable at this gateway's address",
		"publish forwards a port of this gateway to a server inside, opens the firewall for it, and makes sure that the replies come back.",
		"nattui guide publish --port 80 --to 192.168.0.2:8080 --inside --this-host\nnattui guide publish --proto udp --port 27000-27010 --to 192.168.0.5\nnattui guide publish --port 443 --to '[2001:db8:2::2]:8443'",
		func(c *cobra.Command) {
			f := c.Flags()
			f.StringVarP(&r.Protocol, "proto", "p", "tcp", "tcp, udp or both")
			f.StringVar(&r.At, "at", "", "the public address (default: that of the uplink)")
			_ = c.RegisterFlagCompletionFunc("at", completeAddresses)
			f.StringVar(&r.Port, "port", "", "the public port, or a range such as 8000-8010")
			f.StringVar(&r.To, "to", "", "the server inside: ADDRESS or ADDRESS:PORT")
			f.BoolVar(&r.Inside, "inside", false, "also from the server's own LAN, by the public address")
			f.BoolVar(&r.ThisHost, "this-host", false, "also from this host itself")
			f.StringVar(&r.WayBack, "way-back", "", "the server's gateway. gateway: it is this gateway, so replies pass here; elsewhere: it is another, so the server is made to see this gateway as the client")
			f.StringVar(&r.Comment, "comment", "", "a note that stays with the rule")
			offer(c, "proto", "tcp", "udp", "both")
			offer(c, "way-back", "gateway", "elsewhere")
		},
		func() (guide.Recipe, error) { return r, nil })
}

func guideProxy() *cobra.Command {
	var r guide.Proxy
	var family string
	return recipeCommand("proxy", "Redirect passing traffic to a proxy on this host",
		"proxy redirects what arrives on an interface for a port, whatever its destination, to a service on this host, as a transparent proxy needs it. What the service itself sends is not redirected.",
		"nattui guide proxy --in lan0 --port 80 --to 8888\nnattui guide proxy --in lan0 --proto udp --port 53 --to 5353",
		func(c *cobra.Command) {
			f := c.Flags()
			f.StringVarP(&r.In, "in", "i", "", "the interface that the clients' packets arrive on")
			f.StringVarP(&r.Protocol, "proto", "p", "tcp", "tcp or udp")
			f.StringVar(&r.Port, "port", "", "the destination port of the clients, or a range")
			f.StringVar(&r.ToPort, "to", "", "the port that the service listens on")
			f.StringVar(&r.Except, "except", "", "a destination network that is not redirected")
			f.StringVar(&family, "family", "ipv4", "ipv4 or ipv6")
			offer(c, "proto", "tcp", "udp")
			offer(c, "family", "ipv4", "ipv6")
		},
		func() (guide.Recipe, error) {
			f, err := rules.ParseFamily(family)
			if err != nil {
				return nil, usagef("--family %s: use ipv4 or ipv6", family)
			}
			r.Family = f
			return r, nil
		})
}

func guideOneToOne() *cobra.Command {
	var r guide.OneToOne
	return recipeCommand("one-to-one", "Map a public address or network to an inside one, both ways",
		"one-to-one gives a machine inside, or a whole network, public addresses of its own: every port, in and out.",
		"nattui guide one-to-one --outside 203.0.113.9 --inside 192.168.0.9\nnattui guide one-to-one --outside 198.51.100.0/24 --inside 10.1.2.0/24",
		func(c *cobra.Command) {
			c.Flags().StringVar(&r.Outside, "outside", "", "the public address or network")
			c.Flags().StringVar(&r.Inside, "inside", "", "the inside address or network, of the same size")
			c.Flags().StringVar(&r.Out, "out", "", "the interface to the Internet (default: that of the default route)")
		},
		func() (guide.Recipe, error) { return r, nil })
}

func guideVPN() *cobra.Command {
	r := guide.Share{VPN: true}
	return recipeCommand("vpn", "Let a VPN reach the Internet, and networks behind this gateway",
		"vpn lets the network of a VPN server on this host (OpenVPN, WireGuard, PPTP) reach the Internet, with a TCP segment size that fits the tunnel, and also a network inside if --reach names one.",
		"nattui guide vpn --net 10.8.0.0/24 --in tun0\nnattui guide vpn --net 10.8.0.0/24 --in wg0 --reach 192.168.0.0/24",
		func(c *cobra.Command) {
			c.Flags().StringVar(&r.Net, "net", "", "the VPN's network, such as 10.8.0.0/24")
			c.Flags().StringVarP(&r.In, "in", "i", "", "the tunnel's interface (default: found by the routes)")
			c.Flags().StringVar(&r.Out, "out", "", "the interface to the Internet (default: that of the default route)")
			c.Flags().StringVar(&r.As, "as", "", "the public source address (default: the interface's own)")
			c.Flags().StringVar(&r.Reach, "reach", "", "a network inside that the VPN may also reach")
		},
		func() (guide.Recipe, error) { return r, nil })
}

func guideMove() *cobra.Command {
	var r guide.Move
	return recipeCommand("move", "Send a published service to another machine",
		"move changes every rule of iptables that names a server to name another: the destination, the firewall rules, the return path. Of native rules it says which name it, and the command that changes each. It forgets open connections, so that clients reach the new server.",
		"nattui guide move --from 192.168.0.2:8080 --to 192.168.0.3",
		func(c *cobra.Command) {
			c.Flags().StringVar(&r.From, "from", "", "the current server: ADDRESS or ADDRESS:PORT")
			c.Flags().StringVar(&r.To, "to", "", "the new server: ADDRESS or ADDRESS:PORT")
			_ = c.RegisterFlagCompletionFunc("from", completeServers)
		},
		func() (guide.Recipe, error) { return r, nil })
}

func (o *guideOptions) run(c *cobra.Command, recipe guide.Recipe) error {
	if err := o.checkTime(); err != nil {
		return err
	}
	tables, err := iptables.Open(c.Context())
	if err != nil {
		return err
	}
	flags := variantFlags{backend: o.backend}
	native, err := flags.native(c.Context(), tables)
	if err == nil && !native {
		err = tables.Lacking()
	}
	if err != nil {
		return err
	}
	h, err := o.host(c.Context(), tables, recipe, native)
	if err != nil {
		return err
	}
	a := recipe.Advise(h)
	if native && !a.Wrong() {
		if a, err = natively(c.Context(), h, a); err != nil {
			return err
		}
	}
	for _, p := range a.Objections {
		sayAdvice(c, p)
	}
	if a.Wrong() {
		return statusError(exitUsage)
	}
	for _, n := range a.Notes {
		say(c.ErrOrStderr(), text.Safe(strings.Replace(n, guide.OtherGateway, "use --way-back elsewhere", 1)))
	}
	if len(a.Plan.Steps) == 0 {
		return nil
	}
	for i, step := range a.Plan.Steps {
		fmt.Fprintf(c.ErrOrStderr(), "%2d. %s\n", i+1, text.Safe(step.Why))
	}
	if err := o.carryOut(c, tables, a.Plan); err != nil {
		return err
	}
	if !o.dryRun && a.Proof.Try != "" {
		say(c.ErrOrStderr(), "to test it: "+text.Safe(a.Proof.Try))
		if o.watches(c) {
			return watchFirst(c, tables, a.Proof)
		}
	}
	return nil
}

// host is this gateway as recipes want it.
func (o *guideOptions) host(ctx context.Context, tables *iptables.Host, recipe guide.Recipe, native bool) (guide.Host, error) {
	backend := tables.Default()
	if native {
		backend = rules.NFT
	} else if o.backend != "" {
		b, err := rules.ParseBackend(o.backend)
		if err != nil {
			return guide.Host{}, usagef("--backend %s: use nft, legacy or native", o.backend)
		}
		backend = b
	}
	sets, err := tables.ReadAll(ctx)
	if err != nil {
		return guide.Host{}, err
	}
	if !native && o.backend == "" {
		backend = natBackend(sets, backend)
	}
	for variant, set := range sets {
		set.Name = tables.Program(variant)
	}
	facts, err := readFacts(ctx)
	if err != nil {
		return guide.Host{}, err
	}
	var flows *flow.Flows
	if _, moves := recipe.(guide.Move); moves {
		if flows, err = readFlows(ctx); err != nil {
			return guide.Host{}, err
		}
	}
	h := facts.GuideHost(sets, backend, flows)
	h.Native = native
	if o.backend == rules.Native.String() {
		h.Zone = nil // asked for by name, the rules are ours, and none of firewalld's
	}
	return h, nil
}

// readFlows reads the flow table once.
func readFlows(ctx context.Context) (*flow.Flows, error) {
	kernel, err := conntrack.Open(conntrack.Options{})
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	flows := flow.NewFlows()
	return flows, kernel.Dump(ctx, flows.Apply)
}

// sayAdvice says what is wrong with an answer, or doubtful, by the name of its
// flag, with the nearest that would work.
func sayAdvice(c *cobra.Command, p guide.Objection) {
	line := text.Safe(p.Text)
	if p.Field != "" {
		line = "--" + p.Field + ": " + line
	}
	if p.Warning {
		line = "warning: " + line
	}
	if p.Nearest != "" {
		line += fmt.Sprintf("; this would work:  --%s %s", p.Field, text.Safe(p.Nearest))
	}
	say(c.ErrOrStderr(), line)
	if f := c.Flags().Lookup(p.Field); f != nil && !p.Warning && slices.Contains([]string{"at", "to", "inside", "outside", "as"}, p.Field) {
		if told := addressNow(c.Context(), f.Value.String()); told != "" {
			say(c.ErrOrStderr(), told)
		}
	}
}
