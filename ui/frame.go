package ui

import (
	"slices"
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/ui/text"
	"nattui/ui/theme"
)

func (a *App) draw() string {
	if a.width < minWidth || a.height < minHeight {
		return a.tooSmall()
	}
	lines := []string{a.header(), a.tabs()}
	if a.height >= 20 {
		lines = append(lines, a.countdownLine())
	}
	body := a.screen().View(a.width, a.bodyHeight())
	if a.top() == nil {
		body = a.highlight(body, a.marked())
	}
	for len(body) < a.bodyHeight() {
		body = append(body, "")
	}
	lines = append(lines, body[:a.bodyHeight()]...)
	lines = append(append(lines, a.keyLine()), a.statusRows()...)
	base := strings.Join(lines, "\n")
	for i, d := range a.dialogs {
		box := d.View(a.width, a.boxHeight())
		if i == len(a.dialogs)-1 {
			box = strings.Join(a.highlight(strings.Split(box, "\n"), a.marked()), "\n")
		}
		base = a.over(base, box)
	}
	if !a.utf8 {
		return strings.Map(theme.ASCII, base)
	}
	return base
}

// over lays a box over the middle of the screen, and leaves the key line and the status line free.
func (a *App) over(base, box string) string {
	x, y, _, _ := a.placeOf(box)
	if beside := a.width - text.Width(box); beside > 0 && x <= thinMargin {
		// Single letters of what is beneath would only look like dirt.
		box, x = lipgloss.NewStyle().PaddingLeft(x).PaddingRight(beside-x).Render(box), 0
	}
	lines := strings.Split(base, "\n")
	w := text.Width(box)
	for i, l := range strings.Split(box, "\n") {
		if y+i < len(lines) {
			lines[y+i] = within(lines[y+i], text.Pad(l, w, false), x, w)
		}
	}
	return strings.Join(lines, "\n")
}

// within is a line with w cells of it, from x on, replaced. A wide character that is cut leaves blanks.
func within(line, by string, x, w int) string {
	const plain = "\x1b[m"
	left := text.Pad(text.Truncate(line, x, ""), x, false)
	rest := text.Width(line) - x - w
	if rest <= 0 {
		return left + plain + by
	}
	right := text.Without(line, x+w)
	return left + plain + by + plain + strings.Repeat(" ", max(0, rest-text.Width(right))) + right
}

// thinMargin is how many cells beside a box are left empty rather than showing what is beneath.
const thinMargin = 2

// blind takes what is pressed, pasted and clicked while the terminal is too small to show anything: nobody sees what it would
// be for. Only ctrl+c acts, which agrees to nothing, and q where it is no letter.
func (a *App) blind(msg tea.Msg) (cmd tea.Cmd, taken bool) {
	if a.width == 0 || a.width >= minWidth && a.height >= minHeight { // 0: not known yet
		return nil, false
	}
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		if msg.String() == "ctrl+c" || a.top() == nil && key.Matches(msg, keys.Quit) && !a.typing() {
			return nil, false
		}
		return nil, true
	case tea.PasteMsg:
		a.refusePasted("the terminal was too small to show it")
		return nil, true
	case tea.MouseClickMsg, tea.MouseWheelMsg:
		return nil, true
	}
	return nil, false
}

func (a *App) tooSmall() string {
	line := "nattui needs " + strconv.Itoa(minWidth) + "x" + strconv.Itoa(minHeight) + "; this is " + strconv.Itoa(a.width) + "x" + strconv.Itoa(a.height)
	return strings.Join(text.Wrap(line, max(1, a.width), max(1, a.height)), "\n")
}

// header says which gateway this is and how it is.
func (a *App) header() string {
	var parts []string
	right := a.liveness()
	room := a.width - 2 - text.Width(right) - 2
	if a.inLab() {
		parts = append(parts, a.labTitle())
	}
	if a.facts != nil {
		if !a.inLab() { // there it is always the same
			parts = append(parts, a.look.Strong.Render(text.Safe(a.facts.Hostname)))
		}
		forwarding, before := a.forwarding(), slices.Clone(parts)
		if a.setting() == facts.SettingOff {
			before = append(before, forwarding)
		}
		if wan := a.wanIn(room - text.Width(strings.Join(before, "  ")) - 2); wan != "" {
			parts = append(parts, wan)
		}
		if forwarding != "" {
			parts = append(parts, forwarding)
		}
	} else if !a.inLab() {
		parts = append(parts, a.look.Strong.Render("nattui"))
	}
	if a.gw.Flows != nil {
		before := text.Width(strings.Join(parts, "  ")) + 2
		parts = append(parts, a.flowCount(room-before))
	}
	left := ""
	for i, p := range parts {
		sep := ""
		if i > 0 {
			sep = "  "
		}
		if text.Width(left+sep+p) > room {
			break
		}
		left += sep + p
	}
	return a.ends(left, right)
}

// wanIn names the interface to the Internet and its address in a width; where that is too little the name gives way, and of
// IPv6 the middle of the address.
func (a *App) wanIn(width int) string {
	name, addr := a.wan()
	if name == "" {
		return ""
	}
	const leastCut = 16 // of an address of IPv6; one of IPv4 is short, and says nothing when cut
	switch name = text.Safe(name) + " "; {
	case text.Width(name+addr) <= width:
		return a.look.Faint.Render(name) + a.look.Text.Render(addr)
	case text.Width(addr) <= width, strings.Contains(addr, ":") && width >= leastCut:
		return a.look.Text.Render(text.Ends(addr, width))
	}
	return ""
}

