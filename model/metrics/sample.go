package metrics

import (
	"time"

	"nattui/model/doctor"
	"nattui/model/facts"
)

// Limits bound how many series of a kind there may be.
type Limits struct {
	// Rules is how many rules have series of their own, the administrator's before those of programs.
	Rules int
	// Clients and Destinations are how many of those with the most connections are told; destinations for each
	// translated address and protocol.
	Clients, Destinations int
	// Addresses is how many pairs of translated address and protocol are told, those with the most connections.
	Addresses int
}

// DefaultLimits keep a gateway of any size below some ten thousand series.
var DefaultLimits = Limits{Rules: 1000, Clients: 10, Destinations: 10, Addresses: 32}

// Sample is what is known of a gateway at one moment. What is nil is not known, and has no series.
type Sample struct {
	Limits Limits
	// Version is that of nattui, GoVersion that of the Go it was built with.
	Version, GoVersion string
	// Rules are those of RulesOf.
	Rules  []Rule
	Census *Census
	Health *facts.Health
	// Listeners are the sockets to which the kernel tells of connections.
	Listeners []facts.EventListener
	Doctor    *Examination
	Journal   *Journal
	// Parts are what the sample was put together from.
	Parts []Part
}

// Examination is what the doctor has found, and when.
type Examination struct {
	At       time.Time
	Findings []doctor.Finding
}

// Journal is what is known of changes. Pending is how many of them wait to be confirmed, Deadline when the first of
// them is rolled back; zero: never.
type Journal struct {
	Pending  int
	Deadline time.Time
}

// Part is how the reading of a part of the sample went: rules, connections, health, doctor, journal.
type Part struct {
	Name string
	Took time.Duration
	Err  error
}
