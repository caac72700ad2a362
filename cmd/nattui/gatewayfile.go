package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"nattui/model/doctor"
	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
	"nattui/rules/paste"
	"nattui/ui"
)

// gatewayFile is a gateway that somebody recorded, or whose rules somebody sent as text.
type gatewayFile struct {
	path   string
	sets   map[rules.Variant]*rules.Ruleset
	facts  *facts.Facts // nil: the file has rules alone
	native *nft.Ruleset // nil: it is not known whether there are native tables
}

// gatewayUsage says of --gateway what it takes where rules are enough.
const gatewayUsage = "look at a recorded gateway (nattui record), or at what iptables-save or nft list ruleset printed, instead of this one"

// registerGateway adds --gateway to a command for which rules are enough.
func registerGateway(c *cobra.Command, path *string) {
	c.Flags().StringVar(path, "gateway", "", gatewayUsage)
}

var nativeTable = regexp.MustCompile(`(?m)^\s*table (?:ip|ip6|inet|arp|bridge|netdev) \S+ \{`)

// Lines of iptables -L, and of iptables -S.
var (
	listedChain = regexp.MustCompile(`(?m)^Chain \S+ \((?:policy |\d+ references?\))`)
	listedRule  = regexp.MustCompile(`(?m)^[ \t]*-[PNA] \S+`)
	aCommand    = regexp.MustCompile(`(?m)^\s*(?:sudo\s+)?(?:/\S*/)?(?:ip6?tables(?:-nft|-legacy)?|nft)\s`)
)

// openGatewayFile reads the file, whichever kind it is; "-" is standard input.
func openGatewayFile(ctx context.Context, path string) (*gatewayFile, error) {
	data, err := readMailed(ctx, path)
	if err != nil {
		return nil, err
	}
	g := &gatewayFile{path: path}
	switch trimmed := bytes.TrimSpace(data); {
	case bytes.HasPrefix(trimmed, []byte("{")):
		if g.sets, g.facts, err = readRecording(path, data); err == nil && g.facts.Native != nil {
			g.native = g.facts.Native.Ruleset()
		}
	case savedTable.Match(data):
		listed, rest := cutNative(data)
		if listed.open {
			return nil, listed.cutOff(path, nil)
		}
		whole, folded := unfolded(string(rest))
		if g.sets, err = readSaved(path, whole); err == nil {
			if folded > 0 {
				say(stderr, fmt.Sprintf("%s was folded by a mail program: %s joined", path, rules.Plural(folded, "line")))
			}
			if others := listed.others(g.sets); len(others) > 0 {
				g.native, err = readNftText(ctx, others)
			}
		}
	case nativeTable.Match(data):
		g.sets = map[rules.Variant]*rules.Ruleset{}
		g.native, err = readListed(ctx, path, data)
	case aCommand.Match(data) && paste.HasCommands(string(data)):
		err = fmt.Errorf("%s has commands, and no rules as they are printed:  nattui import %s  checks and makes them; to look at rules give it what  iptables-save  or  nft list ruleset  prints", path, path)
	case listedChain.Match(data), listedRule.Match(data):
		err = fmt.Errorf("%s is a listing of iptables -L or -S, which shows one table, and -L not all of its rules: take what  iptables-save  prints", path)
	default:
		err = fmt.Errorf("%s is neither a recorded gateway (nattui record writes one) nor what iptables-save or nft list ruleset prints", path)
	}
	if err != nil {
		return nil, err
	}
	return g, nil
}

// host is what the file tells of its gateway beside the rules of iptables; where it has rules alone, next to nothing.
func (g *gatewayFile) host(flows evaluate.FlowTable) evaluate.Host {
	switch {
	case g.facts != nil:
		host := g.facts.Host(flows)
		if g.facts.Native == nil {
			host.Filters = g.facts.NativeFilters
		}
		return host
	case g.native != nil:
		return evaluate.Host{Native: evaluate.CompileNative(g.native)}
	}
	return evaluate.Host{}
}

