package main

import (
	"testing"

	"nattui/model/facts"
	"nattui/model/host"
	"nattui/model/lab"
)

// TestFollowFacts changes settings that the kernel announces and others that it does not, and waits
// until they are told.
func TestFollowFacts(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	anew := make(chan struct{}, 1)
	told := followFacts(t.Context(), anew, func(*facts.Facts) {})
	<-told
	for _, c := range []struct {
		name, value string
		seen        func(*facts.Settings) bool
	}{
		{"net.ipv4.ip_forward", "1", func(s *facts.Settings) bool { return s.Forwarding4 == facts.SettingOn }},
		{"net.ipv4.conf.lo.route_localnet", "1", func(s *facts.Settings) bool { return s.On("lo").RouteLocalnet == facts.SettingOn }},
		{"net.ipv4.ip_forward", "0", func(s *facts.Settings) bool { return s.Forwarding4 == facts.SettingOff }},
	} {
		if _, err := host.WriteSysctl(c.name, c.value); err != nil {
			t.Fatal(err)
		}
		for f := range told {
			if c.seen(&f.Settings) {
				break
			}
		}
	}
	anew <- struct{}{}
	if <-told == nil {
		t.Error("nothing is told on request")
	}
}
