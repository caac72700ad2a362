package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"nattui/model/flow"
	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// flowEnd is one end of a flow. The port is left out where the protocol has none.
type flowEnd struct {
	netip.AddrPort
	port bool
}

func (e flowEnd) append(b []byte) []byte {
	if e.port {
		return e.AppendTo(b)
	}
	return e.Addr().AppendTo(b)
}

func (e flowEnd) String() string { return string(e.append(nil)) }

// flowEnds are client, asked for, served by and seen as.
func flowEnds(f *flow.Flow) [4]flowEnd {
	port := f.Proto().HasPorts()
	return [4]flowEnd{{f.Client(), port}, {f.AskedFor(), port}, {f.ServedBy(), port}, {f.SeenAs(), port}}
}

// flowPage prints flows for a person, in columns that fit the terminal. The
// widths are chosen beforehand, since the flows are printed as they come.
type flowPage struct {
	*flowPrinter
	ascii, merged bool
	columns       []table.Column
	widths        []int
}

// The columns of the page.
const (
	pageEvent = iota
	pageProto
	pageClient
	pageAsked
	pageServed
	pageSeen
	pageState
	pageRate
	pageLeft
	pageBytes
	pagePackets
	pageOther // what else the flows are sorted by
	pageColumns
)

// pageColumn are the columns of the page by which flows can be sorted and which may give way.
var pageColumn = map[flow.Column]int{
	flow.ColumnState: pageState, flow.ColumnRate: pageRate, flow.ColumnTimeout: pageLeft, flow.ColumnBytes: pageBytes, flow.ColumnPackets: pagePackets,
	flow.ColumnAge: pageOther, flow.ColumnNAT: pageOther, flow.ColumnRule: pageOther, flow.ColumnMark: pageOther, flow.ColumnZone: pageOther, flow.ColumnID: pageOther,
}

// Terminals narrower than narrowPage have one column for what becomes of both ends.
const narrowPage = 110

func newFlowPage(o *flowPrinter, events bool) *flowPage {
	p := &flowPage{flowPrinter: o, ascii: o.becomes == "=>", merged: o.width < narrowPage}
	mark := cells(o.becomes) + 1
	blanks := strings.Repeat(" ", mark)
	gone := table.Column{Order: pageColumns}
	p.columns = []table.Column{
		pageEvent:   {Title: "event", Min: len("destroy")},
		pageProto:   {Title: "proto", Min: protoWidth},
		pageClient:  {Title: "client", Min: 12, Want: 18},
		pageAsked:   {Title: "asked for", Min: 13, Want: 17, Order: 2},
		pageServed:  {Title: blanks + "becomes", Min: 12 + mark, Want: 17 + mark},
		pageSeen:    gone,
		pageState:   {Title: "state", Min: stateWidth, Order: 1},
		pageRate:    gone,
		pageLeft:    {Title: "left", Min: secondsWidth, Right: true, Order: 4},
		pageBytes:   {Title: "bytes", Min: countWidth, Right: true, Order: 5},
		pagePackets: {Title: "packets", Min: countWidth + 1, Right: true, Order: 6},
		pageOther:   gone,
	}
	if !p.merged {
		address := addressWidth + max(0, min(26, (o.width-150)/4)) // for IPv6 where there is room
		p.columns[pageClient].Want, p.columns[pageAsked].Want = address, address
		p.columns[pageServed] = table.Column{Title: blanks + "served by", Min: 12 + mark, Want: address + mark}
		p.columns[pageSeen] = table.Column{Title: blanks + "seen as", Min: 12 + mark, Want: address + mark, Order: 3}
	}
	if !events {
		p.columns[pageEvent] = gone
	}
	if o.rates {
		p.columns[pageRate] = table.Column{Title: "B/s", Min: countWidth, Right: true, Order: 1}
	}
	if o.order != nil {
		if i, ok := pageColumn[o.order.By]; ok {
			if i == pageOther {
				number := o.order.By != flow.ColumnRule && o.order.By != flow.ColumnNAT
				p.columns[i] = table.Column{Title: o.order.By.String(), Min: 10, Right: number}
			}
			p.columns[i].Order = 1
		}
	}
	p.widths = table.Widths(p.columns, o.width)
	for i := range p.columns {
		if p.columns[i].Title == "" {
			p.widths[i] = 0
		}
	}
	return p
}

