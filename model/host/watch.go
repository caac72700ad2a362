package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Changes are kinds of facts that have changed.
type Changes uint8

// The kinds that the kernel announces. Of settings it announces forwarding, the reverse path filter and
// proxy ARP alone (RTM_NEWNETCONF); the others, listeners and neighbours are to be read again from time to time.
const (
	LinksChanged Changes = 1 << iota
	AddressesChanged
	RoutesChanged
	PolicyRulesChanged
	SettingsChanged
)

// everythingChanged is what must be assumed when announcements were lost.
const everythingChanged = LinksChanged | AddressesChanged | RoutesChanged | PolicyRulesChanged | SettingsChanged

// Watch announces changes of links, addresses, routes, policy rules and some settings in the
// calling thread's network namespace until ctx is done, which closes the
// channel. What changes while nobody receives is gathered into one value.
// Subscribe first, then Read: nothing is missed in between. Needs no privilege.
func Watch(ctx context.Context) (<-chan Changes, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE,
		unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
		unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE, unix.RTNLGRP_IPV4_NETCONF, unix.RTNLGRP_IPV6_NETCONF)
	if err != nil {
		return nil, fmt.Errorf("watch links, addresses and routes: %w", err)
	}
	changes := make(chan Changes, 1)
	stop := context.AfterFunc(ctx, socket.Close)
	go func() {
		defer close(changes)
		defer func() {
			if stop() {
				socket.Close()
			}
		}()
		for ctx.Err() == nil {
			change, err := receive(socket)
			if err != nil {
				return
			}
			announce(changes, change)
		}
	}()
	return changes, nil
}

// announce adds to what waits in the channel, of which there is one sender.
func announce(changes chan Changes, change Changes) {
	if change == 0 {
		return
	}
	select {
	case waiting := <-changes:
		change |= waiting
	default:
	}
	changes <- change
}

func receive(socket *nl.NetlinkSocket) (Changes, error) {
	messages, _, err := socket.Receive()
	if errors.Is(err, unix.ENOBUFS) {
		return everythingChanged, nil
	}
	if err != nil {
		return 0, err
	}
	var changes Changes
	for _, message := range messages {
		switch message.Header.Type {
		case unix.RTM_NEWLINK, unix.RTM_DELLINK:
			changes |= LinksChanged
		case unix.RTM_NEWADDR, unix.RTM_DELADDR:
			changes |= AddressesChanged
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			changes |= RoutesChanged
		case unix.RTM_NEWRULE, unix.RTM_DELRULE:
			changes |= PolicyRulesChanged
		case unix.RTM_NEWNETCONF, unix.RTM_DELNETCONF:
			changes |= SettingsChanged
		}
	}
	return changes, nil
}
