package host

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"nattui/model/facts"
	"nattui/rules/textfile"
)

// Where the configurations are; beneath root, which is "" for this host.
const (
	conntrackdConfig = "/etc/conntrackd/conntrackd.conf"
	keepalivedConfig = "/etc/keepalived/keepalived.conf"
)

// conntrackdPatience is how long conntrackd may take to answer.
const conntrackdPatience = 3 * time.Second

// Failover looks for conntrackd and keepalived, and asks what runs of them. It runs the program conntrackd to ask the
// one that runs already, and reads files; nil where there is neither.
func Failover(ctx context.Context, root string) *facts.Failover {
	var f facts.Failover
	running := runningPrograms("conntrackd", "keepalived")
	// As Debian installs it, it counts, and speaks to nobody.
	config, err := textfile.Read(filepath.Join(root, conntrackdConfig))
	if synchronizes(string(config)) || err != nil && running["conntrackd"] {
		f.Conntrackd = &facts.Conntrackd{Running: running["conntrackd"]}
		if f.Conntrackd.Running {
			askConntrackd(ctx, f.Conntrackd)
		}
	}
	text, err := textfile.Read(filepath.Join(root, keepalivedConfig))
	if err == nil || running["keepalived"] {
		f.Keepalived = &facts.Keepalived{Running: running["keepalived"], Instances: vrrpInstances(string(text))}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.Keepalived.Unread = err.Error()
		} else if err != nil {
			f.Keepalived.Unread = "there is no " + keepalivedConfig
		}
	}
	if f.Conntrackd == nil && f.Keepalived == nil {
		return nil
	}
	return &f
}

// synchronizes tells whether a configuration of conntrackd names a peer.
func synchronizes(config string) bool {
	for line := range strings.Lines(config) {
		if words := strings.Fields(strings.ReplaceAll(line, "{", " { ")); len(words) > 0 && words[0] == "Sync" {
			return true
		}
	}
	return false
}

// runningPrograms tells which of some programs run.
func runningPrograms(names ...string) map[string]bool {
	found := map[string]bool{}
	paths, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, path := range paths {
		name, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for _, wanted := range names {
			if strings.TrimSpace(string(name)) == wanted {
				found[wanted] = true
			}
		}
	}
	return found
}

func askConntrackd(ctx context.Context, c *facts.Conntrackd) {
	ctx, cancel := context.WithTimeout(ctx, conntrackdPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "conntrackd", "-s")
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	text, err := cmd.CombinedOutput()
	if err != nil {
		words, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		c.Answer = strings.TrimSpace(err.Error() + ": " + words)
		return
	}
	readConntrackd(string(text), c)
}

// readConntrackd reads what conntrackd -s prints: sections of lines, with numbers before or after what they count
// (cache.c, network.c, udp.c and others in conntrack-tools' src).
func readConntrackd(text string, c *facts.Conntrackd) {
	c.Own, c.Peers, c.Received, c.Lost, c.Malformed, c.Failed, c.Errors = -1, -1, -1, -1, -1, 0, 0
	section := ""
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
			continue
		case words[0] == "cache":
			section = line
		case strings.HasPrefix(line, "current active connections:"):
			n := numberOf(words[len(words)-1])
			if strings.Contains(section, "internal") {
				c.Own = n
			} else {
				c.Peers = n
			}
		case strings.HasPrefix(line, "connections ") && len(words) >= 5:
			c.Failed += max(0, numberOf(words[len(words)-1]))
		case strings.Contains(line, "Pckts recv"):
			c.Received = max(c.Received, 0) + max(0, numberOf(words[len(words)-3]))
		case strings.Contains(line, "Error send"):
			c.Errors += max(0, numberOf(words[0])) + max(0, numberOf(words[3]))
		case strings.Contains(line, "Malformed msgs"):
			c.Malformed, c.Lost = numberOf(words[0]), numberOf(words[3])
		}
	}
}

func numberOf(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		return -1
	}
	return n
}

// vrrpInstances are the instances of a configuration with their addresses, as far as it says them itself.
func vrrpInstances(text string) (list []facts.VRRPInstance) {
	var blocks []string // the words that the open blocks begin with
	for line := range strings.Lines(text) {
		if at := strings.IndexAny(line, "#!"); at >= 0 {
			line = line[:at]
		}
		line = strings.NewReplacer("{", " { ", "}", " } ").Replace(line)
		words := strings.Fields(line)
		for i := 0; i < len(words); i++ {
			switch words[i] {
			case "{":
				name := strings.Join(words[:i], " ")
				blocks, words, i = append(blocks, name), words[i+1:], -1
				if instance, ok := strings.CutPrefix(name, "vrrp_instance "); ok {
					list = append(list, facts.VRRPInstance{Name: instance})
				}
			case "}":
				list = withAddress(list, blocks, words[:i])
				if len(blocks) > 0 {
					blocks = blocks[:len(blocks)-1]
				}
				words, i = words[i+1:], -1
			}
		}
		list = withAddress(list, blocks, words)
	}
	return list
}

// withAddress adds the address that a line of a block says, if that is a block of addresses.
func withAddress(list []facts.VRRPInstance, blocks, words []string) []facts.VRRPInstance {
	if len(words) == 0 || len(blocks) == 0 || len(list) == 0 || !strings.HasPrefix(blocks[len(blocks)-1], "virtual_ipaddress") {
		return list
	}
	address, _, _ := strings.Cut(words[0], "/")
	if a, err := netip.ParseAddr(address); err == nil {
		last := &list[len(list)-1]
		last.Addresses = append(last.Addresses, a)
	}
	return list
}
