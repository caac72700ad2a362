package text

import (
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// What does not fit loses the middles of its addresses, and keeps their last part, ports and what follows.
func TestEndsKeepWhatTellsApart(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"tcp to 203.0.113.1:80", 26, "tcp to 203.0.113.1:80"},
		{"tcp to [2001:db8:1:abcd:1:2:3:def1]:1080", 26, "tcp to [2001:d…:def1]:1080"},
		{"tcp to [2001:db8:1:abcd:1:2:3:def1]:1080", 40, "tcp to [2001:db8:1:abcd:1:2:3:def1]:1080"},
		{"tcp to [2001:db8:1:abcd:1:2:3:def1]:1080", 39, "tcp to [2001:db8:1:abcd:1:2…:def1]:1080"},
		{"from 2001:db8:1:abcd::/64 to 2001:db8:2:ffff:eeee::2", 44, "from 2001:d…:abcd::/64 to 2001:db8:…:eeee::2"},
		{"udp to 198.51.100.7:53 in lan0", 28, "udp to 198.51.….7:53 in lan0"},
		{"ip6 daddr !2001:db8:1:abcd:1:2:3:def1 accept", 30, "ip6 daddr !2001:d…:def1 accept"},
		{"Chain of 3 words that is long", 12, "Chain of 3 …"},
		{"tcp to [2001:db8:1:abcd:1:2:3:def1]:1080", 10, "tcp to [2…"},
		{"tcp to [2001:db8:1:abcd:1:2:3:def1]:1080 in lan0", 26, "tcp to [2…:def1]:1080 in …"},
		{"tcp from 192.168.0.0/24 to 192.168.7.21:8080 in lan0", 40, "tcp from 192…/24 to 192….21:8080 in lan0"},
		{"tcp from 192.168.0.0/24 to 192.168.7.21:8080", 40, "tcp from 192.168.0.0/24 to 192.….21:8080"},
		{"from 192.168.0.0/24 out wan0", 17, "from 19… out wan0"},
		{"from 192.168.0.0/24 out wan0", 24, "from 192.16…/24 out wan0"},
		{"▸ this host :8888", 14, "▸ this … :8888"},
		{"tcp :8000-8010 in lan0", 20, "… :8000-8010 in lan0"},
		{"tcp to 203.0.113.1:80", 13, "tcp to ….1:80"},
		{"tcp to 203.0.113.1:80", 12, "tcp to 2…:80"},
		{"tcp to 203.0.113.1:8080 in wan0", 15, "tcp to …:8080 …"},
		{"tcp to !192.168.7.0/24:80 in wan0", 19, "tcp to !19…/24:80 …"},
		{"tcp to !192.168.7.0/24:80 in wan0", 14, "tcp to !…:80 …"},
		{"from !192.168.7.0/24 out wan0", 18, "from !19… out wan0"},
		{"пакеты к 2001:db8:1:abcd:1:2:3:def1", 22, "пакеты к 2001:db…:def1"},
	} {
		got := Ends(c.text, c.width)
		if w := ansi.StringWidth(got); w > c.width {
			t.Errorf("%q is %d wide in %d cells", got, w, c.width)
		}
		if got != c.want {
			t.Errorf("%q in %d cells is\n%q, not\n%q", c.text, c.width, got, c.want)
		}
	}
}

// What somebody looks for stays in sight, wherever it stands.
func TestEndsKeepWords(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		words []string
		want  string
	}{
		{"from 10.11.67.0/24 out tap20", 28, []string{"tap"}, "from 10.11.67.0/24 out tap20"},
		{"from 10.11.67.0/24 out tap20", 24, []string{"tap"}, "from 10.11…/24 out tap20"},
		{"from 10.11.67.0/24 out TAP20", 12, []string{"tap"}, "f… out TAP20"},
		{"from 10.11.67.0/24 out tap20", 6, []string{"tap"}, "…tap20"},
		{"from 10.11.67.0/24 out tap20", 12, []string{"br0"}, Ends("from 10.11.67.0/24 out tap20", 12)},
	} {
		if got := EndsKeeping(c.text, c.width, c.words); got != c.want || Width(got) > c.width {
			t.Errorf("%q in %d cells is %q, want %q", c.text, c.width, got, c.want)
		}
	}
}
