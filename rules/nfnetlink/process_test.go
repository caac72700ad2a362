package nfnetlink

import "testing"

// TestProcessNames: the kernel's names of programs are at most 15 bytes long; what may have been cut does not look whole.
func TestProcessNames(t *testing.T) {
	for comm, want := range map[string]string{
		"nft":             "nft (process 7)",
		"iptables-nft-re": "iptables-nft-restore (process 7)",
		"ip6tables-resto": "ip6tables-restore (process 7)",
		"iptables-legacy": "iptables-legacy… (process 7)",
		"systemd-network": "systemd-network… (process 7)",
		"":                "process 7",
	} {
		if got := (Process{7, comm}).String(); got != want {
			t.Errorf("%q: %s, want %s", comm, got, want)
		}
	}
}
