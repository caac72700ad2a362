package doctor

import (
	"slices"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/rules"
)

// TestLetThroughForWhom holds that a packet by which a forward is called open goes to its server, by its rule, and that those
// whom the filter keeps out are named.
func TestLetThroughForWhom(t *testing.T) {
	const (
		dnat   = "-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination "
		except = "-A PREROUTING -s 198.51.100.0/24 -j ACCEPT"
		closed = "-A FORWARD -d 192.168.0.3/32 -p tcp -m tcp --dport 8080 -j DROP"
	)
	for name, test := range map[string]struct {
		nat, filter []string
		want        Severity
		says        string
	}{
		"some are not translated":      {[]string{except, dnat + "192.168.0.3:8080"}, []string{closed}, SeverityError, "FORWARD 1 drops"},
		"some are not, the rest is in": {[]string{except, dnat + "192.168.0.2:8080"}, []string{closed}, SeverityOK, ""},
		"one of several is closed":     {[]string{dnat + "192.168.0.2-192.168.0.3:8080"}, []string{closed}, SeverityError, "one of several"},
		"all of several are open":      {[]string{dnat + "192.168.0.2-192.168.0.5:8080"}, nil, SeverityOK, "each of 192.168.0.2-192.168.0.5"},
		"each is open, not to all":     {[]string{dnat + "192.168.0.2-192.168.0.5:8080"}, []string{"-A FORWARD -s 203.0.113.0/24 -j DROP"}, SeverityOK, "not those from 203.0.113."},
		"each is open to some":         {[]string{dnat + "192.168.0.2-192.168.0.3:8080"}, []string{"-A FORWARD -s 198.51.100.0/24 -j ACCEPT", "-A FORWARD -d 198.51.100.0/24 -j ACCEPT", "-A FORWARD -j DROP"}, SeverityOK, "and not those from"},
		"too many to look at":          {[]string{dnat + "192.168.0.2-192.168.0.100:8080"}, nil, SeverityUnknown, "only the first"},
		"a network is kept out":        {[]string{dnat + "192.168.0.3:8080"}, []string{"-A FORWARD -s 128.66.0.0/16 -j DROP"}, SeverityOK, "not those from 128.66.0.1"},
		"neighbours are kept out":      {[]string{dnat + "192.168.0.3:8080"}, []string{"-A FORWARD -s 203.0.113.0/24 -d 192.168.0.3/32 -j REJECT"}, SeverityOK, "not those from 203.0.113."},
		"a range is kept out":          {[]string{dnat + "192.168.0.3:8080"}, []string{"-A FORWARD -m iprange --src-range 203.0.113.11-203.0.113.12 -j DROP"}, SeverityOK, "not those from 203.0.113.11"},
		"some ports are dropped":       {[]string{dnat + "192.168.0.3:8080"}, []string{"-A FORWARD -p tcp -m tcp --sport 32768:40000 -j DROP"}, SeverityUnknown, "not for 32768, for one"},
		"others are kept out":          {[]string{dnat + "192.168.0.3:8080"}, []string{"-A FORWARD -s 128.66.0.0/16 -d 192.168.0.9/32 -j DROP"}, SeverityOK, "its answer through."},
	} {
		t.Run(name, func(t *testing.T) {
			filter := append([]string{"*filter", ":FORWARD ACCEPT [0:0]"}, append(test.filter, "COMMIT", "")...)
			g := gatewayOf(t, map[rules.Variant]string{nft4: natTable(test.nat...) + strings.Join(filter, "\n")})
			g.Facts.Neighbours = []facts.Neighbour{}
			for _, f := range Forwards(g) {
				found := find(t, follow(examine(g), &f), "let-through", test.want)
				if !strings.Contains(found.Sentence, test.says) {
					t.Errorf("%s %s", found.Severity, found.Sentence)
				}
			}
		})
	}
}

// TestDataPasses holds that a rule which drops what comes after the handshake, by its flags, is seen.
func TestDataPasses(t *testing.T) {
	for drop, says := range map[string]string{
		"-A FORWARD -p tcp -m tcp --dport 8080 --tcp-flags PSH PSH -j DROP":                             "drops packets with data to 192.168.0.2:8080",
		"-A FORWARD -p tcp -m tcp --sport 8080 --tcp-flags FIN,SYN,RST,PSH,ACK,URG PSH,ACK -j DROP":     "drops packets with data from 192.168.0.2:8080",
		"-A FORWARD -p tcp -m tcp --dport 8080 --tcp-flags FIN,SYN,RST,PSH,ACK,URG FIN,PSH,URG -j DROP": "",
	} {
		filter := "*filter\n:FORWARD ACCEPT [0:0]\n" + drop + "\nCOMMIT\n"
		g := gatewayOf(t, map[rules.Variant]string{nft4: natTable("-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080") + filter})
		found := follow(examine(g), &Forwards(g)[0])
		i := slices.IndexFunc(found, func(f Finding) bool { return f.Check == "established-dropped" })
		if (i >= 0) != (says != "") || i >= 0 && !strings.Contains(found[i].Sentence, says) {
			t.Errorf("%s: %v", drop, found)
		}
	}
}

