package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nattui/model/natlog"
	"nattui/model/natlog/sink"
	"nattui/rules"
	"nattui/ui/text"
)

// logOptions are the flags of "nattui log".
type logOptions struct {
	file, syslog, ipfix, authorities string
	journald                         bool
	domain                           uint32
	templates                        time.Duration
	buffer                           int

	who, at string
	within  time.Duration
}

// newLogCommand makes "nattui log".
func newLogCommand() *cobra.Command {
	var o logOptions
	c := &cobra.Command{
		Use:   "log [--who ADDRESS:PORT --at TIME FILE...]",
		Short: "Log every translation that begins and ends, with its rule",
		Long: "log writes a line for each translated connection that begins and for each that ends, as nattui flows --json prints it, with the rule that made it: to standard output, a file, systemd's journal, a syslog server, or a collector of IPFIX. " +
			"\"event\" is begin or end, \"at\" when nattui heard of it, \"end\" when the kernel says that it ended, \"out\" the interface to its server where that is certain. " +
			"Packets, bytes and times are there where the kernel keeps them (nf_conntrack_acct, nf_conntrack_timestamp). " +
			"The rule is left out where the rules are just changing, and \"inferred\" of what was found and of rules of the legacy backend, whose changes are seen within two seconds.\n" +
			"\nWhat is lost is counted where it was lost: {\"event\":\"lost\",\"count\":40,\"where\":\"kernel\"}, or \"buffer\" where whoever takes the lines was too slow for longer than --buffer records, or \"collector\" where nobody answered. " +
			"After a loss in the kernel the whole table is read again; beginnings and ends that this tells have \"found\":true. A line \"start\" says how many translated connections there were before the log, and \"stop\" where it ended.\n" +
			"\nWith --who it answers from such files who had an address at a time: files may be compressed (.gz), - is standard input. It exits with 1 where nobody is found, and says what may be missing.",
		Example: "nattui log --file /var/log/nattui/nat.json\n" +
			"nattui log --syslog tls://logs.example.net --ca /etc/ssl/logs.pem\n" +
			"nattui log --ipfix udp://192.0.2.7:4739\n" +
			"nattui log --who 203.0.113.1:40001 --at 2026-11-29T04:00:00Z /var/log/nattui/nat.json*",
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.file, "file", "", "add lines to this file, which is opened again upon SIGHUP")
	f.BoolVar(&o.journald, "journald", false, "send to systemd's journal, with fields (NAT_CLIENT, NAT_ASKED, NAT_SEEN_AS, NAT_SERVER …)")
	f.StringVar(&o.syslog, "syslog", "", "send messages of RFC 5424: udp://HOST, tcp://HOST, tls://HOST or unix:///dev/log")
	f.StringVar(&o.authorities, "ca", "", "with --syslog tls://: the file of authorities that sign the server's certificate; default: the system's")
	f.StringVar(&o.ipfix, "ipfix", "", "send NAT events (RFC 8158) to a collector: udp://HOST or tcp://HOST, port 4739")
	f.Uint32Var(&o.domain, "domain", 1, "with --ipfix: the observation domain")
	f.DurationVar(&o.templates, "templates", time.Minute, "with --ipfix udp://: how often the templates are sent again")
	f.IntVar(&o.buffer, "buffer", 1<<16, "how many records wait for a slow reader before they are dropped and counted; some 400 bytes each")
	f.StringVar(&o.who, "who", "", "ADDRESS or ADDRESS:PORT: who had it, by the files")
	f.StringVar(&o.at, "at", "", "with --who: when, as 2026-11-29T04:00:00Z or '2026-11-29 04:00:00' of this host's zone")
	f.DurationVar(&o.within, "within", 0, "with --who: by how much clocks may differ, such as 2s")
	return c
}

// check refuses flags that cannot be.
func (o *logOptions) check(args []string) error {
	sinks := 0
	for _, given := range []bool{o.file != "", o.journald, o.syslog != "", o.ipfix != ""} {
		if given {
			sinks++
		}
	}
	switch {
	case o.who == "" && (o.at != "" || o.within != 0 || len(args) > 0):
		return usagef("--at, --within and files go with --who ADDRESS:PORT")
	case o.who != "" && sinks > 0:
		return usagef("--who looks through files: drop --file, --journald, --syslog and --ipfix")
	case o.who != "" && (o.at == "" || len(args) == 0):
		return usagef("--who needs --at TIME and the files of the log, as in  nattui log --who 203.0.113.1:40001 --at 2026-11-29T04:00:00Z nat.json")
	case o.within < 0:
		return usagef("--within %s: use a positive time such as 2s", o.within)
	case sinks > 1:
		return usagef("one of --file, --journald, --syslog and --ipfix: start nattui log once for each")
	case o.authorities != "" && !strings.HasPrefix(o.syslog, "tls:"):
		return usagef("--ca goes with --syslog tls://HOST")
	case o.buffer < 2:
		return usagef("--buffer %d: use a number from 2", o.buffer)
	case o.templates <= 0:
		return usagef("--templates %s: use a positive time such as 1m", o.templates)
	}
	return nil
}

