// Package facts holds what is known of the gateway apart from its rules and connections, as values: links,
// addresses, neighbours, routes, kernel settings, listeners, the programs that manage it, and the health of connection
// tracking. It answers where a packet would be routed, and why not, and hands the gateway to the evaluator
// (evaluate.Host) and to the recipes (guide.Host).
//
// What could not be read is absent or unknown, never assumed. Package host reads the facts of the running system; a
// recorded gateway carries them as JSON.
//
// The package is pure.
package facts
