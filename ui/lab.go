package ui

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/model/mission"
	"nattui/rules"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// Lab is the test network that this gateway belongs to, where it is one.
type Lab interface {
	// Name is that of its scenario or mission; Summary says in a sentence what there is to see or to do.
	Name() string
	Summary() string
	// Mission is what is to be learned in it; false where it has none.
	Mission() (mission.Mission, bool)
	// Survey says who is in it. It takes some milliseconds.
	Survey() ([]mission.Host, error)
	// Send sends a request from one of its machines. It blocks until something comes back, some seconds at most.
	Send(ctx context.Context, r mission.Request) mission.Reply
	// Check tries the goal of the mission with real packets; it blocks as long. Hint gives one more hint.
	Check(ctx context.Context) (mission.Progress, error)
	Hint() (mission.Progress, error)
	// Progress is how far each mission is, by its name.
	Progress() (map[string]mission.Progress, error)
	// Scenarios are the names and summaries of the scenarios.
	Scenarios() (names, summaries []string)
	// Move notes that another lab is to begin when the screens have ended: of a scenario or of a mission, the other
	// is "". The error says why that cannot be.
	Move(scenario, name string) error
}

// bench is what the screens know of the lab.
type bench struct {
	hosts    []mission.Host
	progress map[string]mission.Progress
	sent     []mission.Reply // the latest last
	sending  int             // requests on their way
	checking bool
	refused  string // what went wrong, in its own words
	// drafts are requests that were typed and not sent, by the machine that was to send them.
	drafts map[string]string
}

// keptReplies is how many replies the map shows at most.
const keptReplies = 50

// keyLab opens the map, keySend sends what is waited for.
var (
	keyLab  = bind("L", "the lab", "L")
	keySend = bind("s", "send it", "s")
)

type (
	// surveyMsg says who is in the lab and how far the missions are.
	surveyMsg struct {
		number   uint64
		hosts    []mission.Host
		progress map[string]mission.Progress
		err      error
	}
	// repliedMsg brings what came back; to is who asked, nil for the map.
	repliedMsg struct {
		reply mission.Reply
		to    any
	}
	// checkedMsg brings how far the mission is.
	checkedMsg struct {
		progress mission.Progress
		err      error
	}
	// elsewhereMsg says that the screens end for another lab to begin.
	elsewhereMsg struct{}
)

// inLab tells whether this gateway is a lab's.
func (d *desk) inLab() bool { return d.gw.Lab != nil }

// survey looks who is in the lab, beside Update.
func (d *desk) survey() tea.Cmd {
	lab := d.gw.Lab
	if lab == nil {
		return nil
	}
	number := d.asks.survey.ask()
	return func() tea.Msg {
		msg := surveyMsg{number: number}
		if msg.hosts, msg.err = lab.Survey(); msg.err == nil {
			msg.progress, msg.err = lab.Progress()
		}
		return msg
	}
}

// send sends what choose chooses among the machines of the lab, beside Update. to hears of the reply.
func (d *desk) send(to any, choose func(hosts []mission.Host) (mission.Request, bool)) tea.Cmd {
	lab, ctx := d.gw.Lab, d.ctx
	if lab == nil {
		return nil
	}
	d.bench.sending++
	return func() tea.Msg {
		hosts, err := lab.Survey()
		if err != nil {
			return repliedMsg{mission.Reply{Why: err.Error()}, to}
		}
		r, ok := choose(hosts)
		if !ok {
			return repliedMsg{mission.Reply{Why: "no machine of this lab can send that packet; L sends any other"}, to}
		}
		return repliedMsg{lab.Send(ctx, r), to}
	}
}

// noteLab takes news of the lab, before the boxes do.
func (d *desk) noteLab(msg tea.Msg) tea.Cmd {
	b := &d.bench
	switch msg := msg.(type) {
	case surveyMsg:
		if !d.asks.survey.hear(msg.number) {
			return nil
		}
		if b.refused = ""; msg.err != nil {
			b.refused = msg.err.Error()
			return nil
		}
		b.hosts, b.progress = msg.hosts, msg.progress
	case repliedMsg:
		b.sending = max(0, b.sending-1)
		if b.sent = append(b.sent, msg.reply); len(b.sent) > keptReplies {
			b.sent = b.sent[1:]
		}
		return d.survey()
	case checkedMsg:
		b.checking = false
		if b.refused = ""; msg.err != nil {
			b.refused = msg.err.Error()
			return nil
		}
		return d.survey()
	}
	return nil
}

// openLab shows the map.
func (a *App) openLab() tea.Cmd {
	a.open(newLabMap(&a.desk))
	return a.survey()
}

// enterLab shows what the mission is, where there is one, as soon as the screens open.
func (a *App) enterLab() tea.Cmd {
	if !a.inLab() {
		return nil
	}
	if m, ok := a.gw.Lab.Mission(); ok {
		a.open(newMissionBox(&a.desk, m))
	}
	return a.survey()
}

