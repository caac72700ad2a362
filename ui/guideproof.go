package ui

import (
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/doctor"
	"nattui/model/mission"
	"nattui/rules"
	"nattui/rules/guide"
	"nattui/rules/nft"
	"nattui/ui/table"
	"nattui/ui/text"
)

// proof waits for the first packet after a recipe, and ticks off how far it comes.
type proof struct {
	*doctor.Proving
	searching bool
	searched  time.Time
	// done is how many changes had been made here by then. Where there are fewer, one was undone or rolled back, and
	// nothing is waited for any more.
	done int
	due  bool           // a search is arranged for when the pace allows it
	sent *mission.Reply // what came back of the packet that was sent from here, in the lab
}

// provedMsg is what the flow table says of the packet.
type provedMsg struct {
	proof *proof
	found doctor.Proving
}

// searchDueMsg says that the pace allows another search.
type searchDueMsg struct{ proof *proof }

// searchPace is how often all flows are looked through.
const searchPace = time.Second

// newProof begins to wait; made are the native rules that were made for it.
func newProof(d *desk, wanted guide.Proof, made []rules.NativeChange) *proof {
	for _, c := range made {
		if c.What == rules.NativeRule && !c.Gone && c.Handle != 0 && c.Table == nft.OwnTable { // whose chains all translate
			at := rules.Variant{Backend: rules.Native}
			wanted.Translating = append(slices.Clip(wanted.Translating), guide.Watched{Variant: at, Table: c.Family + " " + c.Table, Chain: c.Chain, Handle: c.Handle})
		}
	}
	return &proof{done: len(d.done), Proving: doctor.NewProving(wanted, d.tables.Sets, d.tables.Native, d.now.UnixNano())}
}

// look reads the counters of the rules.
func (p *proof) look(d *desk) tea.Cmd {
	p.Look(d.tables.Sets, d.tables.Native)
	return p.search(d)
}

// search looks through the flows, beside Update and not more often than once a
// second: what is told of earlier is looked for then, lest the last news of a connection is passed over.
func (p *proof) search(d *desk) tea.Cmd {
	if p.Answered || p.due || d.gw.Flows == nil {
		return nil
	}
	if wait := searchPace - d.now.Sub(p.searched); p.searching || wait > 0 && !p.searched.IsZero() {
		p.due = true
		return tea.Tick(max(wait, searchPace/10), func(time.Time) tea.Msg { return searchDueMsg{p} })
	}
	return p.searchNow(d)
}

// searchNow looks through the flows whatever the pace.
func (p *proof) searchNow(d *desk) tea.Cmd {
	p.due = false
	switch {
	case p.Answered:
		return nil
	case p.searching:
		return p.search(d)
	}
	p.searching, p.searched = true, d.now
	flows, log, proving := d.gw.Flows.Table(), d.gw.Flows.Log(), *p.Proving
	return func() tea.Msg { return provedMsg{p, proving.Search(flows, log)} }
}

func (p *proof) found(msg provedMsg) {
	p.searching = false
	p.Take(msg.found)
}

// sends tells whether it is known which packet to send, in the lab; the machine is looked for later.
func (p *proof) sends() bool {
	w := p.Wanted
	return w.Asked.IsValid() || w.From.IsValid() || w.In != ""
}

// send sends the packet that is waited for.
func (p *proof) send(d *desk) tea.Cmd {
	w := waited{proto: p.Wanted.Protocol, link: p.Wanted.In, net: p.Wanted.From, asked: p.Wanted.Asked, port: p.Wanted.Port, server: p.Wanted.Server}
	if w.asked.IsValid() {
		w.link, _ = d.wan()
	}
	p.sent, p.Refused = nil, false
	return d.send(p, func(hosts []mission.Host) (mission.Request, bool) { return waitedFor(w, hosts) })
}

// reply tells what came back of what was sent from here, or how to send it.
func (p *proof) reply(d *desk, width int) (lines []string) {
	switch {
	case !d.inLab() || !p.sends():
		return nil
	case d.bench.sending > 0:
		return []string{"   " + d.look.Attention.Render("sent, waiting for what comes back…")}
	case p.sent == nil:
		return []string{"   " + d.look.Accent.Render(keySend.Help().Key) + d.look.Faint.Render(text.Fit(" sends it, from a machine of this lab", width-5))}
	}
	for _, l := range d.replyLines(*p.sent, width-4) {
		lines = append(lines, "   "+l)
	}
	return lines
}

// view draws the ticks, and what to make of those that are missing.
func (p *proof) view(d *desk, title string, width, height int) []string {
	look := d.look
	lines := []string{" " + look.Strong.Render(text.Fit(title+" "+look.Glyphs.Dot+" "+p.head(), width-2))}
	var try []string
	for _, l := range text.Wrap("Try it: "+text.Safe(p.Wanted.Try)+".", width-4, 3) {
		try = append(try, "   "+look.Text.Render(l))
	}
	try = append(try, p.reply(d, width)...)
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
	tick(p.Arrived, "arrived")
	tick(p.Translated, "translated")
	if d.gw.Flows != nil { // connections tell
		if len(p.Wanted.Passing) > 0 {
			tick(p.Passed, "let through")
		}
		tick(p.Answered, "answered")
	}
	if low {
		lines = append(lines, try...)
	}
	lines = append(lines, p.connection(d, width, !low)...)
	if why := p.verdict(d); why != "" {
		lines = append(lines, "")
		for _, l := range text.Wrap(why, width-4, 4) {
			lines = append(lines, "   "+look.Attention.Render(l))
		}
	}
	return lines
}

// head says in a few words what has become of the packet.
func (p *proof) head() string {
	switch {
	case p.Answered:
		return "It works"
	case p.RefusedThere():
		return "Arrived, but the server refuses"
	case p.Arrived && p.Refused:
		return "Arrived, but refused"
	case p.Arrived && p.Ended:
		return "Arrived, and gone without an answer"
	case p.Translated:
		return "Arrived, no answer yet"
	case p.Arrived:
		return "Arrived, but not translated"
	}
	return "Waiting for your first packet"
}

// connection draws the connection that was seen as the screen of the connections does.
func (p *proof) connection(d *desk, width int, headed bool) (lines []string) {
	switch {
	case p.Seen == nil && p.Flow == "":
		return nil
	case p.Seen == nil || d.gw.Flows == nil:
		return []string{"   " + d.look.Faint.Render(text.Fit(text.Safe(p.Flow), width-4))}
	}
	flows := newFlowsScreen(d)
	flows.list.widths = make([]int, flowCols)
	flows.measureFlow(p.Seen, flows.list.widths)
	lay := flows.list.layout(width - 3)
	line := flows.flowLine(p.Seen, &lay, false)
	lines = append(lines, line)
	if headed {
		lines = []string{"", "   " + table.Head(lay.cols, lay.widths, d.look.Faint), line}
	}
	if p.Ended {
		lines = append(lines, "   "+d.look.Faint.Render(text.Fit("This connection has ended; the kernel has it no more.", width-4)))
	}
	return lines
}

// verdict says what it means that the packet came no further, and where to look.
func (p *proof) verdict(d *desk) string {
	why := p.Verdict(d.now.UnixNano(), d.gw.Flows != nil)
	if why != "" && p.Arrived {
		why += " See screen 4, Doctor."
	}
	return why
}
