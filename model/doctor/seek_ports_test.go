package doctor

import (
	"strings"
	"testing"

	"nattui/rules"
)

// TestRangeOfSeveral holds that of a rule of many ports the range that is asked for is followed from its first port, and that
// of what is forwarded in part the part is named.
func TestRangeOfSeveral(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: natTable("-A PREROUTING -d 203.0.113.1/32 -p tcp -m multiport --dports 80,8080,9000:9010 -j DNAT --to-destination 192.168.0.2")})
	for text, port := range map[string]uint16{"9000-9010/tcp": 9000, "tcp 203.0.113.1:9000-9010": 9000, "80/tcp": 80, "PREROUTING 1": 80, "8080/tcp": 8080} {
		f, found, err := Seek(g, text)
		if err != nil || found != nil || f.Asked.Port() != port || f.Server.Port() != port {
			t.Errorf("%s: %s, %v %v", text, &f, found, err)
			continue
		}
		if step := stepNamed(t, ExamineForward(g, f), "translated"); port != 80 && !strings.Contains(step.Sentence, f.Server.String()) {
			t.Errorf("%s: %s", text, step.Sentence)
		}
	}
	for text, near := range map[string]string{"9005-9200/tcp": "9000-9010/tcp", "8080,8081/tcp": "8080/tcp", "9005:9200/udp": "", "7000-7001/tcp": ""} {
		_, _, err := Seek(g, text)
		if err == nil || strings.Contains(err.Error(), "ask for that") != (near != "") || !strings.Contains(err.Error(), near) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
