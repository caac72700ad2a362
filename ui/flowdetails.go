package ui

import (
	"fmt"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"nattui/model"
	"nattui/ui/text"
)

// flowDetails is everything the kernel knows of one flow, both directions drawn
// as a way through the gateway.
type flowDetails struct {
	*desk
	screen *flowsScreen
	d      model.Details
	offset int
}

func newFlowDetails(s *flowsScreen, d model.Details) *flowDetails {
	return &flowDetails{desk: s.desk, screen: s, d: d}
}

// Update scrolls, or closes on any other key.
func (f *flowDetails) Update(msg tea.Msg) tea.Cmd {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	switch {
	case key.Matches(k, keys.Down):
		f.offset++
	case key.Matches(k, keys.Up):
		f.offset = max(0, f.offset-1)
	case key.Matches(k, keys.Forget):
		f.close(f)
		f.screen.askForget()
	default:
		f.close(f)
	}
	return nil
}

// Keys are those of the box.
func (f *flowDetails) Keys() []key.Binding {
	return []key.Binding{keys.Forget, keys.Up, keys.Down, keys.Close}
}

// View draws the box.
func (f *flowDetails) View(width, height int) string {
	w := min(76, width-2)
	lines := f.lines(w - 4)
	room := max(3, height-4)
	from := max(0, min(f.offset, len(lines)-room))
	return box(f.desk, "Flow", lines[from:min(len(lines), from+room)], w)
}

func (f *flowDetails) lines(width int) []string {
	s, look := f.screen, f.look
	fl := &f.d.Flow
	g := look.Glyphs
	var lines []string
	add := func(label, value string) {
		if value == "" {
			return
		}
		for i, l := range text.Wrap(text.Safe(value), width-12, 0) {
			head := ""
			if i == 0 {
				head = label
			}
			lines = append(lines, look.Faint.Render(text.Pad(head, 12, false))+look.Text.Render(l))
		}
	}
	lines = append(lines, s.sentence(fl, width), "")
	way := func(label, from, to string, changedFrom, changedTo string) {
		line := from + " " + g.Into + " " + to
		lines = append(lines, look.Faint.Render(text.Pad(label, 12, false))+look.Text.Render(line))
		if changedFrom != from || changedTo != to {
			lines = append(lines, look.Faint.Render(text.Pad("  becomes", 12, false))+s.natStyle(fl).Render(changedFrom+" "+g.Into+" "+changedTo))
		}
	}
	way("request", s.endpoint(fl, fl.Client()), s.endpoint(fl, fl.AskedFor()), s.endpoint(fl, fl.SeenAs()), s.endpoint(fl, fl.ServedBy()))
	way("answer", s.endpoint(fl, fl.ServedBy()), s.endpoint(fl, fl.SeenAs()), s.endpoint(fl, fl.AskedFor()), s.endpoint(fl, fl.Client()))
	lines = append(lines, "")
	now := s.now.UnixNano()
	add("protocol", fl.Proto().String())
	add("state", strings.TrimSpace(strings.ToLower(fl.StateName())+" "+statusWords(fl.Status)))
	if at, exact := fl.Since(); at != 0 {
		word := "began "
		if !exact {
			word = "first seen "
		}
		add("age", text.Duration(fl.Age(now))+", "+word+time.Unix(0, at).In(s.now.Location()).Format("2006-01-02 15:04:05"))
	}
	add("timeout", text.Duration(time.Duration(fl.Remaining(now))*time.Second))
	if fl.Counts() {
		add("request", fmt.Sprintf("%s packets, %s", text.Exact(fl.OrigPackets), text.Bytes(fl.OrigBytes)))
		add("answer", fmt.Sprintf("%s packets, %s", text.Exact(fl.ReplyPackets), text.Bytes(fl.ReplyBytes)))
	} else {
		add("counters", "not kept for this flow")
	}
	if id, kind, code, ok := fl.Orig.ICMP(); ok {
		add("icmp", fmt.Sprintf("type %d code %d id %d", kind, code, id))
	}
	if fl.Mark != 0 {
		add("mark", fmt.Sprintf("0x%x", fl.Mark))
	}
	if fl.Zone != 0 {
		add("zone", fmt.Sprint(fl.Zone))
	}
	if e := f.gw.Flows.Explain(fl); e.Confidence != model.NotAsked {
		word := e.String()
		if e.Confidence != model.Exact {
			word += ", " + e.Confidence.String()
		}
		if e.Confidence == model.Stale {
			word = "stale: today's rules would translate it otherwise; x forgets it"
		}
		add("rule", word)
	}
	add("id", fmt.Sprint(fl.ID))
	add("helper", f.d.Helper)
	add("security", f.d.SecurityContext)
	if f.d.HasMaster {
		add("related to", fmt.Sprintf("%s to %s", f.d.Master.Source(), f.d.Master.Destination()))
	}
	if t := f.d.TCP; t != nil {
		add("tcp", fmt.Sprintf("window scale %d and %d", t.OrigScale, t.ReplyScale))
	}
	return lines
}

// statusWords are the status bits that tell something.
func statusWords(s model.Status) string {
	var words []string
	for _, w := range []struct {
		bit  model.Status
		word string
	}{{model.StatusAssured, "assured"}, {model.StatusExpected, "expected"}, {model.StatusFixedTimeout, "fixed timeout"}, {model.StatusOffloaded, "offloaded"}, {model.StatusHWOffloaded, "offloaded to hardware"}} {
		if s&w.bit != 0 {
			words = append(words, w.word)
		}
	}
	if s&model.StatusSeenReply == 0 {
		words = append(words, "no answer yet")
	}
	return strings.Join(words, ", ")
}
