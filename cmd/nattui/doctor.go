package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"

	"nattui/model/conntrack"
	"nattui/model/doctor"
	"nattui/model/flow"
	"nattui/model/host"
	"nattui/rules"
	"nattui/rules/iptables"
	"nattui/rules/paste"
	"nattui/ui/text"
)

// doctorOptions are the flags of "nattui doctor".
type doctorOptions struct {
	approval
	json, probe bool
	fix         string
	gateway     string
}

// newDoctorCommand makes "nattui doctor".
func newDoctorCommand() *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor [FORWARD]",
		Short: "Find what is wrong with this gateway's NAT, or why a forward does not work",
		Long: "doctor looks for what is wrong, risky or worth knowing about the NAT of this gateway: settings, filter rules that drop translated packets, replies that take another way, connections that no rule would create any more, and more. " +
			"Every finding has its evidence and, if there is one, the commands that fix it. Without --fix and --probe nothing is changed and no packet is sent.\n" +
			"With a FORWARD it follows that one from the packet that arrives to the answer that leaves, and stops at the first failure: a rule (PREROUTING 1), or what is asked for ([tcp] 203.0.113.1:80, a port such as 8080/tcp, or all ports of a rule such as 8000-8100/tcp). Where no rule forwards what is asked for it says what becomes of the packet, and of a rule that is no forward (OUTPUT 1) what was found about it.\n" +
			"\nIt exits with 10 if it has found a warning or an error, and with 0 where nothing is wrong as far as could be looked: what is marked ? (unknown in JSON) is not known.",
		Example: "nattui doctor\nnattui doctor tcp 203.0.113.1:80 --probe\nnattui doctor --fix forwarding-off\nnattui doctor --json | jq -r 'select(.severity == \"error\") | .sentence'",
		Args:    cobra.MaximumNArgs(4),
		RunE:    func(c *cobra.Command, args []string) error { return o.run(c, strings.Join(args, " ")) },
	}
	f := c.Flags()
	f.BoolVar(&o.json, "json", false, "one JSON object per finding and line")
	f.BoolVar(&o.probe, "probe", false, "with a FORWARD: open a TCP connection to its server, or to each of several, up to eight")
	f.StringVar(&o.fix, "fix", "", "fix a finding: a check such as forwarding-off, or check and subject such as 'hairpin PREROUTING 2'")
	registerGateway(c, &o.gateway)
	_ = c.RegisterFlagCompletionFunc("fix", completeFix)
	forwards := deleteOptions{table: "nat"}
	c.ValidArgsFunction = forwards.completeRule
	o.register(f)
	return c
}

