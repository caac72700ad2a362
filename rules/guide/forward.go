package guide

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// evaluator says what becomes of packets under the rules planned so far, with
// forwarding taken as on: that is a step of its own.
func (b *builder) evaluator() *evaluate.Evaluator {
	if b.now != nil {
		return b.now
	}
	kernel := b.Kernel
	if route := kernel.Route; route != nil {
		kernel.Route = func(q evaluate.RouteQuery) evaluate.Decision {
			r := route(q)
			if r.Kind == evaluate.RoutedRefused && r.Out != "" {
				r.Kind = evaluate.RoutedForward
			}
			return r
		}
	}
	var programs []*evaluate.Program
	for variant, s := range b.sets { // those of the plan too, which variant tells
		if variant.Family == b.family && s != nil {
			programs = append(programs, evaluate.Compile(s))
		}
	}
	b.now = evaluate.NewEvaluator(kernel, programs...)
	return b.now
}

// dropped finds the rule or policy of table filter that stops a packet, now or
// possibly.
func dropped(p evaluate.Path) (evaluate.RuleRef, bool) {
	for _, o := range p.Outcomes {
		if o.Delivered == evaluate.Dropped && !o.DroppedBy.IsZero() {
			return o.DroppedBy, true
		}
	}
	return evaluate.RuleRef{}, false
}

// passage is a packet that has to pass, and the rule that lets it, written for
// the chain of the kernel's that it meets: FORWARD, INPUT or OUTPUT.
type passage struct {
	packet evaluate.Packet
	accept rules.Rule
	why    string
}

// crossing is what comes to a hook of the kernel's: what clients ask, or the answers to it.
type crossing struct {
	hook    string
	answers bool
}

// pass lets a packet through where something stops it. Where nothing does,
// nothing is added.
func (b *builder) pass(p passage) {
	hook := p.accept.Chain
	at := crossing{hook, p.packet.State == evaluate.StateEstablished}
	for try := range 4 {
		path, err := b.evaluator().Evaluate(p.packet)
		if err != nil {
			return
		}
		by, stopped := dropped(path)
		if !stopped {
			if try == 0 {
				b.notePassed(at, path)
			}
			return
		}
		if b.stopped == nil {
			b.stopped = map[crossing]bool{}
		}
		b.stopped[at] = true
		if by.Backend == rules.Native && b.Native {
			b.blocked = append(b.blocked, Blocked{by, p.packet, p.accept, p.why})
			return
		}
		if by.Table != "filter" || try == 3 {
			b.warn("", "", "%s still blocks it: %s", by, b.lineOf(by))
			return
		}
		chain, at := b.where(by, hook, path, try)
		before := len(b.plan.Steps)
		accept := p.accept.InChain(chain)
		b.add(by.Variant, "filter", accept, at, p.why)
		if len(b.plan.Steps) > before {
			b.proof.Passing = append(b.proof.Passing, Watched{Variant: by.Variant, Table: "filter", Chain: chain, Line: accept.String()})
		}
	}
}

// notePassed says why no rule is needed for a packet to pass: a policy, or a rule that is there already. Where
// anything on its way is not known it says nothing.
func (b *builder) notePassed(at crossing, path evaluate.Path) {
	hook := at.hook
	if len(path.Doubts) > 0 || len(path.Outcomes) != 1 || path.Outcomes[0].Delivered == evaluate.Dropped {
		return
	}
	last, several := tableDecider(path)
	native, filters := nativeDecider(hook, path)
	why := ""
	switch {
	case several || filters > 1 || filters == 1 && last != nil && !last.IsPolicy():
		return // several filters have a say: the plan shows what is needed
	case filters == 1 && native == nil:
		return
	case filters == 1 && native.IsPolicy():
		why = fmt.Sprintf(", because the policy of %s %s is accept", native.Table, native.Chain)
	case filters == 1:
		why = fmt.Sprintf(", because rule %d of %s %s lets the packets through: %s", native.Position, native.Table, native.Chain, native.Text())
	case last == nil:
		why = ": this host filters nothing there"
	case last.IsPolicy() && last.Chain == hook:
		why = ", because its policy is ACCEPT"
	case last.Rule != nil && last.Rule.Target.Kind == rules.Accept && !b.adds(last):
		why = fmt.Sprintf(", because rule %d of %s lets the packets through: %s", last.Position, last.Chain, last.Rule)
	default:
		return
	}
	if b.passed == nil {
		b.passed = map[crossing]string{}
	}
	if b.passed[at] == "" {
		b.passed[at] = why
	}
}

// tableDecider is the rule of a table filter of iptables that let a packet through, or, where none did, a policy: a packet comes
// through the tables of both backends, and a policy of one is no reason where the other would drop it but for a rule. Several
// tells that rules of both did.
func tableDecider(path evaluate.Path) (decider *evaluate.Visit, several bool) {
	last := map[rules.Variant]*evaluate.Visit{}
	for i := range path.Visits {
		if v := &path.Visits[i]; v.Table == "filter" && v.Verdict == evaluate.Yes {
			last[v.Variant] = v
		}
	}
	ruled := 0
	for _, v := range last {
		if !v.IsPolicy() {
			ruled++
		}
		if decider == nil || decider.IsPolicy() {
			decider = v
		}
	}
	return decider, ruled > 1
}

