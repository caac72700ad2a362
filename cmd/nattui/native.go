package main

import (
	"context"

	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
	"nattui/rules/nftables"
)

// This file plans changes of native nft for the commands.

// nativeSteps are what a script of nft does, as steps of a plan. It is tried on a copy of its tables first, with its way back.
func nativeSteps(ctx context.Context, now *nft.Ruleset, script string) ([]rules.Step, *nftables.Trial, error) {
	trial, err := nftables.Try(ctx, now, script)
	if err != nil {
		return nil, nil, err
	}
	if err := nft.Allowed(trial.Changes, now); err != nil {
		return nil, nil, err
	}
	steps := rules.NativeSteps(trial.Changes)
	for i := range steps {
		steps[i].Why = nft.Why(*steps[i].Native)
	}
	return steps, trial, nil
}

// nativeAfter is the native tables as a plan would leave them, ready for being evaluated; nil where it does not change them.
func nativeAfter(ctx context.Context, plan rules.Plan) (*evaluate.NativeProgram, error) {
	changes := plan.Natives()
	if len(changes) == 0 {
		return nil, nil
	}
	now, err := natives.reader.Read(ctx)
	if err != nil {
		return nil, err
	}
	if changes, err = nft.Resolve(changes, now); err != nil {
		return nil, err
	}
	trial, err := nftables.Try(ctx, now, rules.NativeScript(changes))
	if err != nil {
		return nil, err
	}
	return evaluate.CompileNative(trial.Predicted(now)), nil
}
