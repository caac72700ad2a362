package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// extensionOptions are an extension's options as iptables-save prints them.
type extensionOptions []string

// value is what follows an option, "" where it is not there; not is set after a !.
func (w extensionOptions) value(name string) (value string, not, ok bool) {
	i := slices.Index(w, name)
	if i < 0 {
		return "", false, false
	}
	if i+1 < len(w) && !strings.HasPrefix(w[i+1], "--") && w[i+1] != "!" {
		value = w[i+1]
	}
	return value, i > 0 && w[i-1] == "!", true
}

// targetPhrases say what extensions that iptables-extensions(8) lists do with a packet.
var targetPhrases = map[string]func(extensionOptions) string{
	"REJECT": func(w extensionOptions) string {
		how, _, _ := w.value("--reject-with")
		if how == "tcp-reset" {
			return "is refused with a TCP reset"
		}
		return "is refused with ICMP " + strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(how, "icmp6-"), "icmp-"), "-", " ")
	},
	"LOG": func(w extensionOptions) string {
		if prefix, _, ok := w.value("--log-prefix"); ok {
			return "is written to the kernel's log as " + Join([]string{prefix})
		}
		return "is written to the kernel's log"
	},
	"NFLOG": func(w extensionOptions) string {
		group, _, ok := w.value("--nflog-group")
		if !ok {
			group = "0"
		}
		return "is told to the programs that listen to log group " + group
	},
	"TCPMSS": func(w extensionOptions) string {
		if size, _, ok := w.value("--set-mss"); ok {
			return "gets a largest TCP segment of " + counted(size, "byte")
		}
		return "gets TCP segments that fit its way (MSS clamped to the path MTU)"
	},
	"NOTRACK": func(extensionOptions) string { return "is not tracked, so it is not translated either" },
	"CT": func(w extensionOptions) string {
		var parts []string
		if _, _, ok := w.value("--notrack"); ok {
			return "is not tracked, so it is not translated either"
		}
		for _, o := range [...][2]string{{"--helper", "gets the helper "}, {"--zone", "is tracked in zone "}, {"--zone-orig", "is tracked in zone "}, {"--zone-reply", "has its answers tracked in zone "}, {"--timeout", "gets the time-outs "}, {"--ctevents", "tells the events "}} {
			if v, _, ok := w.value(o[0]); ok {
				parts = append(parts, o[1]+v)
			}
		}
		if len(parts) == 0 {
			return "is tracked"
		}
		return strings.Join(parts, " and ")
	},
	"TPROXY": func(w extensionOptions) string {
		port, _, _ := w.value("--on-port")
		return "is given to the transparent proxy on port " + port + ", its addresses unchanged"
	},
	"NFQUEUE": func(w extensionOptions) string {
		if both, _, ok := w.value("--queue-balance"); ok {
			return "waits for a program's verdict on the queues " + both
		}
		n, _, ok := w.value("--queue-num")
		if !ok {
			n = "0"
		}
		return "waits for a program's verdict on queue " + n
	},
	"TEE": func(w extensionOptions) string {
		to, _, _ := w.value("--gateway")
		return "is copied to " + to
	},
	"TTL": lifePhrase("TTL", "--ttl-"),
	"HL":  lifePhrase("hop limit", "--hl-"),
	"TOS": func(w extensionOptions) string {
		return "gets the type of service " + strings.Join(w[min(1, len(w)):], " ")
	},
	"DSCP": func(w extensionOptions) string { return "gets the DSCP " + strings.Join(w[min(1, len(w)):], " ") },
	"CLASSIFY": func(w extensionOptions) string {
		class, _, _ := w.value("--set-class")
		return "is put into the traffic class " + class
	},
	"TRACE":    func(extensionOptions) string { return "is traced through the rules that follow" },
	"CHECKSUM": func(extensionOptions) string { return "gets its checksum filled in" },
	"SET": func(w extensionOptions) string {
		for _, o := range [...][2]string{{"--add-set", "has its address put into the set "}, {"--del-set", "has its address taken out of the set "}} {
			if v, _, ok := w.value(o[0]); ok {
				return o[1] + v
			}
		}
		return "is looked up in a set"
	},
}

func lifePhrase(what, prefix string) func(extensionOptions) string {
	return func(w extensionOptions) string {
		for _, o := range [...][2]string{{"set", " set to "}, {"dec", " made smaller by "}, {"inc", " made larger by "}} {
			if v, _, ok := w.value(prefix + o[0]); ok {
				return "gets its " + what + o[1] + v
			}
		}
		return "gets another " + what
	}
}

// counted is a number as it stands in an option, with what it counts.
func counted(n, noun string) string {
	if n == "1" {
		return "1 " + noun
	}
	return n + " " + noun + "s"
}

