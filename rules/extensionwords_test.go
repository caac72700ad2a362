package rules

import "testing"

// TestExtensionsInWords says matches as a reader would.
func TestExtensionsInWords(t *testing.T) {
	for line, want := range map[string]string{
		`-A X -m time --timestart 08:00:00 --timestop 18:00:00 --weekdays Mon,Tue -j RETURN`:                            "Everything between 08:00 and 18:00 UTC on Mon, Tue is done with X.",
		`-A X -m time --timestart 08:00:00 ! --weekdays Sun --kerneltz -j RETURN`:                                       "Everything from 08:00 kernel time not on Sun is done with X.",
		`-A X -m time --timestart 08:00:00 --timestop 23:59:59 --weekdays Mon --datestop 2038-01-19T03:14:07 -j RETURN`: "Everything from 08:00 UTC on Mon is done with X.",
		`-A X -m time --weekdays Sat,Sun -j RETURN`:                                                                     "Everything on Sat, Sun (UTC) is done with X.",
		`-A X -m time --timestop 06:30:15 --monthdays 1,15 -j RETURN`:                                                   "Everything until 06:30:15 UTC on day 1, 15 of the month is done with X.",
		`-A X -m time --datestart 2026-01-01T00:00:00 --datestop 2026-02-01T12:30:00 -j RETURN`:                         "Everything between 2026-01-01 and 2026-02-01 12:30 UTC is done with X.",
		`-A X -m time --timestart 22:00:00 --timestop 06:00:00 --weekdays Fri --contiguous -j RETURN`:                   "Everything between 22:00 and 06:00 UTC on Fri, the hours after midnight counted to the day before, is done with X.",
		`-A X -m limit --limit 3/hour -j RETURN`:                                                                        "Everything up to 3 an hour (5 at once) is done with X.",
		`-A X -m limit --limit 3/min -j RETURN`:                                                                         "Everything up to 3 a minute (5 at once) is done with X.",
		`-A X -m hashlimit --hashlimit-above 5/sec --hashlimit-mode srcip,dstport --hashlimit-name n -j DROP`:           "Everything above 5 a second for each source address and destination port is dropped.",
		`-A X -m string --hex-string "|0d0a|" --algo bm -j DROP`:                                                        "Everything that contains the bytes |0d0a| is dropped.",
		`-A X -m string ! --string x --algo bm -j DROP`:                                                                 "Everything that does not contain x is dropped.",
		`-A X -m recent --set --name ssh --mask 255.255.255.255 --rsource -j ACCEPT`:                                    "Everything (its address is added to the list of recent addresses ssh) is let through as it is.",
		`-A X -m hashlimit --hashlimit-upto 2/hour --hashlimit-name n --hashlimit-mode srcip -j RETURN`:                 "Everything up to 2 an hour for each source address is done with X.",
		`-A X -m statistic --mode nth --every 3 --packet 0 -j RETURN`:                                                   "Everything every 3rd time is done with X.",
		`-A X -m statistic --mode nth --every 12 --packet 0 -j RETURN`:                                                  "Everything every 12th time is done with X.",
		`-A X -m statistic --mode nth --every 102 --packet 0 -j RETURN`:                                                 "Everything every 102nd time is done with X.",
		`-A X -m pkttype --pkt-type bcast -j RETURN`:                                                                    "Everything sent as broadcast is done with X.",
		`-A X -m pkttype ! --pkt-type mcast -j RETURN`:                                                                  "Everything not sent as multicast is done with X.",
		`-A X -m length --length 100:50 -j RETURN`:                                                                      "Everything of length 100 to 50, which no packet has, is done with X.",
		`-A X -m length --length 50:100 -j RETURN`:                                                                      "Everything of length 50 to 100 is done with X.",
	} {
		r, err := Parse(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if got := r.Sentence(); got != want {
			t.Errorf("%s\nis said as %s\nwant       %s", line, got, want)
		}
	}
}