// completeFix completes what the doctor finds now and can fix.
func completeFix(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	tables, err := iptables.Open(c.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	g, err := examined(c.Context(), tables)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var offered []string
	found := doctor.Examine(g)
	for i := range found {
		f := &found[i]
		if len(f.Cure.Steps) == 0 {
			continue
		}
		name := f.Check
		if slices.ContainsFunc(found, func(x doctor.Finding) bool { return x.Check == f.Check && x.Subject != f.Subject }) {
			name += " " + f.Subject
		}
		offered = append(offered, name+"\t"+text.Safe(f.Sentence))
	}
	return offered, cobra.ShellCompDirectiveNoFileComp
}

func (o *doctorOptions) run(c *cobra.Command, forward string) error {
	switch {
	case o.probe && forward == "":
		return usagef("--probe connects to the server of one forward: name it, such as  nattui doctor --probe tcp 203.0.113.1:80")
	case o.gateway != "" && (o.probe || o.fix != ""):
		return usagef("--probe and --fix are for this host; a recorded gateway is only looked at")
	case o.fix == "" && (o.dryRun || o.yes):
		return usagef("--dry-run and --yes go with --fix CHECK")
	}
	if o.fix != "" {
		if err := o.checkTime(); err != nil {
			return err
		}
	}
	ctx := c.Context()
	tables, g, err := o.read(c, forward)
	if err != nil {
		return err
	}
	found, err := o.examine(ctx, g, forward)
	if err != nil {
		return err
	}
	if o.fix != "" {
		return o.cure(c, tables, o.orOfForward(g, found))
	}
	out := newOutput(c)
	for i := range found {
		if err := o.print(out, &found[i]); err != nil {
			return err
		}
	}
	if out.terminal && doctor.Worst(found) < doctor.SeverityWarning && !o.json {
		fmt.Fprintln(out, o.verdict(found, forward))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if doctor.Worst(found) >= doctor.SeverityWarning {
		return statusError(exitProblems)
	}
	return nil
}

// read reads this host, or a recorded gateway; for a forward rules are not enough.
func (o *doctorOptions) read(c *cobra.Command, forward string) (*iptables.Host, *doctor.Gateway, error) {
	if o.gateway != "" {
		file, err := openGatewayFile(c.Context(), o.gateway)
		if err == nil && forward != "" {
			err = file.whole()
		}
		if err != nil {
			return nil, nil, err
		}
		return nil, file.examined(), nil
	}
	tables, err := openTables(c.Context(), c.ErrOrStderr())
	if err != nil {
		return nil, nil, err
	}
	g, err := examined(c.Context(), tables)
	return tables, g, err
}

func (o *doctorOptions) verdict(found []doctor.Finding, forward string) string {
	switch {
	case forward != "" && doctor.Unknown(found) > 0:
		return "Nothing was found that keeps it from working; what is marked ? is not known."
	case forward != "" && doctor.Unseen(found):
		return "Nothing was found that keeps it from working, and nobody has come yet."
	case forward != "" && doctor.Worst(found) == doctor.SeverityNote:
		return "Nothing was found that keeps everybody from using it; read the notes."
	case forward != "":
		return "No problem found with this forward."
	case slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Check == "rules-alone" }):
		return doctor.RulesAloneVerdict(found)
	case doctor.Unknown(found) > 0:
		return "Nothing is wrong as far as could be looked; what is marked ? is not known."
	case len(found) == 0:
		return "No problems found. Not everything can be checked from here."
	}
	return "No problems found, only notes."
}

// examine looks at the whole gateway, or at one forward.
func (o *doctorOptions) examine(ctx context.Context, g *doctor.Gateway, forward string) ([]doctor.Finding, error) {
	if forward == "" {
		return doctor.Examine(g), nil
	}
	f, found, err := doctor.Seek(g, forward)
	if err != nil || found != nil {
		return found, err
	}
	if o.probe && f.Proto == rules.TCP {
		g.Probes = map[netip.AddrPort]doctor.Probe{}
		for _, server := range doctor.Targets(g, f) {
			g.Probes[server] = ask(ctx, server)
		}
		if facts, err := readFacts(ctx); err == nil {
			g.Facts = &facts // who answered for the address is known now
		}
	}
	return doctor.ExamineForward(g, f), nil
}

// probeTime is how long a server may take to accept a connection.
const probeTime = 2 * time.Second

// ask asks a server for a connection and closes it at once.
func ask(ctx context.Context, server netip.AddrPort) doctor.Probe {
	dialer := net.Dialer{Timeout: probeTime}
	conn, err := dialer.DialContext(ctx, "tcp", server.String())
	if err != nil {
		return doctor.Probe{
			Refused: errors.Is(err, syscall.ECONNREFUSED), Why: err.Error(),
			Unreachable: errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EACCES),
		}
	}
	_ = conn.Close()
	return doctor.Probe{Connected: true}
}

// lossTime is how far apart two looks at the connection table's losses are.
const lossTime = 300 * time.Millisecond

