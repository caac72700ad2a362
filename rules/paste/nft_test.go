package paste

import "testing"

// TestReadNFT: what nft adds without the word add is for nft, as a command and as a line of its file; what only asks, and
// text that is not nft's, is not.
func TestReadNFT(t *testing.T) {
	for text, want := range map[string]string{
		"nft chain inet f i '{ policy drop; }'":                            "chain inet f i { policy drop; }\n",
		"nft chain inet f i { policy drop; }":                              "chain inet f i { policy drop ; }\n",
		"nft add chain inet f i { type filter hook input priority 0 \\; }": "add chain inet f i { type filter hook input priority 0 ; }\n",
		"sudo nft rule inet f i tcp dport 23 accept":                       "rule inet f i tcp dport 23 accept\n",
		"nft inet f i tcp dport 23 accept":                                 "inet f i tcp dport 23 accept\n",
		"nft filter INPUT drop":                                            "filter INPUT drop\n",
		"nft element inet f s { 10.0.0.1 }\nnft table ip g":                "element inet f s { 10.0.0.1 }\ntable ip g\n",
		"nft add rule ip f i accept comment \"{\"\nnft table ip g":         "add rule ip f i accept comment \"{\"\ntable ip g\n",
		"chain inet f i { policy drop; }":                                  "chain inet f i { policy drop; }",
		"chain f i { policy drop; }":                                       "chain f i { policy drop; }",
		"rule ip f i accept":                                               "rule ip f i accept",
		"nft list ruleset":                                                 "",
		"nft -a list ruleset":                                              "",
		"nft rename chain inet f i j":                                      "",
		"nft":                                                              "",
	} {
		n, ok := ReadNFT(text, nil)
		if n.Script != want || ok != (text != "nft") || (n.Why == "") != (want != "") && ok {
			t.Errorf("%q is %q, %v (%s), want %q", text, n.Script, ok, n.Why, want)
		}
	}
	for _, text := range []string{"set the table and add chairs", "chain of thought", "rule 3 is wrong", "-A INPUT -j DROP", "limit your inet access now"} {
		if n, ok := ReadNFT(text, nil); ok {
			t.Errorf("%q is for nft: %q", text, n.Script)
		}
	}
}
