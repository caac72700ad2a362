// Package flow holds the connections that a gateway tracks, as values: one Flow of fixed size for each, the
// table of them all, the stream of events, and what is asked of both by screens and commands (sorted windows,
// groups, stories).
//
// A Batch of what the kernel told comes from package conntrack; the table applies it. Reading never holds the
// table up for long, so that a million connections can be sorted while others come and go.
//
// The package is pure: the time is handed to it, in nanoseconds since 1970.
package flow
