package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nattui/model/filter"
	"nattui/model/host"
	"nattui/model/lab"
	"nattui/rules"
	"nattui/ui/text"
)

// nameTime is how long a name is looked up.
const nameTime = 3 * time.Second

// hostName matches what may be the name of a host, and is no number or address of IPv4.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_.-]*[A-Za-z][A-Za-z0-9_.-]*$`)

// sayAddress says which address a name has now, where one stands in the place of an address: a rule holds addresses, and
// does not follow when the name is given another.
func sayAddress(c *cobra.Command, p rules.Problem, d *rules.Draft) {
	value := map[rules.Field]string{rules.FieldTo: d.To, rules.FieldDest: d.Dest, rules.FieldSource: d.Source}[p.Field]
	if told := addressNow(c.Context(), value); told != "" && !p.Warning {
		say(c.ErrOrStderr(), told)
	}
}

// addressNow says for a rule which address a name has now, with the port behind it if it has one; "" for what is no name.
func addressNow(ctx context.Context, value string) string {
	return nameNow(ctx, value, "a rule holds an address", ", which does not follow the name")
}

// nameNow is that for whatever has an address and no name.
func nameNow(ctx context.Context, value, holds, since string) string {
	name, port, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(value), "!"), ":")
	if strings.Count(value, ":") > 1 || !hostName.MatchString(name) {
		return ""
	}
	ctx, stop := context.WithTimeout(ctx, nameTime)
	defer stop()
	found, known := hostAddrs(ctx, name)
	var now []string
	for _, a := range found {
		words := a.String()
		if port != "" {
			words = net.JoinHostPort(words, port)
		}
		now = append(now, words)
	}
	switch {
	case !known:
		return text.Safe(name) + " is a name, and its address now is not known, since no name server answered; " + holds
	case len(now) == 0:
		return text.Safe(name) + " is a name, and one without an address here now; " + holds
	}
	return text.Safe(name + " is a name, and " + holds + since + ": now it is " + strings.Join(now, " or "))
}

// hostAddrs are the addresses of a name now: those of this host's leases and hosts files, else those that its resolver tells
// before ctx is done. Where nobody answers they are not known. A lab has no leases.
func hostAddrs(ctx context.Context, name string) (found []netip.Addr, known bool) {
	if os.Getenv(lab.ScenarioVariable) == "" {
		if found = (&host.Leases{}).Addrs(ctx, name); len(found) > 0 {
			return found, true
		}
	}
	told, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	for _, a := range told {
		if a = a.Unmap(); !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	var failed *net.DNSError
	return found, err == nil || errors.As(err, &failed) && failed.IsNotFound
}

// boundedNames looks up names, each once and all of them within nameTime from the first: a text may hold many, and each may
// be asked for again as it is mended.
func boundedNames(ctx context.Context) func(name string) ([]netip.Addr, bool) {
	type answer struct {
		found []netip.Addr
		known bool
	}
	told := map[string]answer{}
	var until time.Time
	return func(name string) ([]netip.Addr, bool) {
		a, asked := told[name]
		if !asked {
			if until.IsZero() {
				until = time.Now().Add(nameTime)
			}
			ctx, stop := context.WithDeadline(ctx, until)
			defer stop()
			a.found, a.known = hostAddrs(ctx, name)
			told[name] = a
		}
		return a.found, a.known
	}
}

// sayFiltered says which addresses the names have that a filter was refused for, in the place of addresses.
func sayFiltered(ctx context.Context, err error) {
	var wrong *filter.Error
	if !errors.As(err, &wrong) || !wrong.NoAddress {
		return
	}
	ctx, stop := context.WithTimeout(ctx, nameTime)
	defer stop()
	for item := range strings.SplitSeq(wrong.Word, ",") {
		if told := nameNow(ctx, item, "a filter has addresses", ""); told != "" {
			say(stderr, told)
		}
	}
}
