package ui

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"nattui/rules"
	"nattui/rules/guide"
	"nattui/rules/nft"
	"nattui/rules/paste"
)

// saidNatively makes native plans of what a rule says, without the kernel's word for it.
type saidNatively struct{ now *nft.Ruleset }

func (s saidNatively) Advice(_ context.Context, _ guide.Host, a guide.Advice) (guide.Advice, error) {
	a.Plan, _ = nft.Natively(a.Plan, s.now)
	return a, nil
}

func (s saidNatively) Fields(_ context.Context, now *nft.Ruleset, c *nft.Chain, r *nft.Rule) (nft.Fields, int, error) {
	fields, err := r.Fields(c, now.Links)
	return fields, 1, err
}

func (s saidNatively) Import(_ context.Context, script string) (rules.Plan, error) {
	if strings.Contains(script, "nosuch") {
		return rules.Plan{}, errors.New("nft refused: line 1, column 5: Error: syntax error")
	}
	if text, ok := strings.CutPrefix(script, "add table inet nattui\nadd chain inet nattui postrouting "); ok {
		_, text, _ = strings.Cut(text, "\nadd rule inet nattui postrouting ")
		return rules.Plan{Title: "Import.", Steps: rules.NativeSteps([]rules.NativeChange{{What: rules.NativeRule, Family: "inet", Table: "nattui", Chain: "postrouting", Text: text}})}, nil
	}
	if strings.Contains(script, " handle ") || strings.Contains(script, " element ") {
		return planned(s.now, strings.ReplaceAll(script, "replace rule", "insert rule")), nil
	}
	return rules.Plan{Title: "Import.", Steps: rules.NativeSteps([]rules.NativeChange{{What: rules.NativeRule, Family: "inet", Table: "gw", Chain: "pre", Text: "accept"}})}, nil
}

// newNativelyStage is a gateway where only native rules translate, with the tables of iptables empty, or none at all.
func newNativelyStage(t *testing.T, text map[rules.Variant]string) *stage {
	s := newNativeStage(t, 120, 40, text)
	s.app.gw.Natively = saidNatively{s.native}
	s.tables(true)
	return s
}

// TestFormsAreNative: what a form, a goal or pasted text of nft comes to is native on a native gateway, with iptables and without.
func TestFormsAreNative(t *testing.T) {
	for name, text := range map[string]map[rules.Variant]string{"iptables empty": {v4: ""}, "no iptables": {}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newNativelyStage(t, text)
				s.press("a", "enter", "enter")
				s.write("tcp")
				s.press("enter")
				s.write("wan0")
				s.press("enter", "enter")
				s.write("203.0.113.1")
				s.press("tab")
				s.write("22")
				s.press("enter")
				s.write("192.168.0.9")
				s.press("enter", "ctrl+s")
				s.sees("add rule inet nattui prerouting")
				s.sees("dnat ip to 192.168.0.9")
				s.press("enter")
				if len(s.kernel.applied) != 1 || len(s.kernel.applied[0].Natives()) == 0 || len(s.kernel.applied[0].Changes()) > 0 {
					t.Errorf("applied: %+v", s.kernel.applied)
				}
				s.press("i")
				s.write("nft add rule inet gw pre nosuch")
				s.sees("nft refused: line 1")
			})
		})
	}
}

// TestPastedLinesOfIptablesAreNative: on a native gateway they are made natively, also where a table is read-only for iptables;
// what nft does not make there stays with iptables.
func TestPastedLinesOfIptablesAreNative(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newNativelyStage(t, map[rules.Variant]string{v4: ""})
		open := &rules.Ruleset{Family: rules.IPv4, Backend: rules.NFT, Foreign: map[string]string{"nat": "the native nft chain postrouting"}}
		ground := paste.Ground{Backend: rules.NFT, Sets: map[rules.Variant]*rules.Ruleset{v4: open}}
		im := s.app.reader("iptables -t nat -A POSTROUTING -s 10.0.0.0/8 -o wan0 -j MASQUERADE\niptables -A FORWARD -s 10.0.0.0/8 -j ACCEPT", ground)
		if natives, lines := im.Plan.Natives(), im.Plan.Changes(); len(natives) != 1 || !strings.Contains(natives[0].Text, "masquerade") || len(lines) != 1 || lines[0].Table != "filter" {
			t.Errorf("the plan is %+v, with %v", im.Plan, im.Remarks)
		}
		if im := s.app.reader("iptables -t nat -D POSTROUTING -j MASQUERADE", ground); !im.InDoubt() {
			t.Errorf("a rule of a table that is read-only for iptables is deleted: %+v", im.Plan)
		}
	})
}

// TestFormsStayWithIptables: with rules in table nat of iptables new ones go there.
func TestFormsStayWithIptables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newNativelyStage(t, map[rules.Variant]string{v4: gatewayRules})
		s.press("a", "enter", "enter", "enter")
		s.write("wan0")
		s.press("enter", "enter", "enter", "enter")
		s.write("192.168.0.9")
		s.press("ctrl+s")
		s.sees("$ iptables -t nat -A PREROUTING -i wan0 -j DNAT")
	})
}
