package ui

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"

	tea "charm.land/bubbletea/v2"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/ui/text"
)

// exportKind is how a file is written.
type exportKind string

const (
	exportJSON exportKind = "json"
	exportCSV  exportKind = "csv"
)

// exportLimit is how many connections are written at most.
const exportLimit = 1_000_000

// flowExport asks as what the connections, or groups, that are shown are written to a file.
type flowExport struct {
	*desk
	screen *flowsScreen
}

// exportedMsg tells where a file was written.
type exportedMsg struct {
	path string
	rows int
	err  error
}

// Actions choose and close.
func (x *flowExport) Actions() keyTable {
	as := func(kind exportKind) func() tea.Cmd {
		return func() tea.Cmd { x.close(x); return x.screen.export(kind) }
	}
	return keyTable{
		on(bind("j", "as JSON", "j"), as(exportJSON)),
		on(bind("c", "as CSV", "c"), as(exportCSV)),
		act(bind("esc", "close", "esc", "q", "ctrl+c"), x.closing(x)),
	}
}

// View draws the box.
func (x *flowExport) View(width, height int) string {
	w := min(66, width-2)
	what := "the connections that are shown"
	switch {
	case x.screen.mode == groupMode:
		what = "the groups that are shown"
	case !x.screen.flowQuery().IsZero():
		what = "all connections that match “" + x.screen.flowQuery().String() + "”"
	}
	var lines []string
	where := "the directory in which nattui was started"
	if x.gw.ExportsTo != "" {
		where = x.gw.ExportsTo
	}
	for _, l := range text.Wrap(text.Safe("Writes "+what+" to a file in "+where+"."), w-4, max(1, height-5)) {
		lines = append(lines, x.look.Text.Render(l))
	}
	key := func(k, what string) string { return x.look.Accent.Render(k) + "  " + x.look.Text.Render(what) }
	return box(x.desk, "Export", append(lines, "", key("j", "JSON, an object a line, as  nattui flows --json"), key("c", "CSV, with a line of titles")), w)
}

// export writes what is shown to a file, beside Update.
func (s *flowsScreen) export(kind exportKind) tea.Cmd {
	rows := s.exportedFlows
	if s.mode == groupMode {
		rows = s.exportedGroups
	}
	write, what := rows(kind), "connections"
	if s.mode == groupMode {
		what = "groups"
	}
	name, export := "nattui-"+what+"-"+s.now.Format("20060102-150405")+"."+string(kind), s.gw.Export
	return s.carryOut("the export", func(ctx context.Context) (tea.Msg, string) {
		n := 0
		path, err := export(name, func(w io.Writer) error {
			var err error
			n, err = write(ctx, w)
			return err
		})
		return exportedMsg{path, n, err}, outcomeOf("written to "+path, "nothing was written", err)
	})
}

// exportedFlows writes the connections of the list in its order, as they are by then.
func (s *flowsScreen) exportedFlows(kind exportKind) func(context.Context, io.Writer) (int, error) {
	q, order, now, source := s.flowQuery(), s.sort, s.now.UnixNano(), s.gw.Flows
	return func(ctx context.Context, w io.Writer) (int, error) {
		sel, err := flow.NewSelector(source.Table()).Select(ctx, q.Condition(), order, flow.Window{Limit: exportLimit}, now)
		if err != nil {
			return 0, err
		}
		if kind == exportCSV {
			return len(sel.Rows), writeCSV(w, flow.CSVColumns(), len(sel.Rows), func(i int) []string {
				f := &sel.Rows[i].Flow
				e := source.Explain(f)
				return f.CSVRow(e.Columns(), now)
			})
		}
		buffered := bufio.NewWriter(w)
		var line []byte
		for i := range sel.Rows {
			f := &sel.Rows[i].Flow
			e := source.Explain(f)
			line = append(f.AppendJSON(line[:0], now, string(e.AppendJSON(nil))), '\n')
			if _, err := buffered.Write(line); err != nil {
				return i, err
			}
		}
		return len(sel.Rows), buffered.Flush()
	}
}

// exportedGroup is a group as JSON tells it.
type exportedGroup struct {
	By       string   `json:"by"`
	Name     string   `json:"name"`
	Flows    int      `json:"connections"`
	Packets  *uint64  `json:"packets,omitempty"`
	Bytes    *uint64  `json:"bytes,omitempty"`
	ByteRate *float64 `json:"rate,omitempty"`
	Least    bool     `json:"least,omitempty"` // the rate lacks connections that nobody counts
}

// exportedGroups writes the groups of the list as they are on the screen.
func (s *flowsScreen) exportedGroups(kind exportKind) func(context.Context, io.Writer) (int, error) {
	list := make([]exportedGroup, len(s.groups.groups))
	for i := range s.groups.groups {
		g := s.groups.groups[i]
		list[i] = exportedGroup{By: g.Key.By.String(), Name: s.groupName(&g.Key), Flows: g.Flows}
		if g.Counted > 0 {
			list[i].Packets, list[i].Bytes = &g.Packets, &g.Bytes
		}
		if g.RateKnown() {
			list[i].ByteRate, list[i].Least = &g.ByteRate, g.Least
		}
	}
	return func(_ context.Context, w io.Writer) (int, error) {
		if kind == exportCSV {
			return len(list), writeCSV(w, []string{"by", "name", "connections", "packets", "bytes", "rate", "least"}, len(list), func(i int) []string { return list[i].row() })
		}
		e := json.NewEncoder(w)
		for i := range list {
			if err := e.Encode(&list[i]); err != nil {
				return i, err
			}
		}
		return len(list), nil
	}
}

// row is the group in columns.
func (g *exportedGroup) row() []string {
	row := []string{g.By, g.Name, strconv.Itoa(g.Flows), "", "", "", ""}
	if g.Packets != nil {
		row[3], row[4] = strconv.FormatUint(*g.Packets, 10), strconv.FormatUint(*g.Bytes, 10)
	}
	if g.ByteRate != nil {
		row[5], row[6] = strconv.FormatFloat(*g.ByteRate, 'f', 0, 64), strconv.FormatBool(g.Least)
	}
	return row
}

// writeCSV writes titles and rows.
func writeCSV(w io.Writer, titles []string, n int, row func(int) []string) error {
	c := csv.NewWriter(w)
	if err := c.Write(titles); err != nil {
		return err
	}
	for i := range n {
		if err := c.Write(row(i)); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// exported says where the file is.
func (s *flowsScreen) exported(msg exportedMsg) {
	if msg.err != nil {
		s.fail(msg.err)
		return
	}
	what := "connection"
	if s.mode == groupMode {
		what = "group"
	}
	s.sayDone(rules.Plural(msg.rows, what) + " written to")
	s.said.file = msg.path
}
