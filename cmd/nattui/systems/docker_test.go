package systems

import (
	"strings"
	"testing"
)

// container runs a server of one program in Docker and publishes it.
func (s *system) container() {
	s.Helper()
	s.run("sh", "-c", "mkdir -p /tmp/image/bin /tmp/image/www && cp /bin/busybox /tmp/image/bin/ && echo container > /tmp/image/www/index.html && tar -C /tmp/image -c . | docker import - web")
	s.run("docker", "run", "-d", "--restart=always", "--stop-signal=KILL", "--name", "web", "-p", "8888:80", "web", "/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www")
}

// TestDocker: nothing that Docker makes is saved, whatever its form; the administrator's rules, also those in DOCKER-USER,
// are there once after Docker or the host is started again, and forwarding is as it was.
func TestDocker(t *testing.T) {
	s := boot(t, nil, nil)
	s.run("sysctl", "-qw", "net.ipv4.ip_forward=1") // it leaves FORWARD open where this was on as it started
	s.run("systemctl", "enable", "-q", "--now", "containerd", "docker")
	s.container()
	s.eventually("Docker publishes", func() bool { return strings.Contains(s.rules("nat"), "--dport 8888") })
	s.saved("0")
	const ban = "-A DOCKER-USER -s 198.51.100.0/24 -j DROP"
	s.run("sh", "-c", "iptables -w 5 -I"+strings.TrimPrefix(ban, "-A"))
	s.enter("nat", forward)
	s.enter("nat", share)
	s.saved("3")
	s.run("nattui", "save", "--yes")
	before := s.rules("filter")
	s.serve("lan", lanHost+":80")
	for _, again := range []func(){func() { s.run("systemctl", "restart", "docker") }, s.reboot} {
		again()
		s.eventually("Docker publishes", func() bool { return strings.Contains(s.rules("nat"), "--dport 8888") })
		s.once("nat", forward, share, "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER")
		s.once("filter", ban, "-A FORWARD -j DOCKER-USER")
		s.saved("3")
		s.forwards("")
	}
	if policy := "-P FORWARD ACCEPT"; strings.Contains(before, policy) != strings.Contains(s.rules("filter"), policy) {
		t.Errorf("the policy is another after the boot:\n%s\nwas\n%s", s.rules("filter"), before)
	}
}

// TestDockerClosedForward: Docker that has switched forwarding on itself has closed FORWARD. Saved rules need forwarding,
// so it is on before Docker starts the next time; FORWARD is closed all the same.
func TestDockerClosedForward(t *testing.T) {
	s := boot(t, nil, nil)
	s.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
	s.run("systemctl", "enable", "-q", "--now", "containerd", "docker")
	s.eventually("Docker has closed FORWARD", func() bool { return strings.Contains(s.rules("filter"), "-P FORWARD DROP") })
	s.enter("nat", forward)
	s.enter("nat", share)
	s.run("nattui", "save", "--yes")
	before := s.rules("filter")
	s.reboot()
	s.eventually("Docker is there", func() bool { return strings.Contains(s.rules("nat"), "-j DOCKER") })
	if got := strings.TrimSpace(s.run("sysctl", "-n", "net.ipv4.ip_forward")); got != "1" {
		t.Errorf("forwarding is %s after the boot", got)
	}
	if got := s.rules("filter"); got != before {
		t.Errorf("after the boot:\n%s\nbefore it:\n%s", got, before)
	}
}
