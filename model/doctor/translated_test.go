package doctor

import (
	"strings"
	"testing"

	"nattui/rules"
)

// TestWhichRuleTranslates: that two rules both have counted does not tell which of them comes first; only chance shares out.
func TestWhichRuleTranslates(t *testing.T) {
	const (
		first   = "*nat\n:PREROUTING ACCEPT [0:0]\n[4:240] -A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 "
		second  = "[7:420] -A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.3:8080\nCOMMIT\n"
		to      = "-j DNAT --to-destination 192.168.0.2:8080\n"
		dropped = "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n"
	)
	other := "*nat\n:PREROUTING ACCEPT [0:0]\n" + second
	for _, test := range []struct {
		name, nft, legacy string
		severity          Severity
		says              string
	}{
		{"both backends", first + to + "COMMIT\n", other, SeverityUnknown, "which come first depends on"},
		{"both backends, and either is dropped later", first + to + "COMMIT\n", other + dropped, SeverityUnknown, "which comes first depends on"},
		{"chance", first + "-m statistic --mode nth --every 2 --packet 0 " + to + second, "", SeverityOK, "PREROUTING 2 the others"},
		{"chance, and either is dropped later", first + "-m statistic --mode nth --every 2 --packet 0 " + to + second + dropped, "", SeverityOK, "PREROUTING 2 the others"},
		{"a set that is not known, and either is dropped later", first + "-m set --match-set friends src " + to + second + dropped, "", SeverityUnknown, "is not known"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := gatewayOf(t, map[rules.Variant]string{nft4: test.nft, legacy4: test.legacy})
			step := stepNamed(t, ExamineForward(g, Forwards(g)[0]), "translated")
			if step.Severity != test.severity || !strings.Contains(step.Sentence, test.says) {
				t.Errorf("%s: %s", step.Severity, step.Sentence)
			}
		})
	}
}
