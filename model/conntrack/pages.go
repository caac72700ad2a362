package conntrack

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"nattui/model/flow"
)

// Pages is memory for tables of flows that the kernel gives by whole pages (mmap(2), private and anonymous). It is none of
// Go's heap: that a table grows has no garbage collected, and what is given back is the system's at once. It fails as Go's
// heap does, when the system has no more: the program ends.
type Pages struct{}

const roomSize = unsafe.Sizeof(flow.Room{})

// Take maps pages.
func (Pages) Take() *flow.Room {
	at, err := unix.MmapPtr(-1, 0, nil, roomSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		panic(fmt.Errorf("no memory for more connections: %w", err))
	}
	return (*flow.Room)(at)
}

// Give unmaps them.
func (Pages) Give(r *flow.Room) {
	if err := unix.MunmapPtr(unsafe.Pointer(r), roomSize); err != nil {
		panic(fmt.Errorf("giving back the memory of connections: %w", err))
	}
}
