package evaluate_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nftables"
)

// TestNativeClassesAreAlike is TestClassesAreAlike with native rule sets, which a kernel has taken.
func TestNativeClassesAreAlike(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	lab.Program(t, "nft")
	g := &generator{Rand: rand.New(rand.NewPCG(seedOf(t), 9)), open: true}
	openGround(t) // the interfaces that rules name
	var sum classTally
	for n := range number(t, "NATTUI_CLASS_TABLES", 40) {
		g.family = rules.Family(n % 2)
		run(t, "", "nft", "flush ruleset")
		native := &nativeGenerator{generator: g}
		text := native.load(t)
		set, err := nftables.Read(context.Background())
		check(t, "read the native tables", err)
		host := g.host()
		host.Native = evaluate.CompileNative(set)
		for i := range host.Interfaces {
			host.Interfaces[i].Index = i + 1
		}
		next := g.far
		if n%3 != 0 {
			next = nil
		}
		sum.alike(t, g, evaluate.NewEvaluator(host), g.landmarks(text, host), next, fmt.Sprintf("table %d:\n%s\n%+v", n, text, host.Interfaces))
	}
	sum.enough(t)
}
