package frontend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"nattui/rules"
)

// programs are those that orders may be given to, by their owners.
var programs = map[string]string{"firewalld": "firewall-cmd", "ufw": "ufw"}

// Programs give orders to firewalld and ufw by their own programs, which needs root.
type Programs struct{}

// Has asks whether what is ordered is there.
func (Programs) Has(ctx context.Context, o rules.Order) (bool, error) {
	out, err := run(ctx, o.By, o.Query)
	var exit *exec.ExitError
	switch {
	case o.Line != "" && err == nil:
		return slices.Contains(strings.Split(out, "\n"), o.Line), nil
	case o.Line == "" && errors.As(err, &exit) && exit.ExitCode() == 1 && strings.TrimSpace(out) == "no":
		return false, nil
	}
	return err == nil, err
}

// Give has the program do what is ordered.
func (Programs) Give(ctx context.Context, o rules.Order) error {
	_, err := run(ctx, o.By, o.Command())
	return err
}

func run(ctx context.Context, by string, argv []string) (string, error) {
	if len(argv) == 0 || argv[0] != programs[by] {
		return "", fmt.Errorf("%q is no command of %s", argv, by)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8") // both are written in Python, and print what they read
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", rules.ShellLine(argv), err, strings.TrimSpace(string(out)))
	}
	return string(out), err
}
