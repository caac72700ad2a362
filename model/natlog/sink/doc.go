// Package sink sends the records of a log of translations: to a file or pipe, to systemd's journal, to a syslog server, or as
// IPFIX to a collector of flows.
//
// A Sink is for one goroutine. Send blocks until the other end has taken the records, as far as its protocol tells; it
// tries again by itself after a pause where the other end is gone or the disk is full, and returns early only when its
// context is done.
package sink
