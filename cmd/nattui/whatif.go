package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/textfile"
	"nattui/ui/text"
)

type whatifOptions struct {
	json    bool
	in      string
	mark    string
	ext     string
	gateway string
	quiet   bool
}

func newWhatifCommand() *cobra.Command {
	var o whatifOptions
	c := &cobra.Command{
		Use:   "whatif PROTO SRC[:PORT] DST[:PORT] | -",
		Short: "Predict what the kernel does with a packet",
		Long: "whatif follows the first packet of a new connection through the tables of this gateway, as the kernel does: raw, mangle, nat and filter, the routing decision and the translation. " +
			"No packet is sent. With - it reads packets from standard input, one per line: PROTO SRC DST [INTERFACE], and of each names the rules that match, not all that it is compared with. " +
			"If the outcome is open (a random choice, a match that a packet alone cannot decide), it says so and names the rule.",
		Example: "nattui whatif tcp 203.0.113.10:4000 203.0.113.1:80\nnattui whatif icmp 192.168.0.7 198.51.100.7 --in lan0 --json\nnattui whatif - < packets.txt",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == "-" || len(packetWords(args)) == 3 {
				return nil
			}
			return usagef("a packet is PROTO SRC[:PORT] DST[:PORT], such as  tcp 203.0.113.10:4000 203.0.113.1:80")
		},
		ValidArgsFunction: completePacket,
		RunE:              func(c *cobra.Command, args []string) error { return whatif(c.Context(), o, packetWords(args)) },
	}
	c.Flags().BoolVar(&o.json, "json", false, "one JSON object per packet")
	c.Flags().StringVar(&o.in, "in", "", "the interface it arrives on (default: the one of the route back to its source)")
	c.Flags().StringVar(&o.mark, "mark", "", "its initial mark, such as 0x10")
	c.Flags().StringVar(&o.ext, "ext", "", "the extension headers of an IPv6 packet, such as frag or hop,dst; none for a packet without")
	registerGateway(c, &o.gateway)
	c.Flags().BoolVar(&o.quiet, "brief", false, "the outcome without the rules on the path")
	return c
}

// packetWords are the words of a packet, which may be given as one argument.
func packetWords(args []string) []string {
	if len(args) == 1 {
		return strings.Fields(args[0])
	}
	return args
}

func whatif(ctx context.Context, o whatifOptions, args []string) error {
	ask, err := newAsking(ctx, o, args[0] == "-")
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(stdout, 1<<16)
	if args[0] == "-" {
		err = answerAll(out, ask, textfile.Until(ctx, os.Stdin), o)
	} else {
		var p evaluate.Packet
		if p, err = parsePacket(args, o); err == nil {
			err = answer(out, ask, p, o)
		} else {
			sayNames(ctx, args)
		}
	}
	if flushed := out.Flush(); flushed != nil {
		return flushed
	}
	return err
}

// newAsking reads this gateway, or the one of a file, for one packet or for many.
func newAsking(ctx context.Context, o whatifOptions, many bool) (asker, error) {
	g := &gatewayFile{}
	var flows evaluate.FlowTable
	var err error
	if o.gateway != "" {
		g, err = openGatewayFile(ctx, o.gateway)
	} else if g.sets, g.facts, err = readGateway(ctx); err == nil {
		flows, err = flowsInUse(ctx)
	}
	if err != nil {
		return asker{}, err
	}
	programs := make([]*evaluate.Program, 0, len(g.sets))
	for _, s := range g.sets {
		programs = append(programs, evaluate.Compile(s))
	}
	ask := newAsker(g.host(flows), programs, many, o.quiet)
	if g.facts == nil {
		ask.open = facts.RulesAlone
	}
	return ask, nil
}

// sayNames says the addresses of names in a packet.
func sayNames(ctx context.Context, words []string) {
	words = packetWords(words)
	for _, w := range words[min(1, len(words)):min(3, len(words))] {
		if told := nameNow(ctx, w, "a packet has an address", ""); told != "" {
			say(stderr, told)
		}
	}
}

