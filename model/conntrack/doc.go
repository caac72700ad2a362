// Package conntrack connects the flow table with the kernel's connection
// tracking, over netlink (ctnetlink).
//
// A Table holds three sockets, because a socket that has joined a multicast group
// cannot ask questions. On the first one the kernel sends its events, one datagram
// each; Follow reads them by the hundred and hands them on in frames. The second reads
// the whole table (a dump), which the kernel answers at once within the call that
// reads, 170 flows at a time. The third asks about single flows. Follow subscribes first and
// dumps then, so that nothing falls between; one goroutine reads both in turns, so that
// neither a long dump loses events nor a flood holds up the dump.
//
// The two hot paths, dump and events, are decoded here from the raw messages
// without allocating. Everything that is asked one at a time (details, forget,
// statistics, expectations) goes through github.com/ti-mo/conntrack, which is also
// the oracle that the tests hold the decoder against.
//
// When the kernel has more to say than the receive buffer takes, it drops events
// and says so (ENOBUFS). Then the dropped ones are counted, the table is dumped anew and
// reconciled; nothing stops.
//
// Everything needs CAP_NET_ADMIN in the user namespace that owns the network
// namespace, and a kernel with nf_conntrack_netlink. A Table belongs to the network
// namespace of the thread that called Open.
package conntrack