// adds tells that a rule which a packet meets is the plan's own.
func (b *builder) adds(v *evaluate.Visit) bool {
	return slices.ContainsFunc(b.plan.Steps, func(s rules.Step) bool {
		return s.Change != nil && s.Change.Table == v.Table && s.Change.Chain == v.Chain && s.Change.Rule.Same(*v.Rule)
	})
}

// nativeDecider is the rule or policy of a native filter that let a packet through at a hook, the last one it matched, and the
// number of such filters that it came through.
func nativeDecider(hook string, path evaluate.Path) (last *evaluate.Visit, filters int) {
	met := map[string]bool{}
	inside := false
	for i := range path.Visits {
		v := &path.Visits[i]
		if v.In == nil || v.In.Type != "" { // what a jump leads to has no hook of its own
			inside = v.In != nil && v.In.Type == "filter" && strings.EqualFold(v.In.Hook, hook)
		}
		if !inside {
			continue
		}
		if v.In.Type != "" {
			met[v.Table+" "+v.Chain] = true
		}
		if v.Verdict == evaluate.Yes {
			last = v
		}
	}
	return last, len(met)
}

// passedNotes are why no rule is needed to let packets through, of the chains for which none is; where one is needed for what
// is asked alone, why none is for the answers.
func (b *builder) passedNotes() (notes []string) {
	needed := len(b.blocked) > 0 || slices.ContainsFunc(b.plan.Steps, func(s rules.Step) bool { return s.Order != nil || s.Change != nil && s.Change.Table == "filter" })
	for _, hook := range []string{"FORWARD", "INPUT", "OUTPUT"} {
		first, answers := crossing{hook, false}, crossing{hook, true}
		why, back := b.passed[first], b.passed[answers]
		switch {
		case !needed && why+back != "":
			notes = append(notes, "No "+hook+" rule is needed"+cmp.Or(why, back))
		case needed && back != "" && b.stopped[first] && !b.stopped[answers]:
			notes = append(notes, "No "+hook+" rule is needed for replies"+back)
		}
	}
	return notes
}

func (b *builder) lineOf(r evaluate.RuleRef) string {
	if text, ok := b.Kernel.Native.Text(r); ok {
		return text
	}
	chain, ok := b.set(r.Variant).Chain(r.Table, r.Chain)
	switch {
	case !ok || r.Position > len(chain.Rules):
		return "unknown"
	case r.Position == 0:
		return "policy " + chain.Policy
	}
	return chain.Rules[r.Position-1].String()
}

// where is the place for a rule that lets a packet through: one that the program
// which manages the chain keeps for others, else before what stops the packet.
func (b *builder) where(by evaluate.RuleRef, hook string, path evaluate.Path, try int) (chain string, at int) {
	set := b.set(by.Variant)
	jumps := func(to string) bool {
		c, ok := set.Chain("filter", hook)
		return ok && slices.ContainsFunc(c.Rules, func(r rules.Rule) bool { return r.Target.Kind == rules.Jump && r.Target.Name == to })
	}
	if _, ok := set.Chain("filter", "DOCKER-USER"); ok && hook == "FORWARD" && jumps("DOCKER-USER") && try == 0 {
		b.note("Docker sets the policy of FORWARD to DROP; it leaves rules in DOCKER-USER alone, even when it restarts.")
		return "DOCKER-USER", 1
	}
	ufw := map[rules.Family]string{rules.IPv4: "ufw-user-", rules.IPv6: "ufw6-user-"}[b.family]
	ufw += map[string]string{"FORWARD": "forward", "INPUT": "input", "OUTPUT": "output"}[hook]
	if _, ok := set.Chain("filter", ufw); ok && try == 0 {
		b.note("ufw rewrites its chains when it is reloaded: to keep this rule, also add it to ufw (ufw route allow …) or to /etc/ufw/before.rules.")
		return ufw, 1
	}
	if slices.Contains(b.Managers, "firewalld") {
		b.note("firewalld owns this firewall and rebuilds it when it is reloaded; use its own commands to keep rules (firewall-cmd --permanent --add-forward-port …, --add-masquerade).")
	}
	if try > 0 || by.Chain == hook && by.Position == 0 {
		return hook, min(try, 1) // the end first, then the beginning
	}
	at = 1
	for _, v := range path.Visits {
		if v.Table == "filter" && v.Chain == hook && v.Variant == by.Variant && v.Position > 0 && v.Verdict != evaluate.No {
			at = v.Position
		}
	}
	return hook, at
}

// answers is the rule that lets the packets of existing flows pass.
const answers = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"

// narrow reports an interface by which packets have to be smaller than on
// Ethernet, so that large ones would be lost where ICMP is.
func (l Link) narrow() bool {
	switch l.Kind {
	case "ppp", "pppoe", "tun", "wireguard", "ipip", "gre", "sit", "vti", "xfrm":
		return true
	}
	return l.MTU > 0 && l.MTU < 1500
}

// clamp makes TCP agree on packets that fit through an interface.
func (b *builder) clamp(name string) {
	l, ok := b.link(name)
	if !ok || !l.narrow() {
		return
	}
	r := rule("-A FORWARD -o %s -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu", link(name))
	b.add(b.variant(), "mangle", r, 0, "Packets by "+name+" must be smaller than elsewhere. This rule makes both ends of a TCP connection use a size that fits; without it small pages load and large ones hang.")
}