func (p *flowPage) head() string {
	return p.plain(table.Head(p.columns, p.widths, p.ink.faint)) + "\n"
}

// plain is a line in characters that the terminal has.
func (p *flowPage) plain(line string) string {
	if p.ascii {
		return strings.Map(theme.ASCII, line)
	}
	return line
}

// row is a line of the page: what is translated has the colour of its kind, and
// what stays as it was is "=".
func (p *flowPage) row(kind flow.MessageKind, f *flow.Flow, now int64) string {
	var plain theme.Style
	ends := flowEnds(f)
	short := func(e flowEnd, col int, mark string) string {
		return mark + text.Endpoint(e.String(), p.widths[col]-cells(mark))
	}
	becomes, outof := p.becomes+" ", "◂ "
	same := table.Cell{Text: strings.Repeat(" ", cells(becomes)) + "=", Style: p.ink.faint}
	row := make([]table.Cell, pageColumns)
	row[pageServed], row[pageSeen] = same, same
	if ends[3] != ends[0] {
		row[pageSeen] = table.Cell{Text: short(ends[3], pageSeen, outof), Style: p.ink.snat}
		if p.merged {
			row[pageServed] = table.Cell{Text: short(ends[3], pageServed, outof), Style: p.ink.snat}
		}
	}
	if ends[2] != ends[1] {
		row[pageServed] = table.Cell{Text: short(ends[2], pageServed, becomes), Style: p.ink.dnat}
	}
	unknown := table.Cell{Text: text.Unknown, Style: p.ink.faint}
	row[pageBytes], row[pagePackets], row[pageRate] = unknown, unknown, unknown
	if f.Counts() {
		row[pageBytes] = table.Cell{Text: text.Count(f.Bytes()), Style: plain}
		row[pagePackets] = table.Cell{Text: text.Count(f.Packets()), Style: plain}
	}
	if f.HasRate() {
		row[pageRate] = table.Cell{Text: text.Rate(float64(f.ByteRate)), Style: plain}
	}
	row[pageEvent] = table.Cell{Text: kind.String(), Style: p.ink.strong}
	row[pageProto] = table.Cell{Text: f.Proto().String(), Style: p.ink.faint}
	row[pageClient] = table.Cell{Text: short(ends[0], pageClient, ""), Style: plain}
	row[pageAsked] = table.Cell{Text: short(ends[1], pageAsked, ""), Style: plain}
	row[pageState] = table.Cell{Text: f.StateName(), Style: plain}
	row[pageLeft] = table.Cell{Text: text.Duration(time.Duration(f.Remaining(now)) * time.Second), Style: p.ink.faint}
	row[pageOther] = table.Cell{Text: p.other(f, now), Style: plain}
	return p.plain(table.Line(p.columns, p.widths, row, nil)) + "\n"
}

// other is what the flows are sorted by, where there is no other column for it.
func (p *flowPage) other(f *flow.Flow, now int64) string {
	if p.order == nil || p.widths[pageOther] == 0 {
		return ""
	}
	switch p.order.By {
	case flow.ColumnAge:
		return text.Duration(f.Age(now))
	case flow.ColumnNAT:
		return f.NAT().String()
	case flow.ColumnRule:
		if p.explain != nil {
			return text.Safe(p.explain(f).String())
		}
	case flow.ColumnMark:
		return fmt.Sprintf("0x%x", f.Mark)
	case flow.ColumnZone:
		return fmt.Sprint(f.Zone)
	case flow.ColumnID:
		return fmt.Sprint(f.ID)
	}
	return text.Unknown
}
