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

// proofOf finds the login that proves that the operator of a change can still get
// in, or says what is lacking: among those that are there, and those that wtmp has
// recorded.
func proofOf(e *commit.Entry) (a commit.Arrival, after time.Duration, lacking string) {
	return e.Proof(commit.KernelClock(), arrivalsSince(e))
}

func arrivalsSince(e *commit.Entry) []commit.Arrival {
	var arrivals []commit.Arrival
	made := e.Made(commit.KernelClock())
	for _, l := range append(host.Logins(), host.PastLogins(made)...) {
		arrivals = append(arrivals, commit.Arrival{From: l.Client.Addr(), Began: l.Began, User: l.User})
	}
	return arrivals
}

// thoroughProof looks into the system's journal as well, where sshd's words are kept of
// logins that have ended and had no terminal. It runs journalctl.
func thoroughProof(ctx context.Context, e *commit.Entry) (a commit.Arrival, after time.Duration, lacking string) {
	a, after, lacking = proofOf(e)
	if lacking == "" {
		return a, after, ""
	}
	past, err := acceptedLogins(ctx, e.Made(commit.KernelClock()))
	if err != nil {
		return a, after, lacking + " (of logins without a terminal only those that last were looked at: " + err.Error() + ")"
	}
	return e.Proof(commit.KernelClock(), append(arrivalsSince(e), past...))
}

// accepted is sshd's word for a login (auth_log in OpenSSH's auth.c), whose user has passed every check.
var accepted = regexp.MustCompile(`^Accepted [^ ]+ for ([^ ]+) from ([^ ]+) port [0-9]+ ssh2`)

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

// arrivalsIn reads journalctl's JSON, one object a line.
func arrivalsIn(text string, asleep time.Duration) []commit.Arrival {
	var all []commit.Arrival
	for line := range strings.Lines(text) {
		var one struct {
			Message any    `json:"MESSAGE"` // a list of numbers where it is no text
			At      string `json:"__MONOTONIC_TIMESTAMP"`
		}
		if json.Unmarshal([]byte(line), &one) != nil {
			continue
		}
		message, _ := one.Message.(string)
		words := accepted.FindStringSubmatch(message)
		at, err := strconv.ParseInt(one.At, 10, 64)
		if words == nil || err != nil {
			continue
		}
		from, err := netip.ParseAddr(words[2])
		if err == nil {
			all = append(all, commit.Arrival{From: from.Unmap().WithZone(""), Began: time.Duration(at)*time.Microsecond + asleep, User: words[1]})
		}
	}
	return slices.Clip(all)
}