// answerAll answers for every line of the input. An invalid line is
// complained of and does not stop the others.
func answerAll(out *bufio.Writer, e asker, in io.Reader, o whatifOptions) error {
	lines := bufio.NewScanner(in)
	bad := 0
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		o := o
		fields = takeInterface(fields, &o)
		err := error(usagef("a packet is PROTO SRC DST [INTERFACE]"))
		if len(fields) == 3 {
			var p evaluate.Packet
			if p, err = parsePacket(fields, o); err == nil {
				err = answer(out, e, p, o)
			}
		}
		if err != nil {
			bad++
			fmt.Fprintf(stderr, "nattui: line %d: %v\n", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if bad > 0 {
		return statusError(exitUsage)
	}
	return nil
}

// takeInterface takes the interface off the end of a line's words.
func takeInterface(fields []string, o *whatifOptions) []string {
	n := len(fields)
	switch {
	case n == 5 && (fields[3] == "--in" || fields[3] == "in"):
		o.in = fields[4]
		return fields[:3]
	case n == 4:
		o.in = strings.TrimPrefix(strings.TrimPrefix(fields[3], "--in="), "in=")
		return fields[:3]
	}
	return fields
}

// parsePacket reads PROTO SRC[:PORT] DST[:PORT].
func parsePacket(words []string, o whatifOptions) (evaluate.Packet, error) {
	var p evaluate.Packet
	proto, ok := rules.ProtoNumber(strings.ToLower(words[0]))
	if !ok {
		return p, usagef("%q is not a protocol: use tcp, udp, icmp, another name or a number", words[0])
	}
	src, err := endpoint(words[1])
	if err != nil {
		return p, err
	}
	dst, err := endpoint(words[2])
	if err != nil {
		return p, err
	}
	if proto.HasPorts() && dst.Port() == 0 {
		return p, usagef("%s needs a destination port: %s", words[0], netip.AddrPortFrom(dst.Addr(), 80))
	}
	if proto == rules.ICMP && dst.Addr().Is6() {
		proto = rules.ICMPv6
	}
	p, err = evaluate.NewPacket(proto, src, dst)
	if err != nil {
		return p, usageError{err}
	}
	if o.mark != "" {
		mark, err := strconv.ParseUint(o.mark, 0, 32)
		if err != nil {
			return p, usagef("--mark %s: use a number such as 16 or 0x10", o.mark)
		}
		p.Mark = uint32(mark)
	}
	if o.ext != "" {
		headers, err := evaluate.ParseExtHeaders(o.ext)
		if err != nil {
			return p, usagef("--ext: %v", err)
		}
		p.Ext, p.Has = headers, p.Has|evaluate.HasExt
		if err := p.Validate(); err != nil {
			return p, usageError{err}
		}
	}
	p.In = o.in
	if o.in == "lo" { // what arrives there was sent by this host itself
		p.In, p.Local = "", true
	}
	return p, nil
}

// endpoint reads ADDRESS or ADDRESS:PORT.
func endpoint(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(a, 0), nil
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap, nil
	}
	if why := rules.WrongPort(s); why != "" {
		return netip.AddrPort{}, usagef("%q: %s", s, why)
	}
	return netip.AddrPort{}, usagef("%q is not an address: use 192.0.2.1:80 or [2001:db8::1]:80", s)
}

// answer evaluates one packet and prints what becomes of it.
func answer(out *bufio.Writer, e asker, p evaluate.Packet, o whatifOptions) error {
	path, err := e.ask(p)
	if err != nil {
		return usageError{err}
	}
	if e.open != "" {
		path.Open(e.open)
	}
	if o.json {
		w := whatifJSON(path, o.quiet)
		if w.In == "" {
			w.In = o.in
		}
		return json.NewEncoder(out).Encode(w)
	}
	writePath(out, path, o.quiet)
	return nil
}

// The JSON form of an answer.
type (
	jsonWhatif struct {
		Orig      jsonEnds    `json:"orig"`
		Result    jsonEnds    `json:"result"`
		NAT       string      `json:"nat"`
		Certain   bool        `json:"certain"`
		Delivered string      `json:"delivered"`
		In        string      `json:"in"`
		Out       string      `json:"out"`
		Path      []jsonVisit `json:"path,omitempty"`
		Doubts    []string    `json:"doubts,omitempty"`
		Others    []jsonOther `json:"others,omitempty"`
		Exists    bool        `json:"exists,omitempty"` // the connection exists already, and goes as it began
	}
	jsonEnds struct {
		Src   string `json:"src"`
		Sport uint16 `json:"sport"`
		Dst   string `json:"dst"`
		Dport uint16 `json:"dport"`
	}
	jsonVisit struct {
		Backend  string `json:"backend,omitempty"` // native, or that of a rule of iptables where both have rules in the table
		Handle   uint64 `json:"handle,omitempty"`
		Table    string `json:"table"`
		Chain    string `json:"chain"`
		Position int    `json:"position"`
		Spec     string `json:"spec"`
		Verdict  string `json:"verdict"`
	}
	jsonOther struct {
		Result    jsonEnds `json:"result"`
		NAT       string   `json:"nat"`
		Delivered string   `json:"delivered"`
		Out       string   `json:"out"`
	}
)

func whatifJSON(path evaluate.Path, brief bool) jsonWhatif {
	p := &path.Packet
	w := jsonWhatif{
		Orig:    jsonEnds{p.Src.String(), p.SrcPort, p.Dst.String(), p.DstPort},
		Certain: path.Certain, In: p.In, Exists: path.Exists,
	}
	for i := range path.Outcomes {
		o := &path.Outcomes[i]
		if i == 0 {
			w.Result, w.NAT, w.Delivered, w.Out = resultEnds(o, p), o.NAT(), o.Delivered.String(), o.Out
			if w.In == "" {
				w.In = o.In
			}
			continue
		}
		w.Others = append(w.Others, jsonOther{resultEnds(o, p), o.NAT(), o.Delivered.String(), o.Out})
	}
	for _, d := range path.Doubts {
		w.Doubts = append(w.Doubts, d.String())
	}
	if !brief {
		for _, v := range path.Visits {
			visit := jsonVisit{Table: v.Table, Chain: v.Chain, Position: v.Position, Spec: v.Text(), Verdict: v.Verdict.String()}
			if v.In != nil {
				visit.Backend, visit.Handle = rules.Native.String(), v.Handle
			} else if v.InBoth() {
				visit.Backend = v.Backend.String()
			}
			w.Path = append(w.Path, visit)
		}
	}
	return w
}

// resultEnds are the ends as the receiver sees them. ICMP has no ports.
func resultEnds(o *evaluate.Outcome, p *evaluate.Packet) jsonEnds {
	e := jsonEnds{Src: o.Src.Addr.String(), Dst: o.Dst.Addr.String()}
	if !o.Src.Addr.IsValid() {
		e.Src = ""
	}
	if !o.Dst.Addr.IsValid() {
		e.Dst = ""
	}
	if p.Protocol.HasPorts() {
		e.Sport, e.Dport = o.Src.Ports.Lo, o.Dst.Ports.Lo
	}
	return e
}

// writePath says an answer in words.
func writePath(out *bufio.Writer, path evaluate.Path, brief bool) {
	p := &path.Packet
	fmt.Fprintln(out, path.Sentence())
	if !brief {
		for _, v := range path.Visits {
			verdict := map[string]string{"match": "yes", "no": "no", "unknown": "?"}[v.Verdict.String()]
			if v.IsPolicy() {
				verdict = ""
			}
			fmt.Fprintf(out, "  %-28s %-4s %s\n", text.Safe(v.Name()), verdict, text.Safe(v.Text()))
			if v.Unknown != "" {
				fmt.Fprintf(out, "  %-28s      not known: %s\n", "", v.Unknown)
			}
		}
	}
	for i := range path.Outcomes {
		word := "=> "
		if i > 0 {
			word = "or "
		}
		fmt.Fprintf(out, "%s%s\n", word, text.Safe(path.Outcomes[i].Sentence(p)))
	}
	if !path.Certain {
		for _, d := range path.Doubts {
			fmt.Fprintf(out, "   not certain: %s\n", text.Safe(d.String()))
		}
		if path.Incomplete {
			fmt.Fprintln(out, "   and other outcomes are possible")
		}
	}
}
