package main

import (
	"net/netip"
	"testing"
	"time"

	"nattui/rules/commit"
)

// TestArrivalsIn: of sshd's words those count that tell of somebody who has got in.
func TestArrivalsIn(t *testing.T) {
	const text = `{"__MONOTONIC_TIMESTAMP":"5000000","MESSAGE":"Accepted publickey for alice from 192.0.2.7 port 50022 ssh2: ED25519 SHA256:x"}
{"__MONOTONIC_TIMESTAMP":"6000000","MESSAGE":"Invalid user Accepted publickey for root from 192.0.2.8 port 1 ssh2 from 192.0.2.9 port 50022"}
{"__MONOTONIC_TIMESTAMP":"6000000","MESSAGE":"Failed password for root from 192.0.2.9 port 50022 ssh2"}
{"__MONOTONIC_TIMESTAMP":"x","MESSAGE":"Accepted password for root from 192.0.2.9 port 50022 ssh2"}
{"__MONOTONIC_TIMESTAMP":"6000000","MESSAGE":[65,66]}
broken
`
	found := arrivalsIn(text, time.Second)
	want := commit.Arrival{From: netip.MustParseAddr("192.0.2.7"), Began: 6 * time.Second, User: "alice"}
	if len(found) != 1 || found[0] != want {
		t.Errorf("found %v, want %v", found, want)
	}
}
