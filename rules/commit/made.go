package commit

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"nattui/rules"
	"nattui/rules/paste"
	"nattui/rules/textfile"
)

// madeElsewhere reads the rules that other programs restore from files of their own: ufw's (ufw-framework(8)), the
// PostUp lines of wg-quick(8), the up lines of interfaces(5), and scripts that run as links come up. What cannot be read or understood there is left out;
// unknown says that one of them does not tell.
func (c *Committer) madeElsewhere(backend rules.Backend) (all map[rules.Variant]rules.Made, unknown error) {
	m := made{backend: backend, all: map[rules.Variant]rules.Made{}}
	for _, family := range rules.Families {
		m.all[rules.Variant{Family: family, Backend: backend}] = rules.Made{}
	}
	if configured(c.hostFile("/etc/ufw/ufw.conf"), "ENABLED") == "yes" {
		m.ufw(c.hostFile)
	}
	direct, unknown := c.direct()
	m.firewalld(direct)
	for _, path := range c.glob("/etc/wireguard/*.conf") {
		link := strings.TrimSuffix(filepath.Base(path), ".conf")
		for _, line := range wgLines.FindAllStringSubmatch(c.hostFile(path), -1) {
			m.shell(strings.ReplaceAll(line[1], "%i", link), "wg-quick")
		}
	}
	ifupdown := len(c.glob("/sbin/ifup"))+len(c.glob("/usr/sbin/ifup")) > 0
	for _, path := range append(c.glob("/etc/network/interfaces.d/*"), "/etc/network/interfaces") {
		if ifupdown {
			m.interfaces(c.hostFile(path))
		}
	}
	for _, h := range hooks {
		if h.by == "ifupdown" && !ifupdown && len(c.glob("/etc/NetworkManager/dispatcher.d/01-ifupdown")) == 0 {
			continue
		}
		for _, path := range c.glob(h.scripts) {
			if c.runs(path) {
				m.shell(c.hostFile(path), h.by)
			}
		}
	}
	return m.all, unknown
}

// hooks are scripts that are run at boot, or as links come up, if they may be executed.
var hooks = []struct{ scripts, by string }{
	{"/etc/network/if-pre-up.d/*", "ifupdown"},
	{"/etc/network/if-up.d/*", "ifupdown"},
	{"/etc/NetworkManager/dispatcher.d/*", "networkmanager"},
	{"/etc/NetworkManager/dispatcher.d/pre-up.d/*", "networkmanager"},
	{"/etc/networkd-dispatcher/*.d/*", "networkd-dispatcher"},
	{"/etc/ppp/ip-up.d/*", "pppd"},
	{"/etc/rc.local", "rc.local"},
}

// runs reports a script that may be executed.
func (c *Committer) runs(path string) bool {
	info, err := os.Stat(hostFiles(c.root).path(path))
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

var (
	wgLines = regexp.MustCompile(`(?mi)^\s*(?:Pre|Post)Up\s*=\s*(.*)$`)
	upLines = regexp.MustCompile(`(?m)^\s*(?:pre-up|up|post-up)\s+(.*)$`)
	ifLines = regexp.MustCompile(`^\s*iface\s+(\S+)`)
)

// hostFile is a file of the host; "" if it cannot be read.
func (c *Committer) hostFile(path string) string {
	text, _ := textfile.Read(filepath.Join("/", c.root, path))
	return string(text)
}

// glob lists files of the host.
func (c *Committer) glob(pattern string) []string {
	root := filepath.Join("/", c.root)
	paths, _ := filepath.Glob(filepath.Join(root, pattern))
	for i := range paths {
		paths[i] = filepath.Join("/", strings.TrimPrefix(paths[i], root))
	}
	return paths
}

// configured is the value that a file of shell variables gives a name.
func configured(text, name string) string {
	value := ""
	for line := range strings.Lines(text) {
		if key, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && key == name {
			value = strings.ToLower(strings.Trim(v, `"'`))
		}
	}
	return value
}

// made collects what files say.
type made struct {
	backend rules.Backend
	all     map[rules.Variant]rules.Made
}

// shell notes the rules that a shell script would add: as a whole, or if it is not understood, by each line that is.
func (m made) shell(script, by string) {
	if m.lines(script, by) {
		return
	}
	for line := range strings.Lines(script) {
		line, _, _ = strings.Cut(line, "||")
		m.lines(line, by)
	}
}

// lines notes the rules that some lines of a shell script would add, if all are understood.
func (m made) lines(script, by string) (understood bool) {
	im := paste.Read(script, paste.Ground{Backend: m.backend, AnyChain: true, AcceptDoubts: true})
	for _, c := range im.Plan.Changes() {
		m.note(c, by)
	}
	return !im.InDoubt()
}

// interfaces notes what the stanzas of a file of interfaces(5) run.
func (m made) interfaces(text string) {
	link := ""
	for line := range strings.Lines(text) {
		if iface := ifLines.FindStringSubmatch(line); iface != nil {
			link = iface[1]
		}
		if up := upLines.FindStringSubmatch(line); up != nil {
			m.shell(strings.NewReplacer("${IFACE}", link, "$IFACE", link).Replace(up[1]), "ifupdown")
		}
	}
}

// ufw notes what ufw restores, and that its files know every rule in the chains of its users.
func (m made) ufw(read func(string) string) {
	for family, command := range map[rules.Family]string{rules.IPv4: "iptables", rules.IPv6: "ip6tables"} {
		suffix := map[rules.Family]string{rules.IPv6: "6"}[family]
		of := m.all[rules.Variant{Family: family, Backend: m.backend}]
		understood := true
		for _, name := range []string{"before", "user", "after"} {
			table := ""
			text := read("/etc/ufw/" + name + suffix + ".rules")
			understood = understood && (text != "" || name != "user")
			for line := range strings.Lines(text) {
				line = strings.TrimSpace(line)
				switch {
				case strings.HasPrefix(line, "*"):
					table = line[1:]
				case strings.HasPrefix(line, "-A "), strings.HasPrefix(line, "-I "):
					if !m.lines(command+" -t "+table+" "+line, "ufw") && name == "user" {
						understood = false
					}
				}
			}
		}
		for _, way := range []string{"input", "output", "forward"} {
			if understood {
				of.Knows("filter", "ufw"+suffix+"-user-"+way, "ufw")
			}
		}
	}
}
