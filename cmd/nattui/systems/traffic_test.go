package systems

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// serve answers every connection to an address with who asks.
func serve(address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening")
	for {
		c, err := l.Accept()
		if err != nil {
			os.Exit(1)
		}
		host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		_, _ = fmt.Fprintln(c, "hello "+host)
		_ = c.Close()
	}
}

// dial prints what an address answers.
func dial(address string) {
	c, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err == nil {
		_ = c.SetDeadline(time.Now().Add(2 * time.Second))
		_, err = io.Copy(os.Stdout, c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// self runs this program in one of the system's networks: "" is outside, "lan" inside.
func (s *system) self(network, role, address string) *exec.Cmd {
	cmd := exec.Command("nsenter", "--net=/run/netns/"+s.name+network, "/proc/self/exe", address)
	self, err := os.Executable()
	if err != nil {
		s.Fatal(err)
	}
	cmd.Args[2] = self
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return cmd
}

// serve has a server listen in a network until the test ends, also across reboots of the gateway.
func (s *system) serve(network, address string) {
	s.Helper()
	cmd := s.self(network, roleServe, address)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "listening\n" {
		s.Fatalf("no server at %s", address)
	}
}

// ask is what a connection from a network gets as an answer; "" where there is none.
func (s *system) ask(network, address string) string {
	s.Helper()
	out, _ := s.self(network, roleDial, address).Output()
	return strings.TrimSpace(string(out))
}

// forwards waits for an answer from outside through the forward: the first packets of a connection may be lost while
// neighbours look for each other, and longer than one attempt lasts on a busy machine.
func (s *system) forwards(when string) {
	s.Helper()
	s.eventually("the forward answers "+when, func() bool { return s.ask("", wanGateway+":8080") == "hello "+wanHost })
}

// outsideCommand is a program of the system's that is run outside of it, on the network of the uplink.
func (s *system) outsideCommand(argv ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{"--net=/run/netns/" + s.name, "chroot", s.root()}, argv...)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/root", "TERM=xterm"}
	return cmd
}

// login logs in over SSH from outside and runs a program on a terminal there.
func (s *system) login(program string) *exec.Cmd {
	s.Helper()
	cmd := s.outsideCommand("ssh", "-tt", "-o", "StrictHostKeyChecking=no", "root@"+wanGateway, "TERM=xterm "+program)
	in, err := cmd.StdinPipe() // kept open: a terminal does not end by itself
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
	})
	return cmd
}
