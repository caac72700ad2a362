package main

import (
	"net/netip"
	"time"

	"charm.land/lipgloss/v2"

	"nattui/model"
	"nattui/ui/table"
	"nattui/ui/text"
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
func flowEnds(f *model.Flow) [4]flowEnd {
	port := f.Proto().HasPorts()
	return [4]flowEnd{{f.Client(), port}, {f.AskedFor(), port}, {f.ServedBy(), port}, {f.SeenAs(), port}}
}

// flowPage prints flows for a person, in columns that fit the terminal. The
// widths are chosen beforehand, since the flows are printed as they come.
type flowPage struct {
	*output
	columns []table.Column
	widths  []int
	events  bool
	rates   bool
}

func newFlowPage(o *output, events, rates bool) *flowPage {
	const addressMin = 8
	p := &flowPage{output: o, events: events, rates: rates}
	if events {
		p.columns = append(p.columns, table.Column{Title: "event", Min: len("destroy")})
	}
	p.columns = append(p.columns,
		table.Column{Title: "proto", Min: protoWidth},
		table.Column{Title: "client", Min: addressMin, Want: addressWidth, Grow: 1},
		table.Column{Title: "asked for", Min: addressMin, Want: addressWidth, Grow: 1},
		table.Column{Title: o.becomes, Min: cells(o.becomes)},
		table.Column{Title: "served by", Min: addressMin, Want: addressWidth, Grow: 1},
		table.Column{Title: "seen as", Min: addressMin, Want: addressWidth, Grow: 1, Order: 1},
		table.Column{Title: "state", Min: stateWidth, Order: 2},
		table.Column{Title: "left", Min: secondsWidth, Right: true, Order: 3},
		table.Column{Title: "packets", Min: countWidth + 1, Right: true, Order: 5},
		table.Column{Title: "bytes", Min: countWidth, Right: true, Order: 4},
	)
	if rates {
		p.columns = append(p.columns, table.Column{Title: "B/s", Min: countWidth, Right: true, Order: 2})
	}
	p.widths = table.Widths(p.columns, o.width)
	return p
}

func (p *flowPage) head() string { return table.Head(p.columns, p.widths, p.ink.faint) + "\n" }

// row is a line of the page: what is translated has the colour of its kind, and
// what stays as it was is "=".
func (p *flowPage) row(kind model.ChangeKind, f *model.Flow, now int64) string {
	plain := lipgloss.NewStyle()
	ends := flowEnds(f)
	served, seen := table.Cell{Text: "=", Style: p.ink.faint}, table.Cell{Text: "=", Style: p.ink.faint}
	if ends[2] != ends[1] {
		served = table.Cell{Text: ends[2].String(), Style: p.ink.dnat}
	}
	if ends[3] != ends[0] {
		seen = table.Cell{Text: ends[3].String(), Style: p.ink.snat}
	}
	packets, bytes := text.Unknown, text.Unknown
	if f.Counts() {
		packets, bytes = text.Count(f.Packets()), text.Count(f.Bytes())
	}
	var row []table.Cell
	if p.events {
		row = append(row, table.Cell{Text: kind.String(), Style: p.ink.strong})
	}
	row = append(row,
		table.Cell{Text: f.Proto().String(), Style: p.ink.faint},
		table.Cell{Text: ends[0].String(), Style: plain},
		table.Cell{Text: ends[1].String(), Style: plain},
		table.Cell{Text: p.becomes, Style: p.ink.faint},
		served, seen,
		table.Cell{Text: f.StateName(), Style: plain},
		table.Cell{Text: text.Duration(time.Duration(f.Remaining(now)) * time.Second), Style: p.ink.faint},
		table.Cell{Text: packets, Style: plain},
		table.Cell{Text: bytes, Style: plain},
	)
	if p.rates {
		rate := text.Unknown
		if f.HasRate() {
			rate = text.Rate(float64(f.ByteRate))
		}
		row = append(row, table.Cell{Text: rate, Style: plain})
	}
	return table.Line(p.columns, p.widths, row, nil) + "\n"
}
