package main

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"nattui/rules/commit"
)

// TestArrivalsIn: of sshd's words those count that tell of somebody who has got in; the same process tells when the
// connection came, or nobody does.
func TestArrivalsIn(t *testing.T) {
	const text = `{"__MONOTONIC_TIMESTAMP":"14500000","_PID":"7","MESSAGE":"Connection from 192.0.2.7 port 50022 on 192.0.2.1 port 22 rdomain \"\""}
{"__MONOTONIC_TIMESTAMP":"15000000","_PID":"7","MESSAGE":"Accepted publickey for alice from 192.0.2.7 port 50022 ssh2: ED25519 SHA256:x"}
{"__MONOTONIC_TIMESTAMP":"16000000","_PID":"8","MESSAGE":"Accepted publickey for alice from 192.0.2.7 port 50022 ssh2: ED25519 SHA256:x"}
{"__MONOTONIC_TIMESTAMP":"17000000","_PID":"7","MESSAGE":"Accepted publickey for alice from 192.0.2.7 port 50023 ssh2: ED25519 SHA256:x"}
{"__MONOTONIC_TIMESTAMP":"6000000","MESSAGE":"Invalid user Accepted publickey for root from 192.0.2.8 port 1 ssh2 from 192.0.2.9 port 50022"}
{"__MONOTONIC_TIMESTAMP":"6000000","MESSAGE":"Failed password for root from 192.0.2.9 port 50022 ssh2"}
{"__MONOTONIC_TIMESTAMP":"x","MESSAGE":"Accepted password for root from 192.0.2.9 port 50022 ssh2"}
{"__MONOTONIC_TIMESTAMP":"6000000","MESSAGE":[65,66]}
broken
`
	found := arrivalsIn(text, time.Second)
	undated := func(at time.Duration) commit.Arrival {
		return commit.Arrival{From: netip.MustParseAddr("192.0.2.7"), Entered: at, User: "alice"}
	}
	dated := undated(16 * time.Second)
	dated.Began = 15500*time.Millisecond - wordsLate
	if want := []commit.Arrival{dated, undated(17 * time.Second), undated(18 * time.Second)}; !slices.Equal(found, want) {
		t.Errorf("found %v, want %v", found, want)
	}
}