// opaquePhrases say what extensions ask of a packet; "" where the options are not understood.
var opaquePhrases = map[string]func(extensionOptions) string{
	"limit": func(w extensionOptions) string {
		rate, not, ok := w.value("--limit")
		if !ok || not {
			return ""
		}
		burst, _, ok := w.value("--limit-burst")
		if !ok {
			burst = "5"
		}
		return "up to " + rateWords(rate) + " (" + burst + " at once)"
	},
	"hashlimit": func(w extensionOptions) string {
		word := "up to "
		rate, _, ok := w.value("--hashlimit-upto")
		if !ok {
			word = "above "
			rate, _, ok = w.value("--hashlimit-above")
		}
		if !ok {
			return ""
		}
		each, _, ok := w.value("--hashlimit-mode")
		if !ok {
			return word + rateWords(rate) + " in all"
		}
		for _, end := range [][2]string{{"srcip", "source address"}, {"dstip", "destination address"}, {"srcport", "source port"}, {"dstport", "destination port"}} {
			each = strings.ReplaceAll(each, end[0], end[1])
		}
		return word + rateWords(rate) + " for each " + strings.ReplaceAll(each, ",", " and ")
	},
	"connlimit": func(w extensionOptions) string {
		by := "source"
		if _, _, ok := w.value("--connlimit-daddr"); ok {
			by = "destination"
		}
		if n, _, ok := w.value("--connlimit-above"); ok {
			return "where one " + by + " has more than " + counted(n, "connection")
		}
		if n, _, ok := w.value("--connlimit-upto"); ok {
			return "where one " + by + " has at most " + counted(n, "connection")
		}
		return ""
	},
	"set": func(w extensionOptions) string {
		i := slices.Index(w, "--match-set")
		if i < 0 || i+2 >= len(w) {
			return ""
		}
		return map[bool]string{false: "in", true: "not in"}[i > 0 && w[i-1] == "!"] + " the set " + w[i+1] + " by " + w[i+2]
	},
	"recent": func(w extensionOptions) string {
		name, _, _ := w.value("--name")
		list := "the list of recent addresses " + name
		switch {
		case slices.Contains(w, "--set"):
			return "(its address is added to " + list + ")"
		case slices.Contains(w, "--remove"):
			return "whose address was in " + list + " (it is removed)"
		case slices.Contains(w, "--rcheck"), slices.Contains(w, "--update"):
			text := "whose address is in " + list
			if n := max(slices.Index(w, "--rcheck"), slices.Index(w, "--update")); n > 0 && w[n-1] == "!" {
				text = "whose address is not in " + list
			}
			if n, _, ok := w.value("--hitcount"); ok {
				text += " with at least " + counted(n, "packet")
			}
			if s, _, ok := w.value("--seconds"); ok {
				text += " in the last " + counted(s, "second")
			}
			return text
		}
		return ""
	},
	"helper":    valuePhrase("--helper", "that the helper ", " expected"),
	"mac":       valuePhrase("--mac-source", "from hardware address ", ""),
	"tcpmss":    valuePhrase("--mss", "with a largest TCP segment of ", " bytes"),
	"realm":     valuePhrase("--realm", "of the routing realm ", ""),
	"cpu":       valuePhrase("--cpu", "handled by processor ", ""),
	"connbytes": valuePhrase("--connbytes", "whose connection has carried ", ""),
	"quota": func(w extensionOptions) string {
		switch n, not, ok := w.value("--quota"); {
		case !ok:
			return ""
		case n == "1":
			return notWord(not) + "until 1 byte has passed"
		default:
			return notWord(not) + "until " + n + " bytes have passed"
		}
	},
	"string": func(w extensionOptions) string {
		what, not, ok := w.value("--string")
		if !ok {
			if what, not, ok = w.value("--hex-string"); !ok {
				return ""
			}
			what = "the bytes " + what
		}
		if not {
			return "that does not contain " + what
		}
		return "that contains " + what
	},
	"statistic": func(w extensionOptions) string {
		every, not, ok := w.value("--every")
		n, err := strconv.ParseUint(every, 10, 32)
		if !ok || err != nil {
			return ""
		}
		return notWord(not) + "every " + ordinal(n) + " time"
	},
	"rpfilter": func(w extensionOptions) string {
		if slices.Contains(w, "--invert") {
			return "whose source is not reached by the interface it came by"
		}
		return "whose source is reached by the interface it came by"
	},
	"socket": func(extensionOptions) string { return "that a socket of this host takes" },
	"policy": func(w extensionOptions) string {
		pol, _, _ := w.value("--pol")
		dir, _, _ := w.value("--dir")
		when := map[string]string{"in": "came", "out": "leaves"}[dir]
		switch {
		case when == "" || len(w) > 4:
			return ""
		case pol == "ipsec":
			return "that " + when + " through IPsec"
		case pol == "none":
			return "that " + when + " without IPsec"
		}
		return ""
	},
	"physdev": func(w extensionOptions) string {
		var parts []string
		for _, o := range [...][2]string{{"--physdev-in", "came into the bridge by "}, {"--physdev-out", "leaves the bridge by "}} {
			if v, not, ok := w.value(o[0]); ok {
				if not {
					v = "another than " + v
				}
				parts = append(parts, o[1]+v)
			}
		}
		if i := slices.Index(w, "--physdev-is-bridged"); i >= 0 {
			parts = append(parts, map[bool]string{false: "stays on its bridge", true: "does not stay on its bridge"}[i > 0 && w[i-1] == "!"])
		}
		if len(parts) == 0 {
			return ""
		}
		return "that " + strings.Join(parts, " and ")
	},
}

