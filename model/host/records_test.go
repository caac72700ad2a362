package host

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// utmpRecord is a record of a login as sshd writes it on x86-64.
func utmpRecord(user, from string, at time.Time) []byte {
	text := make([]byte, 384)
	binary.NativeEndian.PutUint16(text, 7)
	binary.NativeEndian.PutUint32(text[4:], 4711)
	copy(text[44:], user)
	copy(text[76:], from)
	binary.NativeEndian.PutUint32(text[340:], uint32(at.Unix()))
	binary.NativeEndian.PutUint32(text[344:], uint32(at.Nanosecond()/1000))
	return text
}

// TestPastLogins: what counts was recorded after the moment that is asked about, and not in the future.
func TestPastLogins(t *testing.T) {
	now, boot := time.Unix(1_800_000_000, 0), 1000*time.Second
	var text []byte
	text = append(text, utmpRecord("early", "192.0.2.1", now.Add(-100*time.Second))...)
	text = append(text, utmpRecord("alice", "192.0.2.2", now.Add(-10*time.Second))...)
	text = append(text, utmpRecord("later", "192.0.2.3", now.Add(10*time.Second))...)
	text = append(text, utmpRecord("console", "", now.Add(-5*time.Second))...)
	text = append(text, utmpRecord("mosh", "192.0.2.4 via mosh [77]", now.Add(-5*time.Second))...)
	found := loginsSince(parseRecords(text), 950*time.Second, boot, now)
	want := Login{Client: netip.MustParseAddrPort("192.0.2.2:0"), Entered: 990 * time.Second, User: "alice"}
	if len(found) != 1 || found[0] != want {
		t.Errorf("found %v, want %v", found, want)
	}
}

// TestParseSession reads what logind keeps of sessions.
func TestParseSession(t *testing.T) {
	const remote = "# This is private data. Do not parse.\nUID=0\nUSER=alice\nACTIVE=1\nSTATE=closing\nREMOTE=1\nREMOTE_HOST=2001:db8::7\nSERVICE=sshd\nLEADER=812\n"
	one, ok := parseSession(remote)
	if !ok || one.user != "alice" || one.pid != 812 || one.from != netip.MustParseAddr("2001:db8::7") {
		t.Errorf("found %+v, %v", one, ok)
	}
	for _, text := range []string{"", "USER=alice\nREMOTE=0\nLEADER=1\n", "REMOTE=1\nREMOTE_HOST=somewhere.example\n"} {
		if one, ok := parseSession(text); ok {
			t.Errorf("%q is %+v", text, one)
		}
	}
}
