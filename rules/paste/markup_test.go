package paste

import (
	"slices"
	"testing"
)

// TestWebPages takes what a reader of a page sees out of its source.
func TestWebPages(t *testing.T) {
	for _, c := range []struct {
		name, text string
		plan       []string
	}{
		{"a listing", "<pre><code>iptables -A FORWARD -i a -j DROP\niptables -A FORWARD -i b -j DROP</code></pre>\n", []string{"-i a", "-i b"}},
		{"references", "iptables -A FORWARD -i a -j DROP &amp;&amp; iptables -A FORWARD -i b -j DROP\n", []string{"-i a", "-i b"}},
		{"quotes and blanks", "iptables&nbsp;-A FORWARD -i a -m comment --comment &quot;x&quot; -j DROP\n", []string{"-i a -m comment --comment x"}},
		{"colours", "<div class=\"highlight\"><pre><span class=\"n\">iptables</span> -A FORWARD <span>-</span>i a -j <b>DR</b>OP</pre></div>\n", []string{"-i a"}},
		{"lines", "<p>iptables -A FORWARD -i a -j DROP<br/>iptables -A FORWARD -i b -j DROP</p><p>iptables -A FORWARD -i c -j DROP</p>\n", []string{"-i a", "-i b", "-i c"}},
		{"saved", "<pre>*filter\n-A FORWARD -i a -j DROP\nCOMMIT\n</pre>\n", []string{"-i a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if im := Read(c.text, ground()); !slices.Equal(short(im), c.plan) {
				t.Errorf("%s\ncomes to\n%s", c.text, describe(im))
			}
		})
	}
	if im := Read("iptables -A FORWARD -s <code> -j DROP", ground()); len(im.Questions) == 0 && !im.InDoubt() {
		t.Errorf("a gap is taken for a tag: %s", describe(im))
	}
}
