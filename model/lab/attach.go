package lab

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/vishvananda/netns"
)

// Attach is the network of the lab that the calling process lives in: the same machines, which
// somebody else has built. Closing it lets go of them and removes nothing. The error says that this
// process is in no lab. It needs CAP_SYS_ADMIN, as everything in a lab has.
func Attach() (*Network, error) {
	if os.Getenv(ScenarioVariable) == "" {
		return nil, errNoLab
	}
	n := &Network{}
	for _, m := range n.machines() {
		node := &Node{Name: m.name, attached: true}
		ns, err := netns.GetFromPath("/run/netns/" + m.name)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%w: %s: %w", errNoLab, m.name, err), n.Close())
		}
		node.ns, *m.node = ns, node
	}
	n.know()
	return n, nil
}

var errNoLab = errors.New("this is no lab")

// wiredMachine is a machine by its name, and where the network keeps it.
type wiredMachine struct {
	name string
	node **Node
}

// machines are those that somebody may speak from, in the order of a packet's way.
func (n *Network) machines() []wiredMachine {
	return []wiredMachine{{"client", &n.Client}, {"gateway", &n.Gateway}, {"server2", &n.Server2}, {"server3", &n.Server3}}
}

// Machines are the names of the lab's machines.
func Machines() (names []string) {
	for _, m := range new(Network).machines() {
		names = append(names, m.name)
	}
	return names
}

// named is the machine of a name; the error says which there are.
func (n *Network) named(name string) (*Node, error) {
	for _, m := range n.machines() {
		if m.name == name {
			return *m.node, nil
		}
	}
	return nil, fmt.Errorf("no host %q in the lab: there are %s", name, strings.Join(Machines(), ", "))
}
