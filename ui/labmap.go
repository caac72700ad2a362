package ui

import (
	"net/netip"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/model/mission"
	"nattui/rules"
	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// labMap is the box with the lab: who is where, which addresses, what listens, and a line by which a packet or
// a request is sent from any of the machines, with what came back.
type labMap struct {
	*desk
	cursor  table.Cursor[string]
	family  rules.Family // of the addresses that are shown
	typing  bool
	hurried bool // a request is to be typed as soon as it is known who is there
	input   typedLine
	refused string
}

func newLabMap(d *desk) *labMap {
	m := &labMap{desk: d, input: newTypedLine(), family: d.variant.Family}
	m.cursor.Follow(len(d.bench.hosts), m.key)
	return m
}

func (m *labMap) key(i int) string { return m.bench.hosts[i].Name }

func (m *labMap) current() *mission.Host {
	if len(m.bench.hosts) == 0 {
		return nil
	}
	return &m.bench.hosts[min(m.cursor.Index(), len(m.bench.hosts)-1)]
}

// Receive keeps the cursor on its machine.
func (m *labMap) Receive(tea.Msg) tea.Cmd {
	m.cursor.Follow(len(m.bench.hosts), m.key)
	if m.hurried && m.current() != nil {
		m.begin()
	}
	return nil
}

// Actions choose a machine and send from it.
func (m *labMap) Actions() keyTable {
	if m.typing {
		return keyTable{
			on(keySendTyped, m.sendTyped),
			elsewhere(bind("type", "a request")),
			act(bind("↑/↓", "another host", "up"), func() { m.hop(-1) }), act(silent("down"), func() { m.hop(1) }),
			act(bind("esc", "back to the map", "esc", "ctrl+c"), func() { m.typing, m.refused = false, "" }),
		}
	}
	close := m.closing(m)
	_, learning := m.mission()
	return keyTable{
		act(bind("enter", "send from it", "enter"), m.begin),
		on(bind("s", "send again", "s"), m.again).when(func() bool { return len(m.bench.sent) > 0 }),
		act(bind("m", "the mission", "m"), m.openMission).when(func() bool { return learning }),
		act(bind("o", "another lab", "o"), func() { m.open(newLabChoice(m.desk)) }),
		act(hidden(keys.Family), func() { m.family = m.family.Other() }),
	}.and(scrolling(func() int { return max(1, len(m.bench.hosts)) }, m.move), keyTable{
		act(keys.Close, close), act(hidden(keys.Quit), close), act(hidden(keyLab), close),
	})
}

var keySendTyped = bind("enter", "send", "enter")

func (m *labMap) mission() (mission.Mission, bool) {
	if m.gw.Lab == nil {
		return mission.Mission{}, false
	}
	return m.gw.Lab.Mission()
}

func (m *labMap) openMission() {
	if x, ok := m.mission(); ok {
		m.close(m)
		m.open(newMissionBox(m.desk, x))
	}
}

func (m *labMap) move(by int) {
	m.refused = ""
	m.cursor.Go(m.cursor.Index()+by, len(m.bench.hosts), m.key)
}

// hop types for another machine.
func (m *labMap) hop(by int) {
	m.move(by)
	m.begin()
}

// Wheel moves.
func (m *labMap) Wheel(by int) { m.move(by / 3) }

// begin types a request, what is usual from that machine to start with.
func (m *labMap) begin() {
	h := m.current()
	if m.hurried = h == nil; m.hurried {
		return
	}
	m.typing, m.refused = true, ""
	m.input.offer(m.usual(h))
	if draft, ok := m.bench.drafts[h.Name]; ok {
		m.input.set(draft) // ctrl+z brings the usual one back
	}
}

// keep keeps what is typed until it is sent, wherever one goes in between.
func (m *labMap) keep() {
	h := m.current()
	if h == nil {
		return
	}
	if m.bench.drafts == nil {
		m.bench.drafts = map[string]string{}
	}
	m.bench.drafts[h.Name] = m.input.Value()
	if typed := strings.TrimSpace(m.input.Value()); typed == "" || typed == m.usual(h) {
		delete(m.bench.drafts, h.Name)
	}
}

// usual is what was sent from a machine last, or else something that has to pass the gateway.
func (m *labMap) usual(h *mission.Host) string {
	for i := len(m.bench.sent) - 1; i >= 0; i-- {
		if r := m.bench.sent[i]; r.From == h.Name {
			return r.Request.String()
		}
	}
	family := m.family
	own, _ := mission.Elsewhere(m.bench.hosts, &mission.Host{Behind: "wan0"}, rules.TCP, family) // something on the LAN
	if up, ok := m.uplink(); ok && up.Link == h.Behind {
		a := up.Address()
		if family == rules.IPv6 {
			a = up.IPv6.Prefix.Addr()
		}
		own = netip.AddrPortFrom(a, 80)
	} else if h.Behind != "" {
		own, _ = mission.Elsewhere(m.bench.hosts, h, rules.TCP, family)
	}
	if !own.IsValid() {
		return "tcp "
	}
	return mission.Request{Proto: rules.TCP, To: own}.String()
}

// sendTyped sends what was typed, or says what is wrong with it.
func (m *labMap) sendTyped() tea.Cmd {
	h := m.current()
	if h == nil {
		return nil
	}
	r, err := mission.ParseRequest(h.Name, mission.Resolve(m.input.Value(), m.bench.hosts, m.family))
	if err != nil {
		m.refused = upper(err.Error()) + "."
		return nil
	}
	m.refused = ""
	delete(m.bench.drafts, h.Name)
	m.input.offer(m.input.Value()) // the next one mostly is another
	return m.sendThis(r)
}

func (m *labMap) again() tea.Cmd { return m.sendThis(m.bench.sent[len(m.bench.sent)-1].Request) }

func (m *labMap) sendThis(r mission.Request) tea.Cmd {
	return m.send(nil, func([]mission.Host) (mission.Request, bool) { return r, true })
}

// Typing tells that letters are text.
func (m *labMap) Typing() bool { return m.typing }

// Type types the request.
func (m *labMap) Type(k tea.KeyPressMsg) (tea.Cmd, bool) {
	if !m.typing {
		return nil, false
	}
	m.refused = ""
	m.input.press(k)
	m.keep()
	return nil, true
}

// Takes is a request, while one is typed.
func (m *labMap) Takes() intake { return intake{line: m.typing, what: "the request"} }

// Paste types what was pasted.
func (m *labMap) Paste(s string) tea.Cmd {
	m.input.paste(s)
	m.keep()
	return nil
}

// View draws the map, and under it what was sent, the latest first.
func (m *labMap) View(width, height int) string {
	w := min(104, width-2)
	inner, room := w-4, boxRoom(height)
	var lines []string
	if room >= 14 {
		lines = append(append(append(lines, ""), m.wiring(inner)...), "")
	}
	hosts := m.table(inner)
	if at := m.cursor.Index() + 1; room < 12 && at < len(hosts) && (m.typing || len(m.bench.sent) > 0) {
		hosts = []string{hosts[0], hosts[at]} // what came back needs the room
	}
	lines = append(lines, hosts...)
	line := []string{m.look.Line.Render(strings.Repeat(m.look.Glyphs.Rule, inner)), m.line(inner)}
	whole := m.whole(inner)
	if !m.typing && m.bench.sending == 0 && len(lines)+len(whole)+len(line) > room {
		line = nil // the key line says as much
	}
	lines = append(append(lines, whole[:max(0, min(len(whole), room-len(lines)-len(line)))]...), line...)
	if m.refused != "" {
		lines = append(lines, wrapped(m.look.Broken.Render(m.look.Glyphs.Cross)+" ", "  ", m.refused, m.look.Text, inner)...)
	}
	if m.bench.refused != "" {
		lines = append(lines, wrapped(m.look.Broken.Render(m.look.Glyphs.Cross)+" ", "  ", m.bench.refused, m.look.Text, inner)...)
	}
	if m.typing && m.bench.sending > 0 {
		lines = append(lines, m.look.Attention.Render("sent, waiting for what comes back…"))
	}
	least := len(m.summary(inner, room, 0))
	for i := len(m.bench.sent) - 1; i >= 0 && len(lines) < room-least; i-- {
		lines = append(lines, m.replyLines(m.bench.sent[i], inner)...)
	}
	lines = append(m.summary(inner, room, room-len(lines)), lines...)
	title := "The lab: " + m.gw.Lab.Name()
	if _, learning := m.mission(); learning {
		title = "The lab: mission " + m.gw.Lab.Name()
	}
	return box(m.desk, title, lines[:min(len(lines), room)], w)
}

// whole is the machine under the cursor where the list has cut it.
func (m *labMap) whole(width int) []string {
	h := m.current()
	if h == nil || m.typing {
		return nil
	}
	_, widths := labColumns(width)
	addresses, ports := m.addressesOf(h), listens(h, m.family)
	if text.Width(addresses) <= widths[1] && text.Width(ports) <= widths[2] {
		return nil
	}
	words := addresses
	if ports != "" {
		words += " listens on " + ports
	}
	return styled(m.look.Text, text.Wrap(words, width, 0))
}

// summary is what the lab is for, whole where that many lines are free.
func (m *labMap) summary(width, room, free int) []string {
	if room < 16 {
		return nil
	}
	return styled(m.look.Faint, text.Wrap(text.Safe(m.gw.Lab.Summary()), width, max(2, free)))
}

// line is where a request is typed, or says how.
func (m *labMap) line(width int) string {
	h := m.current()
	switch {
	case h == nil:
		return m.look.Faint.Render("looking who is there…")
	case m.typing:
		label := "from " + h.Name + "  "
		return m.look.Accent.Render(label) + m.input.draw(m.desk, max(10, width-text.Width(label)), "tcp ADDRESS:PORT, or ping ADDRESS")
	case m.bench.sending > 0:
		return m.look.Attention.Render("sent, waiting for what comes back…")
	}
	return text.Fit(m.look.Accent.Render("enter")+m.look.Faint.Render(" sends a packet or a request from "+h.Name), width)
}

// wiring draws which machine is behind which interface of the gateway.
func (m *labMap) wiring(width int) []string {
	g := m.look.Glyphs
	var outside, inside []string
	links := [2]string{"wan0", "lan0"}
	for i := range m.bench.hosts {
		switch h := &m.bench.hosts[i]; h.Behind {
		case links[0]:
			outside = append(outside, h.Name)
		case links[1]:
			inside = append(inside, h.Name)
		}
	}
	cable := strings.Repeat(g.Rule, 4)
	if width < 60 {
		cable = g.Rule
	}
	left := m.look.Faint.Render("Internet ") + m.look.Strong.Render(strings.Join(outside, " ")) + m.look.Line.Render(" "+cable+" ") +
		m.look.Faint.Render(links[0]) + " " + m.look.Strong.Render("gateway") + " " + m.look.Faint.Render(links[1]) + " " + m.look.Line.Render(cable+" ")
	var lines []string
	for i, name := range inside {
		head := left
		if i > 0 {
			head = strings.Repeat(" ", text.Width(left)-text.Width(cable)-1) + m.look.Line.Render(cable+" ")
		}
		tail := ""
		if i == 0 {
			tail = m.look.Faint.Render("  LAN")
		}
		lines = append(lines, text.Fit(head+m.look.Strong.Render(name)+tail, width))
	}
	return lines
}

// labColumns are the columns of the machines at a width.
func labColumns(width int) (cols []table.Column, widths []int) {
	cols = []table.Column{
		{Title: "host", Min: 8, Want: 8},
		{Title: "addresses", Min: 16, Want: 40, Grow: 1},
		{Title: "listens", Min: 8, Want: 30, Grow: 1},
	}
	return cols, table.Widths(cols, width-2)
}

// table lists the machines.
func (m *labMap) table(width int) []string {
	cols, widths := labColumns(width)
	lines := []string{"  " + table.Head(cols, widths, m.look.Faint)}
	for i := range m.bench.hosts {
		h := &m.bench.hosts[i]
		bar, over := "  ", (*theme.Style)(nil)
		if i == m.cursor.Index() {
			bar, over = m.look.Accent.Render(m.look.Glyphs.Bar)+m.look.Cursor.Render(" "), &m.look.Cursor
		}
		lines = append(lines, bar+table.Line(cols, widths, []table.Cell{
			{Text: text.Safe(h.Name), Style: m.look.Strong}, {Text: m.addressesOf(h), Style: m.look.Text}, {Text: listens(h, m.family), Style: m.look.Faint},
		}, over))
	}
	return lines
}

// addressesOf are a machine's addresses of the family that is looked at; the gateway's with their interfaces.
func (m *labMap) addressesOf(h *mission.Host) string {
	var parts []string
	for _, a := range h.Addresses {
		switch {
		case !m.family.Holds(a.Addr):
		case h.Behind == "":
			parts = append(parts, a.Link+" "+a.Addr.String())
		default:
			parts = append(parts, a.Addr.String())
		}
	}
	return text.Safe(strings.Join(parts, ", "))
}
