package ui

import (
	"strings"
	"testing"
	"testing/synctest"
)

// The commands told beside NAT work as they stand, whatever has been answered so far: each with the port of the service.
func TestAlternativesAreCommandsThatWork(t *testing.T) {
	for _, c := range []struct {
		port, to string
		want     []string
	}{
		{"", "", []string{"nattui forward :80 SERVER:80", "ssh -L 8080:SERVER:80", "ssh -R 8080:localhost:80"}},
		{"443", "192.168.0.3", []string{"nattui forward :443 192.168.0.3:443", "ssh -L 8080:192.168.0.3:443", "ssh -R 8080:localhost:443"}},
		{"443", "192.168.0.3:8443", []string{"nattui forward :443 192.168.0.3:8443", "ssh -L 8080:192.168.0.3:8443", "ssh -R 8080:localhost:8443"}},
		{"443", "192.168.0.3:", []string{"nattui forward :443 192.168.0.3:443", "ssh -R 8080:localhost:443"}},
		{"8000-8010", "192.168.0.3", []string{"nattui forward :8000 192.168.0.3:8000", "ssh -R 8080:localhost:8000"}},
		{"99999", "web", []string{"nattui forward :80 SERVER:80"}},
		{"443", "2001:db8:2::2", []string{"nattui forward :443 [2001:db8:2::2]:443", "ssh -L 8080:[2001:db8:2::2]:443"}},
		{"443", "[2001:db8:2::2]:8443", []string{"ssh -L 8080:[2001:db8:2::2]:8443", "ssh -R 8080:localhost:8443"}},
	} {
		port := onePort(c.port, "80")
		server, there := serverAt(c.to, port)
		told := strings.Join(alternatives(port, server, there), "\n")
		for _, want := range c.want {
			if !strings.Contains(told, want+" ") {
				t.Errorf("port %q, server %q: %q is not told:\n%s", c.port, c.to, want, told)
			}
		}
	}
}

// The screen tells them with what is in its fields.
func TestGuideTellsAlternativesOfItsAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 120, 80, bareRules)
		s.press("down", "enter", "tab", "tab")
		s.write("443")
		s.press("tab")
		s.write("192.168.0.3")
		s.sees("nattui forward :443 192.168.0.3:443 ")
		s.sees("ssh -L 8080:192.168.0.3:443 GATEWAY")
		s.sees("ssh -R 8080:localhost:443 GATEWAY")
	})
}