// whole is the file for what takes more than rules.
func (g *gatewayFile) whole() error {
	if g.facts == nil {
		return fmt.Errorf("%s has rules alone; without addresses, routes and settings nobody can tell what becomes of a forward: have  nattui record  run on that gateway; without a forward the doctor takes it as it is", g.path)
	}
	return nil
}

// variants are those of the file that are chosen, in their usual order.
func (g *gatewayFile) variants(f *variantFlags) []rules.Variant {
	var list []rules.Variant
	for _, b := range rules.Holders {
		for _, family := range rules.Families {
			v := rules.Variant{Family: family, Backend: b}
			if _, ok := g.sets[v]; ok && f.wants(v) {
				list = append(list, v)
			}
		}
	}
	return list
}

// notRecorded is what a recording lacks that the doctor looks at.
var notRecorded = []string{"connections: not in this recording", "what is saved for reboot: not in this recording"}

// surroundings are those of a recording: what is saved for boot is not known, which is no finding.
func (g *gatewayFile) surroundings() doctor.Surroundings {
	return doctor.Surroundings{Drift: &doctor.BootDrift{Nothing: true}}
}

// told is what is known of the host, with what is not recorded among what could not be read.
func (g *gatewayFile) told() *facts.Facts {
	if g.facts == nil {
		return nil
	}
	f := *g.facts
	f.Gaps = append(slices.Clone(f.Gaps), notRecorded...)
	return &f
}

// examined is the recording for the doctor.
func (g *gatewayFile) examined() *doctor.Gateway {
	return &doctor.Gateway{Sets: g.sets, NativeAlone: g.native, Facts: g.told(), Surroundings: g.surroundings()}
}

// newOpenCommand makes "nattui open"; o says how its screens look.
func newOpenCommand(o *tuiOptions) *cobra.Command {
	c := &cobra.Command{
		Use:   "open FILE",
		Short: "Open the screens on a recorded gateway, or on rules that somebody sent",
		Long: "open shows what  nattui record  wrote on another gateway: its rules, what the doctor finds in them, and what becomes of a packet. " +
			"It also takes what iptables-save or  nft list ruleset  printed: then there are the rules alone, as nobody knows the addresses and routes. " +
			"nft's text is read by the kernel itself, in an empty network namespace, by the program nft. Nothing of this host is looked at or changed.",
		Example: "ssh gw1 sudo nattui record > gw1.json && nattui open gw1.json\nnattui open rules.v4\nssh gw1 sudo iptables-save | nattui open -",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			file, err := openGatewayFile(c.Context(), args[0])
			if err != nil {
				return err
			}
			if args[0] == "-" { // keys do not come from where the file came
				if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
					defer func() { _ = tty.Close() }()
					os.Stdin = tty
				}
			}
			return runScreens(c.Context(), *o, func(context.Context, *sync.WaitGroup) (ui.Gateway, error) { return file.gateway(), nil })
		},
	}
	o.register(c)
	return c
}

// name is what the file is called on the screens.
func (g *gatewayFile) name() string {
	if g.path == "-" {
		return "standard input"
	}
	return filepath.Base(g.path)
}

// gateway is the file for the screens: all that there will ever be, and nothing that changes anything.
func (g *gatewayFile) gateway() ui.Gateway {
	tables, known := make(chan ui.Tables, 1), make(chan *facts.Facts, 1)
	tables <- ui.Tables{Sets: g.sets, Native: g.native, NoNative: "not recorded", At: time.Now(), Changed: true}
	gw := ui.Gateway{Tables: tables, Facts: known, ReadOnly: true, Recorded: g.name(), NoTrace: "a recorded gateway has no packets to trace", UserID: userID, GroupID: groupID}
	gw.Surroundings = func(context.Context) doctor.Surroundings { return g.surroundings() }
	if f := g.told(); f != nil {
		known <- f
	} else {
		gw.RulesAlone = true
	}
	return gw
}