// labTitle is the head of the screens in a lab: its name, and whether its mission is done.
func (d *desk) labTitle() string {
	m, ok := d.gw.Lab.Mission()
	title := d.look.Attention.Bold(true).Render("LAB")
	if ok && d.width >= 64 { // there is a scenario of the same name
		title += " mission"
	}
	title += " " + d.look.Strong.Render(d.gw.Lab.Name())
	if ok && d.bench.progress[m.Name].Done {
		title += " " + d.look.Good.Render(d.look.Glyphs.Tick)
	}
	if d.width >= 64 {
		title += d.look.Accent.Render(" " + keyLab.Help().Key)
	}
	return title
}

// replyLines are a request and what came back, for a page or a box of that width.
func (d *desk) replyLines(r mission.Reply, width int) []string {
	mark, style := d.look.Broken.Render(d.look.Glyphs.Cross), d.look.Text
	if r.Outcome == mission.Answered {
		mark = d.look.Good.Render(d.look.Glyphs.Tick)
	}
	sentence := r.Sentence()
	if r.From != "" {
		sentence = r.Request.Sentence() + ": " + sentence
	}
	lines := wrapped(mark+" ", "  ", sentence, style, width)
	if changed := r.Translated(); changed != "" {
		lines = append(lines, wrapped("  ", "  ", changed, d.look.Faint, width)...)
	}
	return lines
}

// waitedFor is the packet that a recipe waits for: who has to send it, and where to.
func waitedFor(w waited, hosts []mission.Host) (mission.Request, bool) {
	family := rules.IPv4
	if w.server.Addr().Is6() || w.asked.Addr().Is6() || w.net.Addr().Is6() {
		family = rules.IPv6
	}
	if w.proto == 0 {
		w.proto = rules.TCP
	}
	r := mission.Request{Proto: w.proto}
	from := mission.Sender(hosts, w.link, w.server.Addr())
	if w.net.IsValid() {
		from = inNetwork(hosts, w.net)
	}
	if from == nil {
		return r, false
	}
	r.From = from.Name
	switch {
	case w.asked.IsValid() && w.asked.Port() > 0:
		r.To = w.asked
	case w.asked.IsValid():
		r.To = netip.AddrPortFrom(w.asked.Addr(), anyPort(mission.Owner(hosts, w.server.Addr()), w.proto, family))
		if r.To.Port() == 0 {
			r.Proto = rules.ICMP
		}
	default:
		to, ok := mission.Elsewhere(hosts, from, w.proto, family)
		if !ok {
			return r, false
		}
		if r.To = to; w.port > 0 {
			r.To = netip.AddrPortFrom(to.Addr(), w.port)
		}
	}
	return r, true
}

// waited is what is known of a packet that is waited for.
type waited struct {
	proto  rules.Protocol // 0: TCP
	link   string         // the interface it arrives by; "": not known
	net    netip.Prefix   // the network it comes from; invalid: any
	asked  netip.AddrPort // what it asks for; invalid: anything beyond the gateway
	port   uint16         // of that; 0: any
	server netip.AddrPort // who serves it
}

func inNetwork(hosts []mission.Host, net netip.Prefix) *mission.Host {
	for i := range hosts {
		for _, a := range hosts[i].Addresses {
			if hosts[i].Behind != "" && net.Contains(a.Addr) {
				return &hosts[i]
			}
		}
	}
	return nil
}

// anyPort is a port that a machine listens on; 0 if there is none.
func anyPort(h *mission.Host, proto rules.Protocol, family rules.Family) uint16 {
	if h == nil {
		return 0
	}
	for _, l := range h.Listens {
		if l.Proto == proto && family.Holds(l.Addr) {
			return l.Port
		}
	}
	return 0
}

// listens are the open ports of a machine in the family, as a few words: tcp 80 443, udp 53.
func listens(h *mission.Host, family rules.Family) string {
	var parts []string
	last := rules.Protocol(0)
	seen := map[mission.Listener]bool{}
	for _, l := range h.Listens {
		of := mission.Listener{Proto: l.Proto, Port: l.Port}
		if !family.Holds(l.Addr) || l.Addr.IsLoopback() || seen[of] {
			continue
		}
		seen[of] = true
		switch {
		case l.Proto == last:
			parts = append(parts, strconv.Itoa(int(l.Port)))
		case last != 0:
			parts[len(parts)-1] += ","
			fallthrough
		default:
			parts = append(parts, l.Proto.String(), strconv.Itoa(int(l.Port)))
		}
		last = l.Proto
	}
	return strings.Join(parts, " ")
}

// wrapped breaks words from outside into lines of a width, the first behind head and the others behind indent.
func wrapped(head, indent, words string, style theme.Style, width int) []string {
	var lines []string
	for i, l := range text.Wrap(text.Safe(words), width-text.Width(indent), 0) {
		if i > 0 {
			head = indent
		}
		lines = append(lines, head+style.Render(l))
	}
	return lines
}
