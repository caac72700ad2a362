// Package natlog is the log of translations: a record for each that begins and ends, with the rule that made it, and for
// what could not be logged, where it is missing.
//
// A Tracker makes records of what the kernel tells (flow.Batch), a Queue holds them while whoever takes them is busy, and
// drops and counts what it has no room for. Records are written as JSON, as syslog messages of RFC 5424, and as NAT
// events of IPFIX (RFC 7011, RFC 8158); Search finds in logs of JSON who had an address at a time. Package sink beneath
// this one sends them.
//
// The package is pure: times are handed to it, in nanoseconds since 1970.
package natlog