// examined reads everything that the doctor looks at.
func examined(ctx context.Context, tables *iptables.Host) (*doctor.Gateway, error) {
	g := &doctor.Gateway{}
	before := host.Drops()
	flows, err := conntrack.Open(conntrack.Options{})
	switch {
	case errors.Is(err, conntrack.ErrUnsupported):
		g.Unseen = append(g.Unseen, err.Error())
	case err != nil:
		return nil, err
	default:
		defer flows.Close()
		g.Earlier = flows.Health()
	}
	began := time.Now()
	if flows != nil { // before the rules: by others than made it, one that begins meanwhile is stale
		g.Flows = flow.NewFlows()
		if err := flows.Dump(ctx, g.Flows.Apply); err != nil {
			return nil, err
		}
	}
	g.Sets, err = tables.ReadAll(ctx)
	if err := unreadTables(ctx, g, tables, err); err != nil {
		return nil, err
	}
	facts, err := readFacts(ctx)
	if err != nil {
		return nil, err
	}
	g.Facts = &facts
	unseen := g.Unseen
	g.Surroundings = surroundings(ctx, tables, g.Sets)
	g.DropsBefore = before
	g.Unseen = append(unseen, g.Unseen...)
	if flows == nil {
		return g, nil
	}
	if s := g.Earlier.Stats; s.Drop+s.EarlyDrop+s.InsertFailed > 0 {
		// Whether it goes on takes a second look.
		select {
		case <-time.After(time.Until(began.Add(lossTime))):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	g.Health = flows.Health()
	return g, nil
}

// unreadTables notes the tables that could not be read, by the error of reading all; it returns the error where
// there is nothing to go on with.
func unreadTables(ctx context.Context, g *doctor.Gateway, tables *iptables.Host, err error) error {
	if err == nil || errors.Is(err, iptables.ErrPermission) || ctx.Err() != nil {
		return err
	}
	g.Unread = map[rules.Variant]string{}
	for _, v := range tables.Variants() {
		if g.Sets[v] == nil {
			g.Unread[v] = strings.Join(strings.Fields(err.Error()), " ")
		}
	}
	return nil
}

// surroundings reads what bears on NAT apart from rules, flows and facts.
func surroundings(ctx context.Context, tables *iptables.Host, sets map[rules.Variant]*rules.Ruleset) (s doctor.Surroundings) {
	for _, a := range tables.Absent() {
		if a.Reason == iptables.TooOld || a.Reason == iptables.Broken || a.Reason == iptables.Unseen {
			s.Unseen = append(s.Unseen, a.String())
		}
	}
	s.Saved = savedRules()
	s.Drift = bootDrift(tables, sets)
	s.BootSettings = bootSettings()
	s.Drops = host.Drops()
	s.Failover = host.Failover(ctx, filesRoot())
	return s
}

// cure carries out the cure of a finding: that of the first of a check, or of the one that is about a subject.
func (o *doctorOptions) cure(c *cobra.Command, tables *iptables.Host, found []doctor.Finding) error {
	check, subject, _ := strings.Cut(strings.TrimSpace(o.fix), " ")
	subject = strings.TrimSpace(subject)
	var chosen *doctor.Finding
	var others []string
	seen := false
	for i := range found {
		f := &found[i]
		if f.Check != check || subject != "" && !strings.EqualFold(f.Subject, subject) {
			continue
		}
		switch seen = true; {
		case len(f.Cure.Steps) == 0:
		case chosen == nil:
			chosen = f // cures may touch the same places: one at a time
		default:
			others = append(others, fmt.Sprintf("--fix '%s %s'", f.Check, f.Subject))
		}
	}
	switch {
	case !seen && !doctor.IsCheck(check):
		return usagef("--fix: the doctor has no check %s%s", text.Safe(check), meant(check))
	case !seen:
		return missingf("the doctor has found no %s now", text.Safe(o.fix))
	case chosen == nil:
		return o.uncured(c, found, check, subject)
	}
	if len(others) > 0 {
		say(c.ErrOrStderr(), text.Safe(fmt.Sprintf("this cures %s; there are more: %s", chosen.Subject, strings.Join(others, ", "))))
	}
	return o.carryOut(c, tables, chosen.Cure)
}

// meant names the check that somebody may have meant; else it says where they are.
func meant(check string) string {
	if near := paste.Nearest(check, doctor.CheckNames()); near != "" {
		return ": perhaps " + near
	}
	return "; nattui doctor names those that have found something"
}

// orOfForward is what was found about the forward that --fix names, where it is not among what was found about the
// gateway: notes about clients elsewhere are told with their forward alone.
func (o *doctorOptions) orOfForward(g *doctor.Gateway, found []doctor.Finding) []doctor.Finding {
	check, subject, _ := strings.Cut(strings.TrimSpace(o.fix), " ")
	subject = strings.TrimSpace(subject)
	if slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Check == check && strings.EqualFold(f.Subject, subject) }) {
		return found
	}
	for _, f := range doctor.Forwards(g) {
		if strings.EqualFold(f.Name(), subject) {
			return doctor.ExamineForward(g, f)
		}
	}
	return found
}

