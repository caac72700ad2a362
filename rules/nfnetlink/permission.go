package nfnetlink

import (
	"errors"
	"fmt"
	"os"
)

// ErrPermission is wrapped by every error that means: this process lacks CAP_NET_ADMIN (or, for the tables of
// iptables-legacy, CAP_NET_RAW).
var ErrPermission = errors.New("not permitted")

// Permission wraps ErrPermission, and says what was tried and what would work.
func Permission(what string) error {
	if os.Geteuid() == 0 {
		return fmt.Errorf("%s: %w: it needs the capabilities CAP_NET_ADMIN and CAP_NET_RAW, which root has not got here; in a container they have to be given", what, ErrPermission)
	}
	return fmt.Errorf("%s: %w: it needs the capabilities CAP_NET_ADMIN and CAP_NET_RAW; run it as root, for example: sudo nattui", what, ErrPermission)
}
