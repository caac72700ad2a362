package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"nattui/model/host"
	"nattui/rules"
	"nattui/rules/iptables"
	"nattui/rules/nft"
	"nattui/rules/nftables"
	"nattui/rules/paste"
	"nattui/rules/textfile"
	"nattui/ui/text"
)

// importOptions are the flags of "nattui import".
type importOptions struct {
	variantFlags
	approval
	answers                 []string
	corrected, acceptDoubts bool
}

func newImportCommand() *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:   "import FILE | - | 'iptables …' | 'nft …'",
		Short: "Check pasted iptables or nft commands, correct them, and apply them",
		Long: "import reads iptables commands as a shell would, without running them: one command, several, a script, or the output of iptables-save. " +
			"It reports each mistake with its position and the correction. If anything is in doubt it applies nothing, prints the corrected lines and exits with 1. " +
			"It asks for placeholders ($VARIABLES, YOUR_IP, x.x.x.x), or takes them from --set.\n" +
			"Text for nft is taken too: commands (nft add rule …), or a file (table inet gw { … }). It is tried on a copy of its tables in a network namespace of its own, together with the way back, and becomes single changes that can be undone. " +
			"What nft refuses is said in its words. Tables of other programs are not changed, and flush ruleset is refused.",
		Example: "nattui import 'iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE'\n" +
			"nattui import 'nft add rule inet nat postrouting oifname wan0 masquerade'\n" +
			"nattui import gateway.sh --set WAN=wan0 --set LAN=192.168.0.0/24 --dry-run\niptables-save | ssh gw nattui import - --yes",
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usagef("what to import? a file, - for standard input, or a command in quotes; see  %s --help", c.CommandPath())
			case len(args) > 1:
				return usagef("import takes one argument: put the command into quotes, as in  nattui import 'iptables -t nat …'")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args[0]) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVar(&o.answers, "set", nil, "NAME=VALUE: the value of a variable or placeholder; may be repeated")
	f.BoolVar(&o.corrected, "corrected", false, "apply the corrected lines instead of those with mistakes")
	f.BoolVar(&o.acceptDoubts, "accept-doubts", false, "apply lines that are doubtful, such as -F, as they are")
	f.StringVar(&o.backend, "backend", "", "native: make the rules of iptables commands in nattui's own nft table; nft or legacy: in iptables' tables, of those that the line does not name; default: native where only native rules translate")
	offer(c, "backend", "nft", "legacy", "native")
	o.approval.register(f)
	o.approval.registerTime(f)
	return c
}

func (o *importOptions) run(c *cobra.Command, what string) error {
	answers, err := parseAnswers(o.answers)
	if err == nil {
		err = o.checkAll()
	}
	if err != nil {
		return err
	}
	pasted, name, err := readPasted(c.Context(), c.InOrStdin(), what)
	if err != nil {
		return err
	}
	if name == "-" && !o.yes && !o.dryRun {
		return usagef("standard input is the text, so nattui cannot ask: use --yes, or --dry-run to see what would run")
	}
	if err := o.checkTime(); err != nil {
		return err
	}
	if script, ok := paste.ReadNFT(pasted, answers); ok {
		return o.importNative(c, script, name)
	}
	return o.importLines(c, pasted, name, answers)
}

// importLines makes what lines of iptables do.
func (o *importOptions) importLines(c *cobra.Command, pasted, name string, answers map[string]string) error {
	tables, ground, native, err := o.ground(c.Context())
	if err != nil {
		return err
	}
	ground.Answers, ground.AcceptDoubts, ground.File = answers, o.acceptDoubts, name
	im, err := readWhole(c, pasted, &ground)
	if err != nil {
		return err
	}
	sayFindings(c.ErrOrStderr(), name, pasted, im)
	if len(im.Questions) > 0 && o.mayAsk() {
		if im, err = o.askGaps(c, pasted, ground, im); err != nil {
			return err
		}
	}
	if o.corrected && im.InDoubt() {
		if im, err = readWhole(c, strings.Join(im.Corrected, "\n"), &ground); err != nil {
			return err
		}
	}
	if im.InDoubt() {
		if native {
			say(c.ErrOrStderr(), "rules are made natively here, in table inet "+nft.OwnTable+": what iptables deletes, replaces or counts is not there; see  nattui rules,  nattui delete,  nattui edit")
		}
		return o.refuse(c, im)
	}
	if len(im.Plan.Steps) == 0 {
		say(c.ErrOrStderr(), "there is nothing to change")
		return nil
	}
	if native {
		if im.Plan, err = o.inNative(c, tables, im.Plan); err != nil {
			return err
		}
	}
	return o.carryOut(c, tables, im.Plan)
}