// uncured says what can be done about findings for which there is no plan.
func (o *doctorOptions) uncured(c *cobra.Command, found []doctor.Finding, check, subject string) error {
	for i := range found {
		f := &found[i]
		if f.Check != check || subject != "" && !strings.EqualFold(f.Subject, subject) {
			continue
		}
		say(c.ErrOrStderr(), text.Safe(f.Sentence))
		for _, argv := range f.Commands {
			say(c.ErrOrStderr(), "run: "+text.Safe(rules.ShellLine(argv)))
		}
	}
	return fmt.Errorf("there is no plan that cures %s: it takes somebody who knows what is meant", text.Safe(o.fix))
}

// findingJSON is a finding as "nattui doctor --json" prints it. The names are for good.
type findingJSON struct {
	Check    string   `json:"check"`
	Severity string   `json:"severity"`
	Subject  string   `json:"subject"`
	Evidence string   `json:"evidence"`
	Sentence string   `json:"sentence"`
	Cure     []string `json:"cure,omitempty"`
}

func (o *doctorOptions) print(out *output, f *doctor.Finding) error {
	if o.json {
		line := findingJSON{f.Check, f.Severity.String(), f.Subject, strings.Join(f.Evidence, "; "), f.Sentence, nil}
		for _, argv := range f.CureCommands() {
			line.Cure = append(line.Cure, rules.ShellLine(argv))
		}
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(line)
	}
	mark := map[doctor.Severity]lipgloss.Style{
		doctor.SeverityError: lipgloss.NewStyle().Foreground(lipgloss.Color("1")), doctor.SeverityWarning: lipgloss.NewStyle().Foreground(lipgloss.Color("3")),
		doctor.SeverityUnknown: lipgloss.NewStyle().Foreground(lipgloss.Color("3")), doctor.SeverityNote: lipgloss.NewStyle(), doctor.SeverityUnseen: lipgloss.NewStyle(), doctor.SeverityOK: lipgloss.NewStyle().Foreground(lipgloss.Color("2")),
	}[f.Severity]
	word := text.Pad(f.Severity.Mark(), 7, false)
	if out.terminal {
		word = mark.Render(word)
	}
	fmt.Fprintf(out, "%s  %s  %s\n", word, out.ink.strong.Render(f.Check), out.ink.faint.Render(text.Safe(f.Subject)))
	for _, l := range out.wrap(f.Sentence) {
		fmt.Fprintln(out, "         "+l)
	}
	for _, e := range f.Evidence {
		for _, l := range out.wrap(e) {
			fmt.Fprintln(out, "         "+out.ink.faint.Render(l))
		}
	}
	for _, argv := range f.CureCommands() {
		fmt.Fprintln(out, "         $ "+text.Safe(rules.ShellLine(argv)))
	}
	return nil
}

// wrap breaks a sentence where the terminal ends; elsewhere it is one line.
func (o *output) wrap(sentence string) []string {
	if !o.terminal {
		return []string{text.Safe(sentence)}
	}
	return text.Wrap(text.Safe(sentence), max(30, o.width-10), 0)
}
