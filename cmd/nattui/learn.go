package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nattui/model/lab"
	"nattui/model/mission"
	"nattui/ui/text"
)

// newLearnCommand makes "nattui learn"; o says how its screens look.
func newLearnCommand(o *tuiOptions) *cobra.Command {
	var check, hint bool
	c := &cobra.Command{
		Use:   "learn [MISSION] [-- COMMAND ...]",
		Short: "Learn NAT by missions in the lab, checked by real traffic",
		Long: "learn lists the missions: small gateways with a fault or a wish, each with a goal. With the name of one it starts a lab for it. There L shows the map and, with m, the goal and how far you are; it " +
			"gives hints one after another (h), and tries the goal with real packets (c). Whatever makes the traffic right is a solution. In the lab, learn alone shows the goal, --check tries it and --hint gives the next hint.",
		Example: "nattui learn\nnattui learn publish",
		Args:    learnArgs,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			for _, m := range mission.Missions() {
				names = append(names, m.Name+"\t"+m.Title)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			session, err := lab.Inside()
			switch {
			case err == nil:
				defer session.Close()
				return learnInside(c, session, args, check, hint)
			case check || hint:
				return usagef("--check and --hint are for within the lab of a mission: start one with  nattui learn MISSION")
			case len(args) == 0:
				return listMissions(c, nil)
			}
			return runLab(c, o, lab.Options{Mission: args[0], Argv: args[1:]})
		},
	}
	c.Flags().BoolVar(&check, "check", false, "in the lab: try the goal with real packets; exit status 1 while it is not reached")
	c.Flags().BoolVar(&hint, "hint", false, "in the lab: the next hint")
	c.MarkFlagsMutuallyExclusive("check", "hint")
	o.register(c)
	return c
}

func learnArgs(c *cobra.Command, args []string) error {
	dash := c.ArgsLenAtDash()
	switch {
	case dash == 0:
		return errors.New("name a mission before -- and its command; see  nattui learn")
	case dash < 0 && len(args) > 1, dash > 1:
		return fmt.Errorf("one mission at a time, and -- before a command: nattui learn %s", args[0])
	case len(args) == 0:
		return nil
	}
	_, err := mission.Named(args[0])
	return err
}

// learnInside is the command within a lab.
func learnInside(c *cobra.Command, s *lab.Session, args []string, check, hint bool) error {
	if len(args) > 0 {
		return usagef("this is a lab already: leave it to start another, or choose it on the screens with L")
	}
	m, ok := s.Mission()
	if !ok {
		if check || hint {
			return usagef("this lab has no mission: leave it and start one with  nattui learn MISSION")
		}
		return listMissions(c, s)
	}
	switch {
	case check:
		return checkMission(c, s, m)
	case hint:
		before, err := s.Progress()
		if err != nil {
			return err
		}
		p, err := s.Hint()
		if err == nil && before[m.Name].Hints == p.Hints {
			say(c.ErrOrStderr(), "there are no more hints: this is the last one")
		}
		if err == nil {
			err = writeParagraphs(c, fmt.Sprintf("Hint %d of %d: %s", p.Hints, len(m.Hints), m.Hints[p.Hints-1]))
		}
		return err
	}
	return writeParagraphs(c, m.Title, m.Goal, "nattui learn --check tries it, nattui learn --hint helps.")
}

// checkMission tries the goal and prints each part of it, and what the mission was about once it is reached.
func checkMission(c *cobra.Command, s *lab.Session, m mission.Mission) error {
	p, err := s.Check(c.Context())
	if err != nil {
		return err
	}
	for _, step := range p.Steps {
		mark := "not yet"
		if step.OK {
			mark = "ok"
		}
		if err := writeParagraphs(c, fmt.Sprintf("%-8s %s (%s)", mark, step.Want, step.Saw)); err != nil {
			return err
		}
	}
	if !p.Reached() {
		return errors.New("the goal is not reached yet; nattui learn --hint helps")
	}
	return writeParagraphs(c, "", "The goal is reached. "+m.Lesson)
}

// listMissions prints all missions, and within a lab which of them are done.
func listMissions(c *cobra.Command, s *lab.Session) error {
	progress := map[string]mission.Progress{}
	if s != nil {
		var err error
		if progress, err = s.Progress(); err != nil {
			return err
		}
	}
	o := newOutput(c)
	for _, m := range mission.Missions() {
		line := fmt.Sprintf("%-13s %s", m.Name, m.Title)
		if progress[m.Name].Done {
			line += " (done)"
		}
		fmt.Fprintln(o, line)
	}
	if err := o.Flush(); err != nil || s != nil {
		return err
	}
	say(c.ErrOrStderr(), "nattui learn "+mission.Missions()[0].Name+" starts the first one in a lab; nothing of this host is touched")
	return nil
}

// writeParagraphs prints text, wrapped for a terminal.
func writeParagraphs(c *cobra.Command, paragraphs ...string) error {
	o := newOutput(c)
	for _, p := range paragraphs {
		if !o.terminal {
			fmt.Fprintln(o, p)
			continue
		}
		fmt.Fprintln(o, strings.Join(text.Wrap(p, min(o.width, helpWidth), 0), "\n"))
	}
	return o.Flush()
}