// ground is this host, whose rules are made natively or not.
func (o *importOptions) ground(ctx context.Context) (tables *iptables.Host, ground paste.Ground, native bool, err error) {
	tables, err = iptables.Open(ctx)
	if err == nil && !nftables.Installed() {
		err = tables.Lacking()
	}
	if err != nil {
		return tables, ground, false, err
	}
	if ground, err = importGround(ctx, tables); err != nil {
		return tables, ground, false, err
	}
	if native, err = o.native(ctx, tables); native {
		ground = ground.Writable("nat", "mangle") // whose rules are made elsewhere
	} else if o.backend != "" {
		ground.Backend, _ = rules.ParseBackend(o.backend)
	}
	return tables, ground, native, err
}

// readWhole reads the text and shows how far it has come, until a signal ends it.
func readWhole(c *cobra.Command, pasted string, ground *paste.Ground) (paste.Import, error) {
	ctx, shown := c.Context(), newProgress(c.ErrOrStderr(), strings.Count(pasted, "\n"))
	defer shown.end()
	ground.Going = func(read int) bool {
		shown.at(read)
		return ctx.Err() == nil
	}
	im := paste.Read(pasted, *ground)
	return im, context.Cause(ctx)
}

// mayAsk tells whether somebody is there to answer.
func (o *importOptions) mayAsk() bool {
	return !o.yes && term.IsTerminal(os.Stdin.Fd())
}

