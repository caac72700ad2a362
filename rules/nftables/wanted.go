package nftables

import (
	"context"
	"errors"
	"strings"

	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
)

// Want reads text of nft as what tables are to be like: it is loaded into a network namespace of its own, in which nothing
// else is, so that it has to be whole. The error is *Refused where nft does not take it, *Untried where it cannot be tried.
//
// It needs a namespace (nfnetlink.Aside) and the program nft.
func Want(ctx context.Context, real *nft.Ruleset, text string) (w nft.Wanted, err error) {
	program := find("nft")
	if program == "" {
		return w, &Untried{Why: "the program nft is not installed, without which its text cannot be read"}
	}
	t := &trial{ctx: ctx, program: program, real: real, script: text}
	err = nfnetlink.Aside(ctx, func(ctx context.Context) error {
		t.ctx = ctx
		if err := t.links(); err != nil {
			return err
		}
		if words, err := feed(ctx, program, text); err != nil {
			return &Refused{Words: words}
		}
		var err error
		w.Ruleset, w.Bodies, err = t.read()
		return err
	})
	if errors.Is(err, nfnetlink.ErrNoAside) {
		err = &Untried{Why: "the text cannot be read (" + err.Error() + ")", Err: err}
	}
	if err != nil {
		return w, err
	}
	var there []*nft.Table
	for _, want := range w.Ruleset.Tables {
		if t := real.Table(want.Family.String(), want.Name); t != nil && !t.OfIPTables() {
			there = append(there, t)
		}
	}
	listing, err := listings(ctx, program, there)
	w.Now = nft.Bodies(listing)
	return w, err
}

// Text is tables as nft reads them, without what they have counted.
func Text(ctx context.Context, tables []*nft.Table) (string, error) {
	program := find("nft")
	if program == "" && len(tables) > 0 {
		return "", &Untried{Why: "the program nft is not installed, without which native tables cannot be written down"}
	}
	var b strings.Builder
	for _, t := range tables {
		out, words, err := run(ctx, program, "", "-s", "list", "table", t.Family.String(), t.Name)
		if err != nil {
			return "", &Refused{Words: words}
		}
		b.WriteString(out)
	}
	return b.String(), nil
}
