package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"nattui/model/conntrack"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/model/host"
	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/frontend"
	"nattui/rules/iptables"
	"nattui/rules/nftables"
	"nattui/ui/text"
)

// openCommitter opens the state directory over the kernel's adapters; it is made when
// something is to be changed. flows may be nil: it is opened when a plan has a flow to forget.
func openCommitter(tables *iptables.Host, flows *conntrack.Table) (*commit.Committer, error) {
	store, err := commit.Look(commit.Directory())
	if err != nil {
		return nil, err
	}
	kernel := commit.Kernel{Tables: tables, Settings: kernelSettings{}, Flows: forgetting{flows}, FrontEnds: frontend.Programs{}, Native: &nftables.Changer{}}
	return commit.New(store, kernel, commit.Setup{Root: filesRoot()}), nil
}

// kernelSettings are the kernel's settings, for package commit.
type kernelSettings struct{}

func (kernelSettings) Sysctl(name string) (string, error) { return host.Sysctl(name) }

func (kernelSettings) WriteSysctl(name, value string) (string, error) {
	return host.WriteSysctl(name, value)
}

// forgetting drops flows, for package commit.
type forgetting struct{ table *conntrack.Table }

func (f forgetting) Forget(_ context.Context, w rules.Forget) error {
	table := f.table
	if table == nil {
		opened, err := conntrack.Open(conntrack.Options{})
		if err != nil {
			return err
		}
		defer opened.Close()
		table = opened
	}
	tuple := rules.MakeTuple(w.Proto, w.Src, w.Dst)
	if proto := w.Proto; proto.IsICMP() {
		tuple = rules.MakeICMP(proto, w.Src.Addr(), w.Dst.Addr(), w.Ident, w.Type, w.Code)
	}
	_, err := table.Forget([]flow.Flow{{Orig: tuple, Zone: w.Zone, ID: w.ID}}, func(*flow.Batch) {})
	return err
}

// asConflict has a setting or a native rule that is not as expected end the program like a rule of iptables
// that is not.
func asConflict(err error) error {
	if errors.As(err, new(*commit.Changed)) || errors.As(err, new(*rules.NativeConflict)) || errors.Is(err, rules.ErrMoved) {
		return missingError{err}
	}
	return err
}

// settleInterrupted does what is left to do of a change whose nattui and whose
// guard were killed. Every command that changes something begins with it; where there
// is nothing to do it costs reading the journal. settled tells that there was something, and that it has been said.
func settleInterrupted(ctx context.Context, tell io.Writer) (settled bool, err error) {
	store, err := commit.Look(commit.Directory())
	if err != nil {
		return false, err
	}
	if damage, err := store.Damage(); err == nil && damage != "" {
		say(tell, damage)
	}
	left, err := store.Unfinished()
	if err != nil || len(left) == 0 {
		return false, nil // whoever writes the journal says what is wrong with it
	}
	tables, err := iptables.Open(ctx)
	if err != nil {
		return false, err
	}
	c, err := openCommitter(tables, nil)
	if err != nil {
		return false, err
	}
	if err := c.Recover(ctx); err != nil {
		return false, err
	}
	entries, _, err := store.History()
	for i := range entries {
		e := &entries[i]
		was := slices.IndexFunc(left, func(l commit.Entry) bool { return l.ID == e.ID })
		switch {
		case was < 0:
		case e.State == commit.Unknown:
			say(tell, notKnown(e))
		case e.State != left[was].State:
			settled = true
			end := ""
			if e.Result != "" {
				end = ": " + text.Safe(e.Result)
			}
			say(tell, fmt.Sprintf("change %s was unfinished; it is %s now%s", e.ID, e.State, end))
		}
	}
	return settled, err
}

// unfinished says which changes nobody takes care of, for commands that only look:
// they change nothing, not even what would be settled by the next that changes
// something.
func unfinished() []string {
	store, err := commit.Look(commit.Directory())
	if err != nil {
		return nil
	}
	damage, err := store.Damage()
	var left []commit.Entry
	if err == nil {
		left, err = store.Unfinished()
	}
	switch {
	case err != nil && errors.Is(err, os.ErrPermission):
		return nil
	case err != nil:
		return []string{err.Error()}
	}
	var lines []string
	if damage != "" {
		lines = append(lines, damage)
	}
	for _, e := range left {
		if e.State == commit.Unknown {
			lines = append(lines, notKnown(&e))
			continue
		}
		lines = append(lines, fmt.Sprintf("change %s is unfinished; run  nattui rollback", e.ID))
	}
	return lines
}

// notKnown says that nobody but the administrator can tell what became of a change.
func notKnown(e *commit.Entry) string {
	return fmt.Sprintf("the outcome of change %s is not known: %s; check, then run  nattui confirm %s  or  nattui rollback %s", e.ID, e.Result, e.ID, e.ID)
}

// operator tells who is at it, and from where.
func operator(ctx context.Context) commit.Options {
	f, err := readFacts(ctx)
	if err != nil {
		return operatorOf(nil)
	}
	return operatorOf(&f)
}

// operatorOf is operator where the facts are known.
func operatorOf(f *facts.Facts) commit.Options {
	o := commit.Options{By: fmt.Sprintf("user %d", os.Getuid()), Leash: true}
	if u, err := user.Current(); err == nil {
		o.By = u.Username
	}
	if through := os.Getenv("SUDO_USER"); through != "" && through != o.By {
		o.By += " (sudo: " + through + ")"
	}
	if f == nil {
		return o
	}
	if o.Operators = f.Operators(); len(o.Operators) == 1 {
		o.From = o.Operators[0].String()
	}
	return o
}

// confirmation is the flag --confirm.
type confirmation struct{ text string }

func (f *confirmation) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.text, "confirm", "auto", "roll it back unless \"nattui confirm\" follows: auto, off, or a time such as 2m")
}

// check reads the flag's value.
func (f *confirmation) check() error {
	_, err := f.time(false)
	return err
}

// time is how long to wait for confirmation; 0: not at all. affected says whether
// the change may touch the operator's own connection.
func (f *confirmation) time(affected bool) (time.Duration, error) {
	switch f.text {
	case "off":
		return 0, nil
	case "auto", "":
		if affected {
			return rules.ConfirmTime, nil
		}
		return 0, nil
	}
	d, err := time.ParseDuration(f.text)
	if err != nil || d < time.Second || d > 24*time.Hour {
		return 0, usagef("--confirm %q: use auto, off, or a time from 1s to 24h, such as 90s or 5m", f.text)
	}
	return d, nil
}

// restorePrograms are the programs that restore the rules of each variant at boot.
func restorePrograms(tables *iptables.Host) map[rules.Variant]string {
	all := map[rules.Variant]string{}
	for _, variant := range tables.Variants() {
		for _, name := range []string{variant.Family.Command() + "-" + variant.Backend.String() + "-restore", tables.Program(variant) + "-restore"} {
			if path := programPath(name); path != "" {
				all[variant] = path
				break
			}
		}
	}
	return all
}

// programPath finds a program where administration tools are, also when PATH has
// no such directory; "" if there is none.
func programPath(name string) string {
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	path, _ := exec.LookPath(name)
	return path
}
