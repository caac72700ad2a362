// Package doctor examines a gateway: what is wrong or risky on it now, each with its evidence and, where there
// is one, a cure that is itself a rules.Plan; and, for one forward, each step that a packet takes and where it ends.
// It also knows the kernel's switches that NAT depends on, and what they are for.
//
// The package is pure: it sees a Gateway, which holds the rules, facts and connections that were read for it. An
// Examination is a Gateway with what was counted and compiled once; checks (doctor.go) and the steps of a forward
// (steps.go) are functions over it, each in a file with its data. A trial is the gateway as it would be after a plan.
package doctor
