package ui

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"nattui/model/flow"
	"nattui/ui/text"
)

// wholeSeconds is a time that is looked at once a second.
func wholeSeconds(d time.Duration) string {
	if d < 10*time.Second {
		return strconv.Itoa(int(d/time.Second)) + "s"
	}
	return text.Duration(d.Truncate(time.Second))
}

// gaugeWidth is how many cells a gauge has.
const gaugeWidth = 20

// timeout counts down what is left, beside what the kernel gave.
func (v *flowView) timeout(width int) []string {
	look := v.screen.look
	f := &v.d.Flow
	label := look.Faint.Render(text.Pad("ends", 10, false))
	if f.Status&(flow.StatusOffloaded|flow.StatusHWOffloaded) != 0 {
		return []string{label + look.Text.Render(text.Fit("when the flowtable it is offloaded to releases it", width-10))}
	}
	left := time.Duration(f.Remaining(v.screen.now.UnixNano())) * time.Second
	line := "in " + untilEnd(left)
	if width < narrowDetails {
		return v.narrowTimeout(label, left, width)
	}
	if whole := time.Duration(v.d.TimeoutWhole) * time.Second; whole == 0 || left > whole { // somebody gave it another than it would have by itself
		return []string{label + look.Text.Render(text.Fit(line+" unless a packet passes", width-10))}
	}
	whole := time.Duration(v.d.TimeoutWhole) * time.Second
	line += " of " + untilEnd(whole) + " unless a packet passes"
	lines := []string{label + look.Text.Render(text.Fit(line, width-10))}
	return append(lines, text.Fit(strings.Repeat(" ", 10)+v.gauge(left, whole)+look.Faint.Render("  "+v.d.TimeoutSetting), width))
}

// narrowTimeout is the same in lines of half the width; the setting goes by its own name alone.
func (v *flowView) narrowTimeout(label string, left time.Duration, width int) []string {
	look := v.screen.look
	whole := time.Duration(v.d.TimeoutWhole) * time.Second
	indent := strings.Repeat(" ", 10)
	lines := []string{label + look.Text.Render(text.Fit("in "+untilEnd(left), width-10))}
	if whole == 0 || left > whole {
		return lines
	}
	lines = append(lines, indent+v.gauge(left, whole), indent+look.Faint.Render(text.Fit("of "+untilEnd(whole)+", which is", width-10)))
	return append(lines, indent+look.Faint.Render(text.Fit(strings.TrimPrefix(v.d.TimeoutSetting, "nf_conntrack_"), width-10)))
}

// gauge draws how much of a time is left. The part that is gone shows as soon as there is one: most
// flows are used long before they end.
func (v *flowView) gauge(left, whole time.Duration) string {
	look := v.screen.look
	full := min(gaugeWidth, int((gaugeWidth*left+whole-1)/max(whole, 1)))
	if left < whole {
		full = min(full, gaugeWidth-1)
	}
	return look.Accent.Render(strings.Repeat("━", full)) + look.Line.Render(strings.Repeat("─", gaugeWidth-full))
}

// untilEnd is a time in hours, minutes and seconds, so that it is seen to run down however
// long it is: 119:59:42, 4:05.
func untilEnd(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	switch {
	case s < 60:
		return strconv.FormatInt(s, 10) + "s"
	case s < 3600:
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s%3600/60, s%60)
}
