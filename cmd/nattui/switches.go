package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"nattui/model/doctor"
	"nattui/rules/iptables"
	"nattui/ui/text"
)

func newSwitchesCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "switches [NAME]",
		Short: "Show the kernel settings that NAT needs, now and at boot",
		Long: "switches lists the kernel settings that NAT depends on: forwarding, the reverse path filter, the route to 127.0.0.0/8, " +
			"and the size and features of the connection table. For each it shows the value now, the value at boot and the file that sets it, what it is for, and what depends on it here.",
		Example: "nattui switches\nnattui switches ip_forward\nnattui switches --json | jq -r 'select(.value != .boot) | .name'",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			tables, err := iptables.Open(c.Context())
			if err != nil {
				return err
			}
			all, err := readSwitches(c.Context(), tables)
			if err != nil {
				return err
			}
			list := all.List
			if len(args) == 1 {
				s, err := all.Find(args[0])
				if err != nil {
					return usageError{err}
				}
				list = []doctor.Switch{*s}
			}
			out := newOutput(c)
			for i := range list {
				if asJSON {
					err = printSwitchJSON(out, &list[i])
				} else {
					printSwitch(out, &list[i], i == 0 || list[i].Group != list[i-1].Group, len(args) == 1)
				}
				if err != nil {
					return err
				}
			}
			return out.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object per setting and line")
	return c
}

func newSwitchCommand() *cobra.Command {
	o := approval{does: "changes a setting of the kernel"}
	boot := true
	c := &cobra.Command{
		Use:   "switch NAME VALUE",
		Short: "Change one of the kernel settings that NAT needs, now and at boot",
		Long: "switch changes one of the settings that \"nattui switches\" lists. Give its name, or the end of it, and a number or a word such as on, off, strict, loose. " +
			"It is also set at boot, in the file that decides there, unless --boot=false. \"nattui undo\" undoes both. " +
			"A value that cannot work is refused, with the nearest one that would.",
		Example: "nattui switch ip_forward on\nnattui switch wan0.rp_filter loose --boot=false\nnattui switch nf_conntrack_max 262144 --dry-run",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("which setting, and which value? as in  nattui switch ip_forward on;  nattui switches  lists them")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.checkTime(); err != nil {
				return err
			}
			tables, err := iptables.Open(c.Context())
			if err != nil {
				return err
			}
			all, err := readSwitches(c.Context(), tables)
			if err != nil {
				return err
			}
			s, err := all.Find(args[0])
			if err != nil {
				return usageError{err}
			}
			plan, err := all.Plan(s, args[1], boot)
			if err != nil {
				return refused(err)
			}
			for _, d := range s.Depends {
				say(c.ErrOrStderr(), s.Name+": "+text.Safe(d))
			}
			return o.carryOut(c, tables, plan)
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return completeSwitch(c.Context(), args), cobra.ShellCompDirectiveNoFileComp
		},
	}
	c.Flags().BoolVar(&boot, "boot", true, "also at boot")
	o.register(c.Flags())
	o.registerTime(c.Flags())
	return c
}

// refused makes a value that cannot work wrong usage.
func refused(err error) error {
	if errors.As(err, new(*doctor.Refusal)) {
		return usageError{err}
	}
	return missingError{err}
}

func completeSwitch(ctx context.Context, args []string) []string {
	tables, err := iptables.Open(ctx)
	if err != nil {
		return nil
	}
	all, err := readSwitches(ctx, tables)
	if err != nil {
		return nil
	}
	if len(args) == 1 {
		if s, err := all.Find(args[0]); err == nil {
			return s.Values()
		}
		return nil
	}
	var names []string
	for i := range all.List {
		names = append(names, all.List[i].Name)
	}
	return names
}

// readSwitches reads the switches of this host.
func readSwitches(ctx context.Context, tables *iptables.Host) (*doctor.Switches, error) {
	sets, err := tables.ReadAll(ctx)
	if err != nil {
		return nil, err
	}
	facts, err := readFacts(ctx)
	if err != nil {
		return nil, err
	}
	g := &doctor.Gateway{Facts: &facts, Sets: sets}
	g.BootSettings = bootSettings()
	return doctor.SwitchesOf(g), nil
}

// switchJSON is a switch as "nattui switches --json" prints it. The names are for good.
type switchJSON struct {
	Name      string   `json:"name"`
	Value     string   `json:"value"`
	Word      string   `json:"word"`
	Boot      string   `json:"boot,omitempty"`
	BootFile  string   `json:"boot_file,omitempty"`
	Interface string   `json:"interface,omitempty"`
	Purpose   string   `json:"purpose"`
	Depends   []string `json:"depends,omitempty"`
	Fixed     string   `json:"fixed,omitempty"`
}

func printSwitchJSON(out *output, s *doctor.Switch) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(switchJSON{s.Name, s.Now, s.Word(s.Now), s.Boot, s.BootFile, s.Link, s.Purpose, s.Depends, s.Fixed})
}

// printSwitch prints a switch in a line, or with all about it.
func printSwitch(out *output, s *doctor.Switch, head, whole bool) {
	if head && !whole {
		fmt.Fprintln(out, out.ink.faint.Render(s.Group))
	}
	atBoot := "not set at boot"
	if s.Boot != "" {
		atBoot = s.Word(s.Boot) + " at boot"
		if s.BootFile != "" {
			atBoot += " (" + s.BootFile + ")"
		}
	}
	name := fmt.Sprintf("%-42s", text.Safe(s.Name))
	fmt.Fprintf(out, "  %s %-8s %s\n", out.ink.strong.Render(name), s.Word(s.Now), out.ink.faint.Render(text.Safe(atBoot)))
	if !whole {
		return
	}
	for _, l := range append(append([]string{s.Purpose}, s.Depends...), s.Fixed) {
		if l == "" {
			continue
		}
		for _, w := range out.wrap(l) {
			fmt.Fprintln(out, "    "+w)
		}
	}
}
