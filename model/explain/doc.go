// Package explain tells which rule made a connection, from the rules and the host as they are now, and
// what a change of rules would do to existing connections.
//
// Explanations are inferred: conntrack keeps no rule. Each says how certain it is (Confidence). Connections whose
// first packets nothing tells apart are explained once for them all (classes).
//
// The package is pure.
package explain