// flowCount is how many connections there are, in the most words that fit; the limit says more than a whole word.
func (a *App) flowCount(room int) (count string) {
	for _, as := range []struct {
		word  string
		limit bool
	}{{"connections ", true}, {"conns ", true}, {"conns ", false}} {
		if count = a.flowCountAs(as.word, as.limit); text.Width(count) <= room {
			break
		}
	}
	return count
}

func (a *App) flowCountAs(word string, limit bool) string {
	n, h, about := uint64(a.gw.Flows.Table().Len()), a.gw.Flows.Health(), ""
	if a.gw.Flows.Feed().Lost && h.Count > 0 { // many of those may have ended: the kernel's own number is of some seconds ago
		n, about = uint64(h.Count), "~"
	}
	s := a.look.Faint.Render(word) + a.look.Text.Render(about+text.Exact(n))
	if h.Max == 0 || !limit {
		return s
	}
	of := " of " + text.Count(uint64(h.Max))
	if float64(n) > 0.8*float64(h.Max) {
		return s + a.look.Attention.Render(of+" !")
	}
	return s + a.look.Faint.Render(of)
}

// liveness says whether what is seen is now.
func (a *App) liveness() string {
	g := a.look.Glyphs
	if a.gw.Recorded != "" {
		return a.look.Attention.Render("recorded: " + text.Safe(a.gw.Recorded))
	}
	if a.tables.Err != nil {
		return a.look.Broken.Render(g.Cross + " rules not read")
	}
	if s, ok := a.screen().(pauser); ok && s.Paused() {
		return a.look.Attention.Render("paused")
	}
	if a.gw.Flows != nil {
		switch feed := a.gw.Flows.Feed(); {
		case feed.Listing && feed.Overruns > 0:
			return a.look.Attention.Render("resync")
		case !feed.Live:
			return a.look.Broken.Render(g.Cross + " connections not read")
		case feed.EventsOff:
			return a.look.Attention.Render("no events")
		}
	}
	return a.look.Good.Render(g.Live) + a.look.Faint.Render(" live")
}

func (a *App) ends(left, right string) string {
	fill := a.width - 2 - text.Width(left) - text.Width(right)
	return " " + left + strings.Repeat(" ", max(1, fill)) + right
}

func (a *App) tabLabels() []string {
	long := a.width >= 64
	var labels []string
	for i, b := range keys.Screens {
		name := b.Help().Desc
		name = strings.ToUpper(name[:1]) + name[1:]
		if !long && i != a.active {
			name = name[:1]
		}
		labels = append(labels, b.Help().Key+" "+name)
	}
	return labels
}

func (a *App) tabs() string {
	var b strings.Builder
	for i, label := range a.tabLabels() {
		if a.screens[i] == nil {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(strings.Repeat(" ", tabGap))
		}
		style := a.look.Faint
		if i == a.active {
			style = a.look.Accent.Bold(true)
		}
		b.WriteString(style.Render(label))
	}
	right := a.variant.String()
	if a.tables.Sets != nil && len(a.tables.Sets) == 0 { // without iptables
		right = a.variant.Family.Title()
	}
	if s, ok := a.screen().(placer); ok && s.Place() != "" {
		right = s.Place()
	} else if a.native {
		right = a.variant.Family.Title() + " · " + rules.Native.String()
	}
	if text.Width(b.String()+right)+3 > a.width {
		right = a.variant.Family.Title()
	}
	return a.ends(b.String(), a.look.Faint.Render(text.Fit(right, max(0, a.width-3-text.Width(b.String())))))
}

// keyLine shows as many keys as there is room for.
func (a *App) keyLine() string {
	if a.pending != nil && a.height < 20 && a.top() == nil {
		return a.countdownLine()
	}
	line := ""
	for _, b := range a.keyLabels() {
		line += a.look.Key(b.Help().Key, b.Help().Desc) + "  "
	}
	return " " + strings.TrimRight(line, " ")
}

// keyLabels are the keys of the key line; the last is that for help.
func (a *App) keyLabels() []key.Binding {
	more := bind("?", "more", "?")
	var list []key.Binding
	switch {
	case a.searchOpen():
		return a.labelled(searchKeys().working())
	case a.typing():
		more = bind("f1", "more", "f1")
	}
	room := a.width - 2 - a.labelWidthOf(more)
	for _, b := range a.labelled(a.readFirst(a.table(a.input())).working()) {
		w := a.labelWidthOf(b) + tabGap
		if w > room {
			break
		}
		list = append(list, b)
		room -= w
	}
	return append(list, more)
}

// labelled are bindings with labels that the terminal can show.
func (d *desk) labelled(list []key.Binding) []key.Binding {
	for i := range list {
		list[i].SetHelp(d.look.Glyphs.Key(list[i].Help().Key), list[i].Help().Desc)
	}
	return list
}

// setting is whether this host forwards packets of the family that is looked at.
func (a *App) setting() facts.Setting {
	if a.variant.Family == rules.IPv6 {
		return a.facts.Settings.Forwarding6
	}
	return a.facts.Settings.Forwarding4
}

// forwarding says whether anything passes the gateway at all.
func (a *App) forwarding() string {
	switch a.setting() {
	case facts.SettingOn:
		return a.look.Faint.Render("forwarding ") + a.look.Good.Render("on")
	case facts.SettingOff:
		off := a.look.Faint.Render("forwarding ") + a.look.Broken.Render("off")
		if a.hasSwitches() && a.width >= 64 {
			off += a.look.Accent.Render(" w")
		}
		return off
	}
	return ""
}
