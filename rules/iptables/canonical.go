package iptables

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/nfnetlink"
)

// Canonical is a text in the form of iptables-restore, however it is written, as the kernel has it: rules read as
// iptables-save prints them, so that they can be compared with those that are there. The text is loaded by the variant's own
// iptables-restore into an empty network namespace, which goes away again. It blocks while that runs.
//
// The error is *Rejected, with the program's own words and line, where the program does not take the text. What hangs on
// things that only this network namespace has, such as an ipset, is among that. Where no network namespace can be made it
// wraps nfnetlink.ErrNoAside.
func (h *Host) Canonical(ctx context.Context, variant rules.Variant, text string) ([]rules.Table, error) {
	p, err := h.programs(variant)
	if err != nil {
		return nil, err
	}
	var tables []rules.Table
	err = nfnetlink.Aside(ctx, func(ctx context.Context) error {
		tables, err = p.loaded(ctx, text)
		return err
	})
	if err != nil {
		return nil, err
	}
	var named []rules.Table
	for _, t := range tables {
		if slices.Contains(tablesOf(text), t.Name) {
			named = append(named, t)
		}
	}
	return named, nil
}

// loaded empties what there is of the text's tables, loads the text and reads it back.
func (p *programs) loaded(ctx context.Context, text string) ([]rules.Table, error) {
	var complaint words
	cmd := command(ctx, p.restore, "-w", fmt.Sprint(int(LockWait.Seconds())))
	cmd.Stdin, cmd.Stderr = strings.NewReader(text), &complaint
	if err := nfnetlink.Run(ctx, cmd); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if words := strings.TrimSpace(complaint.String()); words != "" && !isPermission(words) {
			return nil, &Rejected{Variant: p.variant, Program: p.restore, Words: words}
		}
		return nil, p.failure(ctx, "reading the rules of "+p.variant.String(), p.restore, complaint.String(), err)
	}
	saved, err := p.saved(ctx)
	if err != nil {
		return nil, err
	}
	return rules.Read(bytes.NewReader(saved))
}

// tablesOf are the names of the tables in a text.
func tablesOf(text string) (names []string) {
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "*"); ok {
			names = append(names, name)
		}
	}
	return names
}
