package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
	"nattui/ui/text"
)

// readNftText has the kernel read what nft printed: in a network namespace of its own, which holds nothing else and is
// gone afterwards, by a child of this program.
func readNftText(ctx context.Context, listed []byte) (*nft.Ruleset, error) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "read-ruleset")
	cmd.Args[0] = os.Args[0] // by which a test binary knows that it is nattui
	cmd.Stdin = bytes.NewReader(listed)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	if err := cmd.Run(); err != nil {
		said := nftPlace.ReplaceAllString(strings.TrimPrefix(strings.TrimSpace(complaint.String()), "nattui: "), "line $1, column $2: ")
		if said == "" {
			said = err.Error()
		}
		return nil, fmt.Errorf("what nft printed is read by the kernel itself, in a private network namespace, and that failed: %s", said)
	}
	_, _ = stderr.Write(complaint.Bytes())
	set := &nft.Ruleset{}
	if err := json.Unmarshal(out.Bytes(), set); err != nil {
		return nil, err
	}
	return set, nil
}

// newReadRulesetCommand makes "nattui read-ruleset", which readNftText starts in a namespace.
func newReadRulesetCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "read-ruleset",
		Short:  "Read nft's text in an empty network namespace; started by nattui itself",
		Hidden: true,
		Args:   noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := inEmptyNamespace(c.Context()); err != nil {
				return err
			}
			program, err := exec.LookPath("nft")
			if err != nil {
				return errors.New("the program nft is not installed here")
			}
			listed, err := io.ReadAll(os.Stdin)
			if err != nil {
				return err
			}
			l := newListedText(string(listed))
			if err := l.load(c.Context(), program); err != nil {
				return err
			}
			if note := l.unreadNote(); note != "" {
				say(c.ErrOrStderr(), text.Safe(note))
			}
			natives.reader.Listed = true
			set, err := natives.reader.Read(c.Context())
			if err != nil {
				return err
			}
			l.restore(set)
			return json.NewEncoder(stdout).Encode(set)
		},
	}
}

// inEmptyNamespace makes sure that nothing is there which loading a rule set could change: no interface but lo, which is
// down, and no table of nft.
func inEmptyNamespace(ctx context.Context) error {
	links, err := net.Interfaces()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(links, func(l net.Interface) bool { return l.Name != "lo" || l.Flags&net.FlagUp != 0 }) {
		return errors.New("read-ruleset works in an empty network namespace only")
	}
	set, err := natives.reader.Read(ctx)
	switch {
	case errors.Is(err, nfnetlink.ErrAbsent):
		return nil
	case err != nil:
		return err
	case len(set.Tables) > 0:
		return errors.New("read-ruleset works in an empty network namespace only")
	}
	return nil
}

// listedText is what  nft list ruleset  printed on another machine, while it is loaded here.
type listedText struct {
	lines  []string
	links  map[uint32]string // those that it names, made here
	places []linePlace       // of the lines
	unread unreadLines
}

func newListedText(listed string) *listedText {
	l := &listedText{lines: strings.Split(listed, "\n"), links: map[uint32]string{}}
	l.places = placesOf(l.lines)
	l.unread = unreadLines{original: slices.Clone(l.lines), why: map[int]string{}}
	for i, place := range l.places {
		if place.rule {
			l.lines[i] = l.unread.withoutExtensions(i, l.lines[i], place.ofIPTables)
		}
	}
	return l
}

// nftComplaint names the place that nft complains of, and why.
var nftComplaint = regexp.MustCompile(`(?m)^/dev/stdin:(\d+):(\d+)-(\d+): Error: (.*)$`)

// nftPlace is a place in the text as nft writes it.
var nftPlace = regexp.MustCompile(`/dev/stdin:(\d+):(\d+)(?:-\d+)?: `)

// mostListed is how often text is loaded: each time it is mended where nft complains.
const mostListed = 100

// load has the kernel take the text: with the interfaces that it names by their numbers, which only the other machine has, and
// with something in the place of the rules that nft prints and does not read, such as those with extensions of iptables.
func (l *listedText) load(ctx context.Context, program string) error {
	for range mostListed {
		cmd := exec.CommandContext(ctx, program, "-f", "-")
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		cmd.Stdin = strings.NewReader(strings.Join(l.lines, "\n"))
		said, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}
		mended, mendErr := l.mend(ctx, string(said))
		switch why := strings.TrimSpace(string(said)); {
		case mendErr == nil && mended:
		case why == "": // it has crashed
			return errors.Join(fmt.Errorf("nft ended: %w", err), mendErr)
		default:
			return errors.Join(fmt.Errorf("nft: %s", why), mendErr)
		}
	}
	return errors.New("nft does not read most of it")
}

// mend does something about what nft complains of, if it can.
func (l *listedText) mend(ctx context.Context, said string) (mended bool, err error) {
	fresh, wholly := map[uint32]string{}, map[int]bool{}
	for _, m := range nftComplaint.FindAllStringSubmatch(said, -1) {
		at, _ := strconv.Atoi(m[1])
		from, _ := strconv.Atoi(m[2])
		to, _ := strconv.Atoi(m[3])
		if at < 1 || at > len(l.lines) || from < 1 || to < from || to > len(l.lines[at-1]) {
			continue
		}
		line := &l.lines[at-1]
		name := strings.Trim((*line)[from-1:to], `"`)
		made := func(links map[uint32]string) bool { return slices.Contains(slices.Collect(maps.Values(links)), name) }
		switch absent := m[4] == "Interface does not exist"; {
		case absent && made(fresh):
		case absent && !made(l.links):
			number := uint32(1000 + len(l.links))
			l.links[number], fresh[number] = name, name
			mended = true
		case l.places[at-1].rule && braces([]byte(*line)) == 0:
			if *line = l.unread.whole(at-1, m[4]); !wholly[at] {
				wholly[at], mended = true, true
			}
		}
	}
	if len(fresh) > 0 {
		err = nfnetlink.AddLinks(ctx, fresh)
	}
	return mended, err
}
