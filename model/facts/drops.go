package facts

// KernelDrops are what the kernel itself has lost since the network namespace was made, by its reasons (SNMP counters of
// RFC 4293, and IpExt and TcpExt of include/uapi/linux/snmp.h).
type KernelDrops struct {
	Known bool
	// InNoRoute and OutNoRoute found no route, as they came and as they were to leave; ReversePath did not pass the
	// reverse path filter. They are of IPv4: IPv6 counts its own multicast among them.
	InNoRoute, OutNoRoute, ReversePath uint64
}
