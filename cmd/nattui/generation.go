package main

import (
	"sync"

	"nattui/rules/nfnetlink"
)

// generations asks nf_tables for the generation of its rules, which every change of them raises. Its methods may be called from
// several goroutines, also after Close; the zero value is closed.
type generations struct {
	mu     sync.Mutex // held while the socket is used
	socket *nfnetlink.Socket
}

// openGenerations opens the socket for the question, which needs no privilege.
func openGenerations() (*generations, error) {
	s, err := nfnetlink.Dial()
	return &generations{socket: s}, err
}

// now is the generation of this moment; 0 where the kernel has no nf_tables or does not answer.
func (g *generations) now() uint32 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.socket == nil {
		return 0
	}
	id, err := g.socket.Generation()
	if err != nil {
		return 0
	}
	return id
}

func (g *generations) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.socket != nil {
		g.socket.Close()
		g.socket = nil
	}
}
