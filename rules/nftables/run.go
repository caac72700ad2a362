package nftables

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"nattui/rules/nfnetlink"
)

// mostWords is how much is kept of what nft says when it refuses.
const mostWords = 4 << 10

// command prepares the program nft, with its words in English. What ends the terminal's foreground does not end it.
func command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = nfnetlink.Lend(&syscall.SysProcAttr{Setpgid: true})
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = orphanWait
	return cmd
}

// orphanWait is how long is waited for what a program has started, once it was killed for its slowness.
const orphanWait = 5 * time.Second

// run runs nft, in the network namespace of the context, and returns what it prints, and where it fails what it says.
func run(ctx context.Context, program, input string, args ...string) (out, words string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := command(ctx, program, args...)
	var printed, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &printed, &said
	err = nfnetlink.Run(ctx, cmd)
	return printed.String(), refusal(said.String(), err), err
}

// feed has nft read a script, in one transaction.
func feed(ctx context.Context, program, script string) (words string, err error) {
	if script == "" {
		return "", nil
	}
	_, words, err = run(ctx, program, script, "-f", "-")
	return words, err
}

// refusal is what nft said of a script that it did not take, in one line and of bounded length, or why it said nothing.
func refusal(said string, err error) string {
	var lines []string
	statement := ""
	for line := range strings.Lines(said) {
		line = strings.TrimRight(line, "\n")
		if strings.Trim(line, "^~ ") == "" {
			lines = append(lines, absent(lines, statement, line)...)
			continue
		}
		statement = line
		lines = append(lines, strings.TrimSpace(line))
	}
	text := strings.Join(lines, " | ")
	if len(text) > mostWords {
		text = text[:mostWords] + " …"
	}
	if text == "" && err != nil {
		return err.Error()
	}
	return text
}

// Refused is the error of a script that nft, or the kernel by it, does not take. Nothing was changed.
type Refused struct {
	Words string // what nft said
}

// Error gives nft's words.
func (e *Refused) Error() string { return "nft refused: " + e.Words + "; nothing was changed" }

// Refused tells that the kernel said no, and would again.
func (e *Refused) Refused() bool { return refusedByKernel(e.Words) }

// refusedByKernel tells by nft's words that the kernel said no to the whole of a transaction: not nft alone, which may be
// broken, nor for want of memory or privileges.
func refusedByKernel(words string) bool {
	const said = "Could not process rule: "
	return strings.Contains(words, said) && !strings.Contains(words, said+"Cannot allocate memory") && !strings.Contains(words, said+"Operation not permitted")
}

// NotKnown is the error of a transaction of which it cannot be said whether it was made.
type NotKnown struct {
	Words string
	Ended error
}

// Error says how nft ended.
func (e *NotKnown) Error() string {
	text := "it is not known whether nft has made the change"
	if e.Words != "" {
		text += ": " + e.Words
	}
	return text
}

// Unknown tells that it may have been made.
func (e *NotKnown) Unknown() bool { return true }

// Unwrap is how nft ended.
func (e *NotKnown) Unwrap() error { return e.Ended }

// errIdle is the error of a script that nft took without a complaint, and of which the kernel has nothing.
var errIdle = errors.New("nft reported success, and the kernel has nothing of the change")