// refuse prints the lines as they should be, and applies nothing.
func (o *importOptions) refuse(c *cobra.Command, im paste.Import) error {
	w := bufio.NewWriter(pipe{c.OutOrStdout()})
	for _, line := range im.Corrected {
		fmt.Fprintln(w, line)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, q := range im.Questions {
		hint := ""
		if q.Suggestion != "" {
			hint = fmt.Sprintf("; perhaps %s", q.Suggestion)
		}
		say(c.ErrOrStderr(), fmt.Sprintf("line %d: %s is needed for %s: --set %s%s", q.Line, q.What, text.Safe(q.Name), text.Safe(assignment(q.Name)), text.Safe(hint)))
	}
	say(c.ErrOrStderr(), "nothing was changed; "+printedLines(im))
	return statusError(exitFailed)
}

// printedLines says of the lines that are printed in place of those refused whether they are right.
func printedLines(im paste.Import) string {
	mended, left := im.Mended()
	switch {
	case !mended:
		return "the lines are on standard output, and none of them is corrected"
	case len(left) == 0:
		return "the corrected lines are on standard output"
	}
	numbers := make([]string, len(left))
	for i, n := range left {
		numbers[i] = strconv.Itoa(n)
	}
	where := "that of line "
	if len(left) > 1 {
		where = "those of lines "
	}
	return "the lines are on standard output, corrected but for " + where + strings.Join(numbers, ", ")
}

// assignment is NAME=…, as it is typed behind --set.
func assignment(name string) string {
	if rules.ShellLine([]string{name}) != name {
		return "'" + strings.ReplaceAll(name, "'", `'\''`) + "=…'"
	}
	return name + "=…"
}

// askGaps asks for what the text leaves open.
func (o *importOptions) askGaps(c *cobra.Command, pasted string, ground paste.Ground, im paste.Import) (paste.Import, error) {
	in := bufio.NewReader(textfile.Until(c.Context(), os.Stdin))
	for _, q := range im.Questions {
		hint := ""
		if q.Suggestion != "" {
			hint = " [" + text.Safe(q.Suggestion) + "]"
		}
		fmt.Fprintf(c.ErrOrStderr(), "%s, %s for %s%s: ", text.Safe(q.Name), q.What, q.Option, hint)
		line, err := in.ReadString('\n')
		if err != nil && line == "" {
			fmt.Fprintln(c.ErrOrStderr())
			return im, errDeclined
		}
		if line = strings.TrimSpace(line); line == "" {
			line = q.Suggestion
		}
		if line != "" {
			ground.Answers[q.Name] = line
		}
	}
	next := paste.Read(pasted, ground)
	sayFindings(c.ErrOrStderr(), "", pasted, paste.Import{Remarks: newFindings(im.Remarks, next.Remarks)})
	return next, nil
}

// newFindings are those that were not said before.
func newFindings(before, now []paste.Remark) []paste.Remark {
	said := map[paste.Remark]bool{}
	for _, f := range before {
		said[f] = true
	}
	var fresh []paste.Remark
	for _, f := range now {
		if !said[f] {
			fresh = append(fresh, f)
		}
	}
	return fresh
}

func parseAnswers(list []string) (map[string]string, error) {
	answers := map[string]string{}
	for _, a := range list {
		name, value, ok := strings.Cut(a, "=")
		if !ok || name == "" {
			return nil, usagef("--set %s: write NAME=VALUE", a)
		}
		answers[strings.TrimPrefix(strings.TrimSuffix(strings.TrimPrefix(name, "${"), "}"), "$")] = value
	}
	return answers, nil
}

// readPasted reads the text to import: from standard input, from a file, or the
// argument itself. ctx ends the waiting.
func readPasted(ctx context.Context, in io.Reader, what string) (pasted, name string, err error) {
	if what == "-" {
		text, err := textfile.ReadAll(ctx, in, textfile.Most)
		if err != nil {
			err = fmt.Errorf("read standard input: %w", err)
		}
		return paste.FedLines(string(fromUTF16(text))), "-", err
	}
	text, err := textfile.ReadUntil(ctx, what, textfile.Most)
	switch {
	case err == nil:
		return paste.FedLines(string(fromUTF16(text))), what, nil
	case strings.TrimSpace(what) == "":
		return "", "", usagef("there is nothing to import: the argument is empty; give a file, - for standard input, or a command in quotes")
	case !errors.As(err, new(*os.PathError)):
		return "", "", err
	case strings.ContainsAny(what, " \n"):
		return what, "", nil
	case errors.Is(err, os.ErrNotExist):
		return "", "", fmt.Errorf("there is no file %s; a command is given in quotes, as in  nattui import 'iptables -t nat …'", what)
	}
	return "", "", err
}

// sayFindings says what is found, each with its line and a mark under the word.
func sayFindings(w io.Writer, name, pasted string, im paste.Import) {
	lines := strings.Split(pasted, "\n")
	for _, f := range im.Remarks {
		place := fmt.Sprintf("%d:%d: ", f.Line, f.Column)
		if name != "" && name != "-" {
			place = text.Safe(name) + ":" + place
		}
		line := place + f.Level.String() + ": " + text.Safe(f.Text)
		if f.Correction != "" {
			line += "; write  " + text.Safe(f.Correction)
		}
		say(w, line)
		if f.Level == paste.Note || f.Line < 1 || f.Line > len(lines) {
			continue
		}
		source := []rune(strings.TrimSuffix(lines[f.Line-1], "\r"))
		if f.Column-1 > len(source) {
			continue
		}
		before := text.Safe(string(source[:f.Column-1]))
		fmt.Fprintf(w, "  %s\n  %s%s\n", text.Safe(string(source)), strings.Repeat(" ", cells(before)), strings.Repeat("^", max(1, utf8.RuneCountInString(f.Word))))
	}
}

// importGround is this host, as far as pasted text is held against it.
func importGround(ctx context.Context, tables *iptables.Host) (paste.Ground, error) {
	sets, err := tables.ReadAll(ctx)
	if err != nil {
		return paste.Ground{}, err
	}
	for variant, set := range sets {
		set.Name = tables.Program(variant)
	}
	g := paste.Ground{
		Sets: sets, Backend: tables.Default(), Answers: map[string]string{},
		UserID: userID, GroupID: groupID, HostAddrs: boundedNames(ctx),
		Setting: func(name string) (string, bool) {
			value, err := host.Sysctl(name)
			return value, err == nil
		},
	}
	facts, err := readFacts(ctx)
	if err != nil {
		return g, nil // without it only suggestions are lacking
	}
	if up, ok := facts.WAN(); ok {
		g.Uplink = up.Link
		g.Uplink4, g.Uplink6 = up.IPv4.Prefix.Addr(), up.IPv6.Prefix.Addr()
	}
	for _, l := range facts.Links {
		g.Links = append(g.Links, l.Name)
	}
	return g, nil
}

func userID(name string) (uint32, bool) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	return uint32(n), err == nil
}

func groupID(name string) (uint32, bool) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(g.Gid, 10, 32)
	return uint32(n), err == nil
}
