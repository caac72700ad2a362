package ui

import (
	"net/netip"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model"
	"nattui/rules/guide"
	"nattui/ui/text"
)

// proof waits for the first packet after a recipe, and ticks off how far it comes.
type proof struct {
	wanted guide.Proof
	began  time.Time
	// before are the counters of the rules to watch, as they were at the beginning.
	translating, passing []uint64

	translated, passed bool // told by the rules' counters
	seen               provedMsg
	searching          bool
	searched           time.Time
}

// provedMsg is what the flow table says of the packet.
type provedMsg struct {
	proof                         *proof
	arrived, translated, answered bool
	flow                          string
}

// searchPace is how often all flows are looked through.
const searchPace = time.Second

func newProof(d *desk, wanted guide.Proof) *proof {
	p := &proof{wanted: wanted, began: d.now}
	for _, w := range wanted.Translating {
		p.translating = append(p.translating, packetsOf(d, w))
	}
	for _, w := range wanted.Passing {
		p.passing = append(p.passing, packetsOf(d, w))
	}
	return p
}

// packetsOf is the counter of a watched rule; 0 while it is not there.
func packetsOf(d *desk, w guide.Watched) uint64 {
	chain, ok := d.tables.Sets[w.Place].Chain(w.Table, w.Chain)
	if !ok {
		return 0
	}
	for i := range chain.Rules {
		if chain.Rules[i].String() == w.Line {
			return chain.Rules[i].Counters.Packets
		}
	}
	return 0
}

// look reads the counters of the rules.
func (p *proof) look(d *desk) tea.Cmd {
	grown := func(watched []guide.Watched, before []uint64) bool {
		for i, w := range watched {
			if packetsOf(d, w) > before[i] {
				return true
			}
		}
		return false
	}
	p.translated = p.translated || grown(p.wanted.Translating, p.translating)
	p.passed = p.passed || grown(p.wanted.Passing, p.passing)
	return p.search(d)
}

func (p *proof) done() bool { return p.seen.answered }

// search looks through the flows, beside Update and not more often than once a
// second.
func (p *proof) search(d *desk) tea.Cmd {
	if p.done() || p.searching || d.gw.Flows == nil || d.now.Sub(p.searched) < searchPace && !p.searched.IsZero() {
		return nil
	}
	p.searching, p.searched = true, d.now
	flows, since := d.gw.Flows.Table(), p.began.UnixNano()
	return func() tea.Msg {
		msg := provedMsg{proof: p}
		flows.Each(func(_ model.Ref, f *model.Flow) bool {
			if at, _ := f.Since(); at < since || !p.matches(f) {
				return true
			}
			msg.arrived = true
			if f.Reply.Source() != f.Orig.Destination() || f.Reply.Destination() != f.Orig.Source() {
				msg.translated = true
			}
			if msg.flow == "" || f.Status&model.StatusSeenReply != 0 {
				msg.flow = f.Orig.String()
			}
			msg.answered = msg.answered || msg.translated && f.Status&model.StatusSeenReply != 0
			return !msg.answered
		})
		return msg
	}
}

// matches tells whether a flow is one that the recipe was made for.
func (p *proof) matches(f *model.Flow) bool {
	w := &p.wanted
	if w.Protocol != 0 && uint8(f.Proto()) != w.Protocol {
		return false
	}
	dst := f.Orig.Destination()
	switch {
	case w.Asked.IsValid():
		return dst.Addr() == w.Asked.Addr() && (w.Asked.Port() == 0 || dst.Port() == w.Asked.Port())
	case w.From.IsValid():
		return w.From.Contains(f.Orig.Source().Addr()) && !w.From.Contains(dst.Addr())
	case w.Server.IsValid():
		server := f.Reply.Source()
		return server.Addr() == w.Server.Addr() && (w.Server.Port() == 0 || server.Port() == w.Server.Port())
	}
	return false
}

func (p *proof) found(msg provedMsg) {
	p.searching = false
	p.seen.arrived = p.seen.arrived || msg.arrived
	p.seen.translated = p.seen.translated || msg.translated
	p.seen.answered = p.seen.answered || msg.answered
	if msg.flow != "" {
		p.seen.flow = msg.flow
	}
}

// patience is how long nothing may arrive before that says something.
const patience = 30 * time.Second

// view draws the ticks, and what to make of those that are missing.
func (p *proof) view(d *desk, title string, width, height int) []string {
	look := d.look
	arrived := p.seen.arrived || p.translated || p.passed
	translated := p.translated || p.seen.translated
	passed := p.passed || p.seen.answered
	head := "Waiting for your first packet"
	if p.done() {
		head = "It works"
	}
	lines := []string{" " + look.Strong.Render(text.Fit(title+" "+look.Glyphs.Dot+" "+head, width-2))}
	var try []string
	for _, l := range text.Wrap("Try it: "+text.Safe(p.wanted.Try)+".", width-4, 3) {
		try = append(try, "   "+look.Text.Render(l))
	}
	low := height < 12 // what is looked for comes first where there is little room
	if !low {
		lines = append(append(append(lines, ""), try...), "")
	}
	tick := func(yes bool, name string) {
		mark, style := look.Faint.Render(look.Glyphs.Dot), look.Faint
		if yes {
			mark, style = look.Good.Render(look.Glyphs.Tick), look.Text
		}
		lines = append(lines, "   "+mark+" "+style.Render(name))
	}
	tick(arrived, "arrived")
	tick(translated, "translated")
	if len(p.wanted.Passing) > 0 {
		tick(passed, "let through")
	}
	if d.gw.Flows != nil {
		tick(p.seen.answered, "answered")
	}
	if low {
		lines = append(lines, try...)
	}
	if p.seen.flow != "" {
		lines = append(lines, "   "+look.Faint.Render(text.Fit(text.Safe(p.seen.flow), width-4)))
	}
	if why := p.verdict(arrived, translated, passed, d); why != "" {
		lines = append(lines, "")
		for _, l := range text.Wrap(why, width-4, 4) {
			lines = append(lines, "   "+look.Attention.Render(l))
		}
	}
	return lines
}

// verdict says what it means that the packet came no further.
func (p *proof) verdict(arrived, translated, passed bool, d *desk) string {
	waited := d.now.Sub(p.began)
	switch {
	case p.done() || waited < patience:
		return ""
	case !arrived:
		text := "Nothing has arrived for " + text.Duration(waited.Truncate(time.Second)) + ". If you have tried, it is lost before this gateway: another router in front, the provider, or another address."
		if a := p.wanted.Asked.Addr(); a.IsValid() && private(a) {
			text += " " + a.String() + " is a private address, which the Internet does not reach."
		}
		return text
	case !translated:
		return "It arrives and is not translated: another rule takes it first, or the flow is older than the rule. See screen 4, Doctor."
	case len(p.wanted.Passing) > 0 && !passed:
		return "It is translated and not let through: see screen 4, Doctor."
	case d.gw.Flows != nil:
		return "It goes on to the server and no answer comes back: does the service run, and is this gateway the server's router? See screen 4, Doctor."
	}
	return ""
}

// private reports addresses that the Internet does not reach (RFC 1918, RFC 6598).
func private(a netip.Addr) bool {
	return a.IsPrivate() || netip.MustParsePrefix("100.64.0.0/10").Contains(a)
}
