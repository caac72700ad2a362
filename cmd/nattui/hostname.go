package main

import (
	"context"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

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
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	var now []string
	for _, a := range found {
		words := a.Unmap().String()
		if port != "" {
			words = net.JoinHostPort(words, port)
		}
		now = append(now, words)
	}
	if err != nil || len(now) == 0 {
		return text.Safe(name) + " is a name, and one without an address here now; " + holds
	}
	return text.Safe(name + " is a name, and " + holds + since + ": now it is " + strings.Join(now, " or "))
}
