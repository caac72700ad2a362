package evaluate_test

import (
	"reflect"
	"slices"
	"testing"

	"nattui/rules/evaluate"
)

// foreseenAlike holds that what is foreseen of a packet, by what became of others of its class, is what becomes of it; and
// that the rules told are those that it matches of all that it is compared with.
func foreseenAlike(t *testing.T, e *evaluate.Evaluator, f, brief *evaluate.Foresight, p evaluate.Packet, about string) {
	t.Helper()
	want, err := e.Evaluate(p)
	if err != nil {
		return
	}
	want.Visits = slices.DeleteFunc(want.Visits, func(v evaluate.Visit) bool { return v.Verdict == evaluate.No })
	got, err := f.Of(p)
	if err != nil {
		t.Fatalf("%s\n%+v: %v", about, p, err)
	}
	if len(want.Visits) == 0 && len(got.Visits) == 0 {
		want.Visits = got.Visits
	}
	if !reflect.DeepEqual(want, got) {
		t.Fatalf("%s\n%+v\nis foreseen as\n%+v\nand becomes\n%+v", about, p, got, want)
	}
	got, err = brief.Of(p)
	if want.Visits = got.Visits; err != nil || len(got.Visits) > 0 || !reflect.DeepEqual(want, got) {
		t.Fatalf("%s\n%+v\nis foreseen briefly as\n%+v\nand becomes\n%+v: %v", about, p, got, want, err)
	}
}
