package doctor

import (
	"slices"
	"strings"
	"testing"

	"nattui/model/facts"
)

// TestAnswersNotForwarded: where what arrives on the server's side is not forwarded, the forward has the switch and its cure,
// and no step says that the answer passes.
func TestAnswersNotForwarded(t *testing.T) {
	g := soundGateway(t)
	lan := g.Facts.Settings.Links["lan0"]
	lan.Forwarding4 = facts.SettingOff
	g.Facts.Settings.Links["lan0"] = lan
	for name, found := range map[string][]Finding{"forward": ExamineForward(g, Forwards(g)[0]), "gateway": Examine(g)} {
		step := stepNamed(t, found, "forwarding-off")
		if step.Subject != "net.ipv4.conf.lan0.forwarding" || !strings.Contains(commandLines(step), "sysctl -w net.ipv4.conf.lan0.forwarding=1") {
			t.Errorf("%s: %s %q", name, step.Subject, commandLines(step))
		}
		if slices.ContainsFunc(found, func(f Finding) bool {
			return f.Severity == SeverityOK && strings.Contains(f.Sentence, "answer through")
		}) {
			t.Errorf("%s: the answer is said to pass: %v", name, found)
		}
	}
}

// TestAnswerThatComesToNoFilter: that a filter lets an answer through is not said where the answer ends before.
func TestAnswerThatComesToNoFilter(t *testing.T) {
	g := soundGateway(t)
	g.Facts.Routes = slices.DeleteFunc(g.Facts.Routes, func(r facts.RouteEntry) bool { return r.Dst.Bits() == 0 })
	f := Forwards(g)[0]
	f.packet.Src = strangers[0]
	x := examine(g)
	if step := stepLetThrough(x, &f); step.Severity == SeverityOK && strings.Contains(step.Sentence, "answer") {
		t.Errorf("%s", step.Sentence)
	}
}

// TestDisbelievedWithoutDefaultRoute: a filter of reverse paths lets nobody pass whom no route leads back to.
func TestDisbelievedWithoutDefaultRoute(t *testing.T) {
	for _, test := range []struct {
		name     string
		mode     facts.RPFilter
		route    bool
		severity Severity
	}{
		{"strict", facts.RPFilterStrict, false, SeverityNote},
		{"loose", facts.RPFilterLoose, false, SeverityNote},
		{"off", facts.RPFilterOff, false, SeverityOK},
		{"strict, with a default route", facts.RPFilterStrict, true, SeverityOK},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := soundGateway(t)
			wan := g.Facts.Settings.Links["wan0"]
			wan.RPFilter = test.mode
			g.Facts.Settings.Links["wan0"] = wan
			if !test.route {
				g.Facts.Routes = slices.DeleteFunc(g.Facts.Routes, func(r facts.RouteEntry) bool { return r.Dst.Bits() == 0 })
			}
			x := examine(g)
			if step := stepBelieved(x, &x.forwards[0]); step.Severity != test.severity {
				t.Errorf("%s: %s", step.Severity, step.Sentence)
			}
		})
	}
}
