package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/host"
	"nattui/rules/commit"
)

// proofOf finds the logins that prove that the operators of a change can still get
// in, or says what is lacking. Logins that are there are dated by their processes; of those that wtmp has
// recorded it is only said that they prove nothing.
func proofOf(e *commit.Entry) commit.Proof {
	return e.Proof(commit.KernelClock(), arrivalsSince(e))
}

func arrivalsSince(e *commit.Entry) []commit.Arrival {
	var arrivals []commit.Arrival
	made := e.Made(commit.KernelClock())
	for _, l := range append(host.Logins(), host.PastLogins(made)...) {
		arrivals = append(arrivals, commit.Arrival{From: l.Client.Addr(), Began: l.Began, Entered: l.Entered, User: l.User, Here: host.HasAddress(l.Client.Addr())})
	}
	return arrivals
}

// thoroughProof looks into the system's journal as well, where sshd's words are kept of
// logins that have ended. They prove something where sshd also tells when connections begin (LogLevel VERBOSE).
// It runs journalctl.
func thoroughProof(ctx context.Context, e *commit.Entry) commit.Proof {
	p := proofOf(e)
	if p.Lacking == "" {
		return p
	}
	past, err := acceptedLogins(ctx, e.Made(commit.KernelClock()))
	if err != nil {
		p.Lacking += " (of logins that have ended only what wtmp has was looked at: " + err.Error() + ")"
		return p
	}
	return e.Proof(commit.KernelClock(), append(arrivalsSince(e), past...))
}

// sshd's words for a login whose user has passed every check (auth_log in OpenSSH's auth.c), and for a connection
// that has come (sshd-session.c).
var (
	accepted  = regexp.MustCompile(`^Accepted [^ ]+ for ([^ ]+) from ([^ ]+) port ([0-9]+) ssh2`)
	connected = regexp.MustCompile(`^Connection from ([^ ]+) port ([0-9]+) on `)
)

// wordsLate bounds how long after a connection has begun sshd tells of it: it starts a process and takes keys first.
const wordsLate = 5 * time.Second

// acceptedLogins are those that sshd has told the system's journal of since a moment of this run of the kernel. Only
// what root's own sshd said counts: journald itself notes who speaks.
func acceptedLogins(ctx context.Context, since time.Duration) ([]commit.Arrival, error) {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ago := strconv.Itoa(int((commit.KernelClock().SinceBoot()-since)/time.Second) + 1)
	text, err := exec.CommandContext(ctx, "journalctl", "--quiet", "--boot", "--output=json", "--lines=1000", "--since=-"+ago+"s",
		"_UID=0", "_COMM=sshd", "+", "_UID=0", "_COMM=sshd-session").Output()
	if err != nil {
		return nil, fmt.Errorf("the system's journal cannot be read")
	}
	return arrivalsIn(string(text), asleep()), nil
}

// asleep is how far CLOCK_BOOTTIME, by which arrivals are dated, is ahead of CLOCK_MONOTONIC, which journald uses.
func asleep() time.Duration {
	var monotonic unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &monotonic) != nil {
		return 0
	}
	return commit.KernelClock().SinceBoot() - time.Duration(monotonic.Nano())
}

// spoken is what sshd said in the journal.
type spoken struct {
	Message any    `json:"MESSAGE"` // a list of numbers where it is no text
	At      string `json:"__MONOTONIC_TIMESTAMP"`
	PID     string `json:"_PID"`
}

// arrivalsIn reads journalctl's JSON, one object a line. A login is dated by what the same process said when the
// connection came from the same port; without that its beginning is not known.
func arrivalsIn(text string, asleep time.Duration) []commit.Arrival {
	var all []commit.Arrival
	came := map[string]time.Duration{}
	for line := range strings.Lines(text) {
		var one spoken
		if json.Unmarshal([]byte(line), &one) != nil {
			continue
		}
		message, _ := one.Message.(string)
		n, err := strconv.ParseInt(one.At, 10, 64)
		if err != nil {
			continue
		}
		at := time.Duration(n)*time.Microsecond + asleep
		if words := connected.FindStringSubmatch(message); words != nil {
			came[one.PID+" "+words[1]+" "+words[2]] = at
			continue
		}
		words := accepted.FindStringSubmatch(message)
		if words == nil {
			continue
		}
		from, err := netip.ParseAddr(words[2])
		if err != nil {
			continue
		}
		a := commit.Arrival{From: from.Unmap().WithZone(""), Entered: at, User: words[1]}
		if began, ok := came[one.PID+" "+words[2]+" "+words[3]]; ok {
			a.Began = max(0, began-wordsLate)
		}
		a.Here = host.HasAddress(a.From)
		all = append(all, a)
	}
	return slices.Clip(all)
}
