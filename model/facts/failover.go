package facts

import "net/netip"

// Failover is what is known of programs by which another gateway takes over from this one. Nil parts are not there.
type Failover struct {
	Conntrackd *Conntrackd
	Keepalived *Keepalived
}

// Conntrackd keeps the connections of this gateway and of its peer (conntrackd(8)).
type Conntrackd struct {
	Running bool
	// Answer says why it could not be asked; "" if it was. The numbers below are of its own since it started
	// (conntrackd -s), -1 where it does not tell.
	Answer string
	// Own are connections of this gateway that it sends to its peer, Peers those of its peer that it keeps.
	Own, Peers int
	// Received are packets from the peer, Lost messages of the peer that did not come, Malformed ones that could not be read.
	Received, Lost, Malformed int
	// Failed are connections that it could not keep, Errors packets that could not be sent or received.
	Failed, Errors int
}

// Keepalived gives addresses to the gateway that is active (keepalived.conf(5)).
type Keepalived struct {
	Running   bool
	Instances []VRRPInstance
	// Unread says why its configuration is not known; "" if it is.
	Unread string
}

// VRRPInstance is a group of addresses that move together.
type VRRPInstance struct {
	Name      string
	Addresses []netip.Addr
}

// Here tells how many addresses of an instance this host has.
func (i *VRRPInstance) Here(f *Facts) (here int) {
	for _, a := range i.Addresses {
		for _, b := range f.Addresses {
			if b.Prefix.Addr() == a {
				here++
				break
			}
		}
	}
	return here
}