func (o *logOptions) run(c *cobra.Command, args []string) error {
	if err := refuseEmpty(c, "file", "syslog", "ipfix", "ca", "who", "at"); err != nil {
		return err
	}
	if err := o.check(args); err != nil {
		return err
	}
	if o.who != "" {
		return o.search(c, args)
	}
	return o.follow(c)
}

// open opens where the records go.
func (o *logOptions) open(c *cobra.Command) (sink.Sink, error) {
	trouble := func(err error) {
		if err != nil {
			say(c.ErrOrStderr(), text.Safe(fmt.Sprintf("records wait: %v; it is tried again, and what does not fit into the buffer is counted", err)))
			return
		}
		say(c.ErrOrStderr(), "records are sent again")
	}
	switch {
	case o.file != "":
		return sink.OpenFile(o.file, trouble)
	case o.journald:
		if _, err := os.Stat(sink.JournalSocket); err != nil {
			return nil, fmt.Errorf("systemd's journal does not listen here: %w", err)
		}
		return sink.Journal(trouble), nil
	case o.syslog != "":
		s, err := sink.Syslog(o.syslog, o.authorities, trouble)
		if err != nil {
			return nil, usagef("--syslog: %w", err)
		}
		return s, nil
	case o.ipfix != "":
		s, err := sink.IPFIX(o.ipfix, o.domain, o.templates, trouble)
		if err != nil {
			return nil, usagef("--ipfix: %w", err)
		}
		return s, nil
	}
	return sink.Stream(c.OutOrStdout(), trouble), nil
}

// answerJSON is an answer to --who. The names are for good.
type answerJSON struct {
	As      string          `json:"as"`
	Began   *time.Time      `json:"began,omitempty"`
	Ended   *time.Time      `json:"ended,omitempty"`
	Certain bool            `json:"certain"`
	Line    json.RawMessage `json:"line"`
}

// search answers who had an address at a time.
func (o *logOptions) search(c *cobra.Command, files []string) error {
	s := natlog.Search{Within: o.within}
	var err error
	if s.Address, err = soughtAddress(o.who); err != nil {
		return err
	}
	if s.At, err = soughtTime(o.at); err != nil {
		return err
	}
	for _, path := range files {
		if err := searchFile(c.Context(), c.InOrStdin(), path, &s); err != nil {
			return err
		}
	}
	out := newOutput(c)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	known := func(at time.Time) *time.Time {
		if at.IsZero() {
			return nil
		}
		return &at
	}
	answers := s.Answers()
	for _, a := range answers {
		if err := encoder.Encode(answerJSON{a.As, known(a.Began), known(a.Ended), a.Certain, a.Line}); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return sayGaps(c, &s, len(answers))
}

// sayGaps says what an answer may lack.
func sayGaps(c *cobra.Command, s *natlog.Search, answers int) error {
	lost, before, covered := s.Gaps()
	if s.Malformed > 0 {
		say(c.ErrOrStderr(), rules.Plural(s.Malformed, "line")+" could not be read as records: skipped")
	}
	if !covered {
		say(c.ErrOrStderr(), "the log was not running at that time, as far as these files tell")
	}
	if lost > 0 {
		say(c.ErrOrStderr(), fmt.Sprintf("%s had been lost by then: a beginning or an end may be missing", rules.Plural(lost, "event")))
	}
	if answers > 0 {
		return nil
	}
	if before > 0 {
		say(c.ErrOrStderr(), fmt.Sprintf("%s had begun before the log: it knows of them only once they end", rules.Plural(before, "connection")))
	}
	around := ""
	if s.Within == 0 {
		around = "; --within 1s looks a second before and after, as times in whole seconds need"
	}
	say(c.ErrOrStderr(), text.Safe(fmt.Sprintf("no connection with %s at %s is in the log%s", s.Address.Addr(), s.At.Format(time.RFC3339), around)))
	return statusError(exitFailed)
}

func soughtAddress(given string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(strings.Trim(given, "[]")); err == nil {
		return netip.AddrPortFrom(a, 0), nil
	}
	a, err := netip.ParseAddrPort(given)
	if why := rules.WrongPort(given); err != nil && why != "" {
		return a, usagef("--who %s: %s", text.Safe(given), text.Safe(why))
	}
	if err != nil {
		return a, usagef("--who %s: use ADDRESS or ADDRESS:PORT, such as 203.0.113.1:40001 or [2001:db8::1]:40001", text.Safe(given))
	}
	return a, nil
}

func soughtTime(given string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04"} {
		if at, err := time.ParseInLocation(layout, given, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, usagef("--at %s: use a time such as 2026-11-29T04:00:00Z, or '2026-11-29 04:00:00' of this host's zone", text.Safe(given))
}

// longestLine is more than a record has.
const longestLine = 1 << 20

// searchFile looks through a file, which may be compressed with gzip.
func searchFile(ctx context.Context, standardInput io.Reader, path string, s *natlog.Search) error {
	in := standardInput
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	buffered := bufio.NewReader(in)
	in = buffered
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		in = unpacked
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.Line(lines.Bytes())
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