// TestTranslatedForWhom holds that a client whose packets the rule does not get is named.
func TestTranslatedForWhom(t *testing.T) {
	const dnat = "-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2"
	for first, says := range map[string]string{
		"-A PREROUTING -s 203.0.113.11/32 -j ACCEPT":                                                          "but what 203.0.113.11 asks for is not translated.",
		"-A PREROUTING -s 203.0.113.11/32 -j RETURN":                                                          "but what 203.0.113.11 asks for is not translated.",
		"-A PREROUTING -s 203.0.113.11/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.3:8080": "but what 203.0.113.11 asks for is translated by PREROUTING 1, to 192.168.0.3:8080.",
		"-A PREROUTING -s 203.0.113.11/32 -p tcp -m tcp --dport 81 -j ACCEPT":                                 "to 192.168.0.2:80.",
	} {
		g := gatewayOf(t, map[rules.Variant]string{nft4: natTable(first, dnat)})
		f := Forwards(g)[len(Forwards(g))-1]
		if found := find(t, follow(examine(g), &f), translated, SeverityOK); !strings.HasSuffix(found.Sentence, says) {
			t.Errorf("%s: %s", first, found.Sentence)
		}
	}
}

// TestTranslatedFromAnyPort holds that a rule for some source ports alone is not called one that translates.
func TestTranslatedFromAnyPort(t *testing.T) {
	for ports, want := range map[string]Severity{
		"--sport 1024:30000 --dport 80": SeverityUnknown, "--sport 50000 --dport 80": SeverityUnknown, "--sport 1024:65535 --dport 80": SeverityOK, "--dport 80": SeverityOK,
	} {
		g := gatewayOf(t, map[rules.Variant]string{nft4: natTable("-A PREROUTING -i wan0 -p tcp -m tcp " + ports + " -j DNAT --to-destination 192.168.0.2")})
		if said := find(t, follow(examine(g), &Forwards(g)[0]), translated, want).Sentence; strings.Contains(said, "source port") != (want == SeverityUnknown) {
			t.Errorf("%s: %s", ports, said)
		}
	}
}

// TestElsewhereFails holds that what asks for the same and is sent to another server is looked at, too.
func TestElsewhereFails(t *testing.T) {
	const dnat = "-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.3"
	filter := "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -d 192.168.0.3/32 -j DROP\nCOMMIT\n"
	g := gatewayOf(t, map[rules.Variant]string{nft4: natTable("-A PREROUTING -s 203.0.113.10/32 -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2", dnat) + filter})
	found := ExamineForward(g, Forwards(g)[0])
	said := find(t, found, translated, SeverityOK).Sentence
	if !strings.HasSuffix(said, "for 203.0.113.10 alone.") {
		t.Errorf("%s", said)
	}
	if last := found[len(found)-1]; last.Severity != SeverityError || !strings.Contains(last.Sentence, "192.168.0.3:80") || !strings.Contains(last.Sentence, "Clients such as") {
		t.Errorf("%s %s", last.Severity, last.Sentence)
	}
}

// TestForwardAsItIsNow holds that a forward that is followed is that of today's rules.
func TestForwardAsItIsNow(t *testing.T) {
	const dnat = "-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:80"
	gateway := func(lines ...string) *Gateway {
		return gatewayOf(t, map[rules.Variant]string{nft4: natTable(lines...)})
	}
	was := Forwards(gateway(dnat))[0]
	for name, c := range map[string]struct {
		lines []string
		want  string
	}{
		"as it was":      {[]string{dnat}, "PREROUTING 1 192.168.0.2:80"},
		"another server": {[]string{strings.Replace(dnat, "0.2:80", "0.3:8081", 1)}, "PREROUTING 1 192.168.0.3:8081"},
		"moved":          {[]string{"-A PREROUTING -s 203.0.113.11/32 -j ACCEPT", dnat}, "PREROUTING 2 192.168.0.2:80"},
		"another rule":   {[]string{"-A PREROUTING -p tcp -m tcp --dport 25 -j DNAT --to-destination 192.168.0.9", strings.Replace(dnat, "0.2:80", "0.4:80", 1)}, "PREROUTING 2 192.168.0.4:80"},
		"gone":           {[]string{"-A PREROUTING -i wan0 -p tcp -m tcp --dport 25 -j DNAT --to-destination 192.168.0.9"}, ""},
	} {
		now, found := FollowForward(gateway(c.lines...), was)
		switch is := ruleName(now.Rule) + " " + now.Server.String(); {
		case c.want == "" && (len(found) != 1 || found[0].Severity != SeverityUnknown || !strings.Contains(found[0].Sentence, "is gone")):
			t.Errorf("%s: %v", name, found)
		case c.want != "" && is != c.want:
			t.Errorf("%s: %s", name, is)
		}
	}
}

// find is the finding of a check, or the last one where that has another name as something is wrong.
func find(t *testing.T, all []Finding, check string, want Severity) Finding {
	t.Helper()
	for _, f := range all {
		if f.Check == check || f.IsProblem() && f.ends() {
			if f.Severity != want {
				t.Errorf("%s is %s, %s expected: %s", f.Check, f.Severity, want, f.Sentence)
			}
			return f
		}
	}
	t.Fatalf("no %s among %d findings: %v", check, len(all), all)
	return Finding{}
}
