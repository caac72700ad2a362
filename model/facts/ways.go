package facts

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"nattui/rules"
)

// WayKind is what kind of way in a Way is.
type WayKind uint8

// The kinds of ways by which somebody administers a gateway, or something behind it.
const (
	WaySSH     WayKind = iota // a connection to an SSH server of this host
	WayMosh                   // a mosh server of this host, which belongs to one login
	WayVPN                    // a VPN server of this host: logins may come by it
	WayThrough                // a connection through this gateway to an SSH server behind it
	WayLogin                  // a login that is recorded and whose connection was not found
	WayPath                   // a connection through this gateway of a host that somebody is logged in from
	WayRelay                  // a connection of a program of this host through which a login from this host itself came
	WayShell                  // a connection of another server that this process descends from, as of ttyd or telnetd
	WayTunnel                 // a connection of a VPN server or a tunnel of this host, which either end may have begun
)

var wayNames = [...]string{"ssh", "mosh", "vpn", "through", "login", "path", "relay", "shell", "tunnel"}

// String is the kind's name in JSON.
func (k WayKind) String() string { return wayNames[k] }

// MarshalText is the kind's name.
func (k WayKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (k *WayKind) UnmarshalText(text []byte) error {
	return parseName(k, wayNames[:], text, "way in")
}

// Way is a way by which somebody is here now, or could come: what a change may cut off.
type Way struct {
	Kind  WayKind
	Proto rules.Protocol
	// Client and Server are the ends as this host sees them. A server that waits for
	// whoever comes has no Client, and its Server may be the unspecified address.
	Client, Server netip.AddrPort
	// Program serves it, where that may be known.
	Program string `json:",omitempty"`
	// User has logged in by it; "" nobody yet, or not known.
	User string `json:",omitempty"`
	// Began is when its process was started, as the time since the host was
	// (CLOCK_BOOTTIME); 0 not known.
	Began time.Duration `json:",omitempty"`
	// Own is set where this process descends from it.
	Own bool `json:",omitempty"`
	// Ended is set of a login that is over and has left something behind that runs on, as this process may be:
	// whoever came by it will come again.
	Ended bool `json:",omitempty"`
	// Outward is set where this host began the connection: whoever comes again is dialled again.
	Outward bool `json:",omitempty"`
}

// String is the way in words: "SSH login of alice from 198.51.100.7".
func (w Way) String() string {
	of := ""
	if w.User != "" {
		of = " of " + w.User
	}
	switch w.Kind {
	case WaySSH:
		if w.User == "" {
			return "SSH connection from " + w.Client.Addr().String()
		}
		return "SSH login" + of + " from " + w.Client.Addr().String()
	case WayMosh:
		return "mosh session" + of + " on UDP port " + strconv.Itoa(int(w.Server.Port()))
	case WayVPN:
		if !w.Proto.HasPorts() {
			return fmt.Sprintf("tunnel %s (%s)", w.Program, w.Proto)
		}
		return fmt.Sprintf("VPN server %s on %s port %d", w.Program, strings.ToUpper(w.Proto.String()), w.Server.Port())
	case WayThrough:
		return fmt.Sprintf("SSH connection through this gateway from %v to %v", w.Client.Addr(), w.Server)
	case WayPath:
		return fmt.Sprintf("%s connection through this gateway from %v to %v, by which a login may come", strings.ToUpper(w.Proto.String()), w.Client.Addr(), w.Server)
	case WayRelay:
		return fmt.Sprintf("connection between %v and %v of %s, which a login comes through", w.Client, w.Server, w.Program)
	case WayTunnel:
		return fmt.Sprintf("connection between %v and %v of %s, by which a login may come", w.Client, w.Server, w.Program)
	case WayShell:
		if w.Outward {
			return fmt.Sprintf("connection of %s to %v, by which somebody works here", w.Program, w.Client)
		}
		return fmt.Sprintf("connection of %s from %v", w.Program, w.Client.Addr())
	}
	if w.Ended {
		return "ended login" + of + " from " + w.Client.Addr().String()
	}
	return "login" + of + " from " + w.Client.Addr().String()
}

// Login tells whether somebody has logged in by it, or may have: of connections to SSH servers whose processes are
// seen it is known that nobody has yet.
func (w Way) Login() bool {
	switch w.Kind {
	case WaySSH:
		return w.User != "" || w.Own || w.Program == ""
	case WayLogin:
		return true
	case WayMosh, WayShell:
		return w.Client.IsValid()
	}
	return false
}

// Seat is how it is known who sits at this process.
type Seat uint8

// The seats. Whoever sits in a terminal that outlives logins may have come by any of
// them.
const (
	SeatUnknown Seat = iota // nothing tells
	SeatSSH                 // this process descends from an SSH server's, or another one's (WayShell)
	SeatConsole             // it descends from a login at the console
	SeatShared              // a tmux or screen server is among those it descends from
)

var seatNames = [...]string{"unknown", "ssh", "console", "shared"}

// String is the seat's name in JSON.
func (s Seat) String() string { return seatNames[s] }

// MarshalText is the seat's name.
func (s Seat) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Seat) UnmarshalText(text []byte) error { return parseName(s, seatNames[:], text, "seat") }

// Operators are the addresses from which whoever sits here may have come: that of
// the login this process descends from, or of every login that is alive where that
// does not tell, and of one that has ended and left this process behind; none at the console.
func (f *Facts) Operators() []netip.Addr {
	var all []netip.Addr
	for _, w := range f.Ways {
		if !w.Login() || f.Seat == SeatConsole || f.Seat == SeatSSH && !w.Own {
			continue
		}
		if addr := w.Client.Addr(); !slices.Contains(all, addr) {
			all = append(all, addr)
		}
	}
	if s := f.Session; s != nil && f.Seat != SeatConsole && (len(all) == 0 || s.Live == SettingOff) && !slices.Contains(all, s.Client.Addr()) {
		all = append(all, s.Client.Addr())
	}
	return all
}
