package main

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// TestNamesAreNotWaitedFor: what is printed waits for no resolver, and has the name once there is one; who has none is asked
// about again after a while.
func TestNamesAreNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, none := netip.MustParseAddr("192.168.0.2"), netip.MustParseAddr("192.168.0.3")
		asked := 0
		n := newAskedNames(func(ctx context.Context, a netip.Addr) string {
			if a == none {
				asked++
				return ""
			}
			time.Sleep(20 * time.Second)
			return "web"
		})
		ask := func(a netip.Addr) string {
			patient, done := context.WithTimeout(t.Context(), namesPatience)
			defer done()
			return n.of(t.Context(), a).await(patient)
		}
		begun := time.Now()
		if name := ask(slow); name != "" || time.Since(begun) != namesPatience {
			t.Errorf("%q after %v", name, time.Since(begun))
		}
		ask(none)
		ask(none)
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		time.Sleep(2 * namelessFor)
		if name := ask(slow); name != "web" {
			t.Errorf("%q", name)
		}
		if ask(none); asked != 2 {
			t.Errorf("asked %d times", asked)
		}
	})
}
