// Package metrics exports what a gateway's NAT does to Prometheus: packets and bytes by rule, connections by protocol,
// translation, state and rule, source ports in use, the fullness of the connection table, what the doctor has found.
//
// A Sample is what is known at one moment, as values; Gatherer makes metrics of it with
// github.com/prometheus/client_golang, named as Prometheus' conventions have it. A Census counts the connections of a
// table in one pass while the kernel tells them, without keeping them. How many series there may be is bounded by Limits;
// what is left out is counted (nattui_series_omitted).
//
// The package reaches neither kernel nor network: whoever calls it reads, and serves.
package metrics
