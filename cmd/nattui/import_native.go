package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/iptables"
	"nattui/rules/nftables"
	"nattui/rules/paste"
	"nattui/ui/text"
)

// importNative makes what pasted text for nft does.
func (o *importOptions) importNative(c *cobra.Command, pasted paste.NFT, name string) error {
	if pasted.Why != "" {
		return usagef("%s", text.Safe(pasted.Why))
	}
	host, err := iptables.Open(c.Context())
	if err != nil {
		return err
	}
	now, err := natives.reader.Read(c.Context())
	if err != nil {
		return err
	}
	steps, _, err := nativeSteps(c.Context(), now, pasted.Script)
	if err != nil {
		return namedPlaces(err, name)
	}
	if len(steps) == 0 {
		say(c.ErrOrStderr(), "there is nothing to change")
		return nil
	}
	plan := rules.Plan{Title: nativeTitle(steps), Steps: steps}
	return o.carryOut(c, host, plan)
}

// nativeTitle says what the steps do: the one, or how many.
func nativeTitle(steps []rules.Step) string {
	var of []rules.NativeChange
	for _, s := range steps {
		if s.Native.What == rules.NativeRule || s.Native.What == rules.NativeElement {
			of = append(of, *s.Native)
		}
	}
	if len(steps) == 1 {
		return steps[0].Native.Sentence()
	}
	if len(of) == 1 {
		return of[0].Sentence()
	}
	return fmt.Sprintf("Import %s of native nft.", rules.Plural(len(steps), "change"))
}

// standardInput is where nft says that something stands that it was given.
var standardInput = regexp.MustCompile(`/dev/stdin:(\d+):(\d+)(?:-\d+)?`)

// namedPlaces has nft's complaints name the places of the text as people know it.
func namedPlaces(err error, name string) error {
	var refused *nftables.Refused
	if !errors.As(err, &refused) {
		return err
	}
	place := "line $1, column $2"
	if name != "" && name != "-" {
		place = strings.ReplaceAll(name, "$", "$$") + ":$1:$2"
	}
	return &nftables.Refused{Words: standardInput.ReplaceAllString(refused.Words, place)}
}
