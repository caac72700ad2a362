package facts

// EventListener is a netlink socket that has joined the groups in which the kernel tells of connections.
type EventListener struct {
	// Program is the name of the process that the socket belongs to, "" where that is not known.
	Program string
	// Port is the socket's netlink port: mostly the process's number for its first socket, any other number for the rest.
	Port uint32
	// Lost is how many messages the kernel could not deliver to it since it was opened.
	Lost uint64
}
