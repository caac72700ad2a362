// Package explain tells which rule made a connection, from the rules and the host as they are now, and
// what a change of rules would do to the connections that are there.
//
// Explanations are inferred: conntrack keeps no rule. Each says how sure it is (Confidence). Connections whose
// first packets nothing tells apart are explained once for them all (classes).
//
// The package is pure.
package explain
