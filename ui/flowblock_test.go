package ui

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"nattui/model/filter"
	"nattui/model/flow"
)

// What is listed as a group is forgotten as a whole, but for a login; from Rules, what a rule made.
func TestForgetGroupsAndRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24, someFlows()...)
		s.press("b")
		s.press("x")
		s.sees("matching “client 192.168.0.7”")
		s.agree("y")
		if len(f.forgotten) != 2 {
			t.Errorf("%d flows were forgotten", len(f.forgotten))
		}
		own := gatewayFacts()
		own.Session = session("192.168.0.7:41022", "93.184.216.34:443")
		s.send(factsMsg{own})
		s.press("x")
		s.sees("Logins to this host also match; they are kept.")
		s.press("esc", "1")
		f.forgotten = nil
		s.press("X")
		s.sees(" of rule PREROUTING 1 will be removed")
		s.agree("y")
		for _, x := range f.forgotten {
			if x.AskedFor().String() != "203.0.113.1:80" {
				t.Errorf("%s was forgotten", x.Line())
			}
		}
		if len(f.forgotten) == 0 {
			t.Error("nothing was forgotten")
		}
		s.press("down", "down", "down", "X")
		s.sees("this one does not")
	})
}

// A client is blocked and its connections end, in one; not a login, not twice.
func TestBlockAndForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24, someFlows()...)
		s.press("/")
		s.write("client 192.168.0.7 dport 443")
		s.press("enter", "B")
		s.golden("block-80x24")
		s.agree("y")
		if len(s.kernel.applied) != 1 || len(f.forgotten) != 1 {
			t.Fatalf("%d changes, %d forgotten:\n%s", len(s.kernel.applied), len(f.forgotten), s.screen())
		}
		if !strings.Contains(s.app.said.text, "blocked; 1 connection forgotten") || !s.app.said.undo {
			t.Errorf("said %+v", s.app.said)
		}
		if got := s.kernel.applied[0].Commands()[0]; strings.Join(got, " ") != "iptables -t raw -A PREROUTING -s 192.168.0.7/32 -d 93.184.216.34/32 -p tcp -m tcp --dport 443 -j DROP" {
			t.Errorf("the command is %q", got)
		}
		s.tables(true)
		s.press("esc", "b")
		own := gatewayFacts()
		own.Session = session("203.0.113.10:55474", "203.0.113.1:80")
		s.send(factsMsg{own})
		for !strings.Contains(lineOf(s.screen(), "▌"), "203.0.113.10") {
			s.press("down")
		}
		s.press("B")
		s.sees("carries a login to this host")
		if len(s.kernel.applied) != 1 {
			t.Error("a login was blocked")
		}
	})
}

// What is shown is written to a file, in the order of the list.
func TestExport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		var out bytes.Buffer
		name := ""
		s.app.gw.ExportsTo = "/home/ann"
		s.app.gw.Export = func(n string, write func(io.Writer) error) (string, error) {
			name = n
			out.Reset()
			return "/tmp/" + n, write(&out)
		}
		s.press("/")
		s.write("client 192.168.0.7")
		s.press("enter", "E")
		s.sees("all connections that match “client 192.168.0.7”")
		s.sees("file in /home/ann.")
		s.press("c")
		s.sees("2 connections written to /tmp/nattui-connections-20260314-023000.csv")
		rows, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(rows) != 3 || rows[1][3] != "192.168.0.7" || !slices.Equal(rows[1][11:14], []string{"POSTROUTING 2", "exact", "false"}) {
			t.Errorf("%s: %v, %v", name, rows, err)
		}
		s.press("E", "j")
		var first struct {
			Proto string
			Orig  struct{ Src string }
			Rule  struct{ Chain string }
		}
		if err := json.NewDecoder(&out).Decode(&first); err != nil || first.Orig.Src != "192.168.0.7" || first.Rule.Chain != "POSTROUTING" {
			t.Errorf("%s: %+v, %v", name, first, err)
		}
		s.press("esc", "b", "E", "c")
		if got := out.String(); !strings.HasPrefix(got, "by,name,connections,packets,bytes,rate,least\nclient,192.168.0.7,2,114,60000,,\n") {
			t.Errorf("%s: %s", name, got)
		}
	})
}

// The name of a written file is told whole, whatever directory it is in.
func TestExportTellsTheNameOfItsFile(t *testing.T) {
	for _, width := range []int{40, 60, 80, 120, 160} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := flowStage(t, width, 24, someFlows()...)
			s.app.gw.Export = func(n string, write func(io.Writer) error) (string, error) {
				return "/srv/gateways/of/the/second/floor/of/the/house/" + n, write(io.Discard)
			}
			s.press("E", "j")
			s.sees("5 connections written to")
			if name := "nattui-connections-20260314-023000.json"; width >= 60 {
				s.sees("/" + name)
			} else if rows := strings.Join(strings.Fields(s.screen()), ""); !strings.Contains(rows, name) {
				t.Errorf("%s is not on the screen:\n%s", name, s.screen())
			}
			s.fits()
		})
	}
}

// A rule's place is said by its chain and number, with the table of a native one, in whatever line it stands.
func TestPlacesInWords(t *testing.T) {
	for line, want := range map[string]string{
		"rule ipv4/nft/nat/PREROUTING/1":      "of rule PREROUTING 1",
		"rule ipv6/legacy/nat/POSTROUTING/3":  "of rule ipv6 POSTROUTING 3",
		"rule native/inet/fw4/dstnat/2":       "of rule inet fw4 dstnat 2",
		"tcp rule ipv4/nft/nat/PREROUTING/1":  "matching “tcp rule PREROUTING 1”",
		"client 2001:db8::/32":                "matching “client 2001:db8::/32”",
		"(rule 3) rule ipv4/nft/nat/OUTPUT/1": "matching “(rule 3) rule OUTPUT 1”",
		"rule PREROUTING/1":                   "matching “rule PREROUTING/1”",
	} {
		q, err := filter.Parse(line, func(string) (func(*flow.Flow) (bool, bool), error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		if got := matching(q); got != want {
			t.Errorf("%s is told as %s, not as %s", line, got, want)
		}
	}
}