// rateWords says 5/sec as 5 a second.
func rateWords(rate string) string {
	n, unit, ok := strings.Cut(rate, "/")
	if unit == "sec" {
		unit = "second"
	}
	if !ok {
		return rate
	}
	unit = strings.TrimSuffix(unit, "s")
	if unit == "hour" {
		return n + " an hour"
	}
	if unit == "min" {
		unit = "minute"
	}
	return n + " a " + unit
}

// ordinal is 1st, 2nd, 3rd, 4th, …
func ordinal(n uint64) string {
	end := "th"
	if tens := n / 10 % 10; tens != 1 {
		switch n % 10 {
		case 1:
			end = "st"
		case 2:
			end = "nd"
		case 3:
			end = "rd"
		}
	}
	return strconv.FormatUint(n, 10) + end
}

// pktTypeWord is a kind of link-layer packet under its whole name; xt_pkttype takes short ones as well.
func pktTypeWord(name string) string {
	switch name {
	case "bcast":
		return "broadcast"
	case "mcast":
		return "multicast"
	case "host":
		return "unicast"
	}
	return name
}

// lengthPhrase says a range that runs backwards for what it is: the kernel takes it, and nothing is so long.
func lengthPhrase(m Length) string {
	if m.Lo > m.Hi {
		return fmt.Sprintf("%sof length %d to %d, which no packet has,", notWord(m.Not), m.Lo, m.Hi)
	}
	return fmt.Sprintf("%sof length %s", notWord(m.Not), Ports{m.Lo, m.Hi}.Text(" to "))
}

// timePhrase says when a rule holds. The kernel counts in UTC unless it is told to use its own time zone (xt_time).
func timePhrase(m Time) string {
	value := map[string]TimeOption{}
	for _, o := range m.Options {
		value[o.Name] = o
	}
	_, local := value["kerneltz"]
	_, once := value["contiguous"]
	zone := map[bool]string{false: "UTC", true: "kernel time"}[local]
	from, to := clockWords(value["timestart"].Value), clockWords(value["timestop"].Value)
	if to == "23:59:59" { // which iptables puts for an end that was not given, as it does for dates
		to = ""
		if from == "00:00" {
			from = ""
		}
	}
	var parts []string
	if text := spanWords(from, to, zone); text != "" {
		parts, zone = append(parts, text), ""
	}
	if days, ok := value["weekdays"]; ok {
		parts = append(parts, notWord(days.Not)+"on "+strings.ReplaceAll(days.Value, ",", ", "))
	}
	if days, ok := value["monthdays"]; ok {
		parts = append(parts, notWord(days.Not)+"on day "+strings.ReplaceAll(days.Value, ",", ", ")+" of the month")
	}
	if text := spanWords(dateWords(value["datestart"].Value), dateWords(strings.TrimPrefix(value["datestop"].Value, lastDate)), zone); text != "" {
		parts, zone = append(parts, text), ""
	}
	if len(parts) == 0 {
		return "at any time"
	}
	text := strings.Join(parts, " ")
	if zone != "" {
		text += " (" + zone + ")"
	}
	if once {
		text += ", the hours after midnight counted to the day before,"
	}
	return text
}

// lastDate is the end of dates that were given no end (libxt_time.c).
const lastDate = "2038-01-19T03:14:07"

// spanWords is a span of time; "" where it is not bounded.
func spanWords(from, to, zone string) string {
	if zone != "" {
		zone = " " + zone
	}
	switch {
	case from != "" && to != "":
		return "between " + from + " and " + to + zone
	case from != "":
		return "from " + from + zone
	case to != "":
		return "until " + to + zone
	}
	return ""
}

// dateWords is a date with its time of day, as xt_time prints it with a T between them.
func dateWords(date string) string {
	day, hour, _ := strings.Cut(date, "T")
	if hour = clockWords(hour); hour == "" || hour == "00:00" {
		return day
	}
	return day + " " + hour
}

// clockWords is a time of day without seconds that are none.
func clockWords(hour string) string {
	if strings.Count(hour, ":") == 2 {
		return strings.TrimSuffix(hour, ":00")
	}
	return hour
}

func valuePhrase(option, before, after string) func(extensionOptions) string {
	return func(w extensionOptions) string {
		v, not, ok := w.value(option)
		if !ok || v == "" {
			return ""
		}
		if not {
			v = "not " + v
		}
		return before + v + after
	}
}

// extensionPhrase says what a match asks that has no type of its own.
func extensionPhrase(m Match) string {
	words := matchWords(nil, m)[1:]
	if say := opaquePhrases[m.Module()]; say != nil && len(words) > 0 {
		if text := say(extensionOptions(words[1:])); text != "" {
			return text
		}
	}
	return "if " + Join(words)
}
