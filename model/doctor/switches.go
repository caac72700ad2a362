package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
)

// Switch is a setting of the kernel that NAT depends on, with what an operator
// needs to know before changing it.
type Switch struct {
	// Name is the setting's, as rules.Sysctl has it; Short is what it is called
	// in a list, Group what it belongs to. Link is the interface that it is for.
	Name, Short, Group, Link string
	// Now is its value; Boot is the value that files set when the host starts,
	// "" if none does, and BootFile the one that does. BootKnown is false where
	// those files were not read.
	Now, Boot, BootFile string
	BootKnown           bool
	// Purpose says in a sentence what it is for, Depends what hangs on it here.
	Purpose string
	Depends []string
	// Fixed says why it cannot be changed here; empty if it can.
	Fixed string

	words []string // the names of its values 0, 1 and so on; none for a number
}

// The groups of switches, in their order.
const (
	groupForwarding = "forwarding"
	groupSource     = "reverse path filter"
	groupLoopback   = "route to 127.0.0.0/8"
	groupBridge     = "bridges"
	groupTable      = "the connection table"
)

// Word names a value of the switch: on, off, strict, or the number itself.
func (s *Switch) Word(value string) string {
	if n, err := strconv.Atoi(value); err == nil && n >= 0 && n < len(s.words) {
		return s.words[n]
	}
	return value
}

// Values are those that it may have, by their words; none for a number.
func (s *Switch) Values() []string { return s.words }

// Next is the value after the present one, for a switch that has few; "" for a number.
func (s *Switch) Next() string {
	if len(s.words) == 0 {
		return ""
	}
	n, _ := strconv.Atoi(s.Now)
	return strconv.Itoa((n + 1) % len(s.words))
}

// Refusal says why a switch cannot have a value, and the nearest that it can.
type Refusal struct {
	Text string
	// Nearest is a switch and a value that would do; empty if none does.
	Nearest string
}

// Error is the text with the nearest that would work.
func (r *Refusal) Error() string {
	if r.Nearest == "" {
		return r.Text
	}
	return r.Text + "; this would work: " + r.Nearest
}

// Switches are the switches of a gateway at one moment.
type Switches struct {
	List []Switch

	facts *facts.Facts
	flows int // in the connection table now
	boot  map[string]BootSetting
}

var (
	offOn   = []string{"off", "on"}
	reverse = []string{"off", "strict", "loose"}
)

// SwitchesOf lists the switches that this kernel has.
func SwitchesOf(g *Gateway) *Switches {
	f := g.Facts
	if f == nil {
		f = &facts.Facts{Settings: facts.UnknownSettings()}
	}
	x := &Switches{facts: f, boot: g.BootSettings, flows: max(0, f.Settings.ConntrackCount, g.Health.Count)}
	uses := usesOf(g.Sets)
	x.forwarding(uses)
	x.perLink(uses)
	x.bridges()
	x.table(g)
	return x
}

// uses are how many rules hang on a switch.
type uses struct {
	forwards, shares [rules.IPv6 + 1]int
	loopback         []string // DNAT rules to 127.0.0.0/8
}

func usesOf(sets map[rules.Variant]*rules.Ruleset) (u uses) {
	for variant, set := range sets {
		t, ok := set.Table("nat")
		if !ok {
			continue
		}
		for i := range t.Chains {
			for j := range t.Chains[i].Rules {
				r := &t.Chains[i].Rules[j]
				switch to := r.Target.To.Addrs; r.Target.Kind {
				case rules.DNAT:
					if !to.IsZero() && to.Lo.IsLoopback() {
						u.loopback = append(u.loopback, fmt.Sprintf("%s %d%s goes to %s", t.Chains[i].Name, j+1, variantNote(variant), to.Lo))
					} else {
						u.forwards[variant.Family]++
					}
				case rules.SNAT, rules.Masquerade, rules.Netmap:
					u.shares[variant.Family]++
				}
			}
		}
	}
	slices.Sort(u.loopback)
	return u
}

// needs are the rules of a family that do nothing without forwarding.
func (u *uses) needs(family rules.Family) []string {
	var list []string
	if n := u.forwards[family]; n > 0 {
		list = append(list, rules.Plural(n, "rule")+" to forward to other machines")
	}
	if n := u.shares[family]; n > 0 {
		list = append(list, rules.Plural(n, "rule")+" to share an address")
	}
	return list
}

func (x *Switches) add(s Switch) {
	if s.Now == "" {
		return // this kernel has none
	}
	s.BootKnown = x.boot != nil
	for _, name := range []string{s.Name, sameSetting[s.Name]} {
		if b, ok := x.boot[name]; ok && name != "" {
			s.Boot, s.BootFile = b.Value, b.Path
			break
		}
	}
	if slices.Contains(x.facts.Settings.Fixed, s.Name) {
		s.Fixed = "it is one for the whole host: change it outside of this network namespace"
		if s.Name == settingBuckets {
			s.Fixed += ", with sysctl or by /sys/module/nf_conntrack/parameters/hashsize"
		}
	}
	x.List = append(x.List, s)
}

// sameSetting are the other names that a setting goes by.
var sameSetting = map[string]string{"net.ipv4.ip_forward": "net.ipv4.conf.all.forwarding"}

// Names of settings.
const (
	settingForward4   = "net.ipv4.ip_forward"
	settingForward6   = "net.ipv6.conf.all.forwarding"
	settingMax        = "net.netfilter.nf_conntrack_max"
	settingBuckets    = "net.netfilter.nf_conntrack_buckets"
	settingAccounting = "net.netfilter.nf_conntrack_acct"
	settingTimestamps = "net.netfilter.nf_conntrack_timestamp"
)

func (x *Switches) forwarding(u uses) {
	s := &x.facts.Settings
	x.add(Switch{
		Name: settingForward4, Short: "IPv4", Group: groupForwarding, Now: valueOf(s.Forwarding4), words: offOn, Depends: u.needs(rules.IPv4),
		Purpose: "Lets IPv4 packets that are not for this host pass through it; without it nothing is shared and nothing published. It sets all interfaces at once.",
	})
	x.add(Switch{
		Name: settingForward6, Short: "IPv6", Group: groupForwarding, Now: valueOf(s.Forwarding6), words: offOn, Depends: x.needs6(u),
		Purpose: "Lets IPv6 packets that are not for this host pass through it. A host that forwards no longer configures itself by what routers say, unless accept_ra is 2.",
	})
}

func (x *Switches) needs6(u uses) []string {
	list := u.needs(rules.IPv6)
	if name, ok := x.facts.DeafToRouters(); ok {
		list = append(list, "the IPv6 default route comes from a router: "+name+" is set to 2 along with it")
	}
	return list
}

// perLink are the switches that every interface has.
func (x *Switches) perLink(u uses) {
	s := &x.facts.Settings
	var links []facts.Link
	for _, l := range x.facts.Links {
		if l.Kind != "loopback" && len(links) < 64 {
			links = append(links, l)
		}
	}
	for _, l := range links {
		own := s.On(l.Name)
		x.add(Switch{
			Name: facts.LinkSetting(l.Name, "forwarding"), Short: "IPv4 from " + l.Name, Group: groupForwarding, Link: l.Name, Now: valueOf(own.Forwarding4), words: offOn,
			Purpose: fmt.Sprintf("Lets IPv4 packets that arrive by %s pass through this host. ip_forward sets it together with all others.", l.Name),
		})
		if s.Forwarding6 == facts.SettingOn && own.ForceForwarding6 != facts.SettingOn {
			continue // it would change nothing
		}
		x.add(Switch{
			Name: facts.LinkSetting6(l.Name, "force_forwarding"), Short: "IPv6 from " + l.Name, Group: groupForwarding, Link: l.Name, Now: valueOf(own.ForceForwarding6), words: offOn,
			Purpose: fmt.Sprintf("Lets IPv6 packets that arrive by %s pass through this host even while IPv6 forwarding is off as a whole.", l.Name),
		})
	}
	x.add(Switch{
		Name: facts.LinkSetting("all", "rp_filter"), Short: "all interfaces", Group: groupSource, Link: "all", Now: reverseValue(s.All.RPFilter), words: reverse,
		Purpose: "The least strictness of the reverse path filter for every interface: of this one and the interface's own the larger number counts.",
	})
	for _, l := range links {
		x.add(Switch{
			Name: facts.LinkSetting(l.Name, "rp_filter"), Short: l.Name, Group: groupSource, Link: l.Name, Now: reverseValue(s.On(l.Name).RPFilter), words: reverse, Depends: x.effective(l.Name),
			Purpose: fmt.Sprintf("Drops packets that arrive by %s from a source whose answers would not leave there (strict) or to which there is no way at all (loose).", l.Name),
		})
	}
	x.add(Switch{
		Name: facts.LinkSetting("all", "route_localnet"), Short: "all interfaces", Group: groupLoopback, Link: "all", Now: valueOf(s.All.RouteLocalnet), words: offOn, Depends: u.loopback,
		Purpose: "Lets what arrives by any interface be sent on to 127.0.0.0/8. Better switch it on for one interface, and with a rule that keeps neighbours out.",
	})
	for _, l := range links {
		x.add(Switch{
			Name: facts.LinkSetting(l.Name, "route_localnet"), Short: l.Name, Group: groupLoopback, Link: l.Name, Now: valueOf(s.On(l.Name).RouteLocalnet), words: offOn, Depends: u.loopback,
			Purpose: fmt.Sprintf("Lets a rule send what arrives by %s to a service that listens on 127.0.0.1.", l.Name),
		})
	}
}

// bridges are the switches of br_netfilter, which are there once it is loaded.
func (x *Switches) bridges() {
	s := &x.facts.Settings
	x.add(Switch{
		Name: settingBridge, Short: "IPv4", Group: groupBridge, Now: valueOf(s.BridgeCallsIptables), words: offOn,
		Purpose: "Sends IPv4 packets that stay on a bridge through these rules too. Docker and Kubernetes need it for published ports between neighbours on a bridge; elsewhere FORWARD then filters machines from each other.",
	})
	x.add(Switch{
		Name: "net.bridge.bridge-nf-call-ip6tables", Short: "IPv6", Group: groupBridge, Now: valueOf(s.BridgeCallsIp6tables), words: offOn,
		Purpose: "The same for IPv6 packets that stay on a bridge.",
	})
	x.add(Switch{
		Name: "net.bridge.bridge-nf-filter-vlan-tagged", Short: "VLAN", Group: groupBridge, Now: valueOf(s.BridgeFiltersVLAN), words: offOn,
		Purpose: "The same for packets with a VLAN tag.",
	})
}

// effective tells what the reverse path filter of a link comes to.
func (x *Switches) effective(link string) []string {
	s := &x.facts.Settings
	if mode := s.RPFilterOn(link); mode != s.On(link).RPFilter {
		return []string{fmt.Sprintf("in effect it is %s, because that of all interfaces is", mode)}
	}
	return nil
}

func (x *Switches) table(g *Gateway) {
	s := &x.facts.Settings
	now := rules.Plural(x.flows, "connection") + " now"
	x.add(Switch{
		Name: settingMax, Short: "connection limit", Group: groupTable, Now: numberOf(s.ConntrackMax), Depends: []string{now, "each connection takes about 350 bytes of memory"},
		Purpose: "How many connections the kernel remembers. When the table is full new ones are refused, which looks like a bad line.",
	})
	crowd := []string{now}
	if s.ConntrackBuckets > 0 {
		crowd = append(crowd, fmt.Sprintf("%.1f connections a bucket now, %.1f when the table is full", float64(x.flows)/float64(s.ConntrackBuckets), float64(max(0, s.ConntrackMax))/float64(s.ConntrackBuckets)))
	}
	x.add(Switch{
		Name: settingBuckets, Short: "hash buckets", Group: groupTable, Now: numberOf(s.ConntrackBuckets), Depends: crowd,
		Purpose: "How many lists the connections are spread over: a quarter of the connection limit or more keeps every packet quick. Each takes 8 bytes.",
	})
	x.add(Switch{
		Name: settingAccounting, Short: "accounting", Group: groupTable, Now: valueOf(s.ConntrackAccounting), words: offOn, Depends: []string{"packets, bytes and rates of the connections on the screen"},
		Purpose: "Counts packets and bytes of every connection that begins from then on. It costs very little.",
	})
	x.add(Switch{
		Name: settingTimestamps, Short: "timestamps", Group: groupTable, Now: valueOf(s.ConntrackTimestamps), words: offOn, Depends: []string{"the age of the connections on the screen"},
		Purpose: "Notes when a connection began, for those that begin from then on.",
	})
}

func valueOf(s facts.Setting) string {
	switch s {
	case facts.SettingOff:
		return "0"
	case facts.SettingOn:
		return "1"
	}
	return ""
}

func numberOf(n int) string {
	if n < 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func reverseValue(m facts.RPFilter) string {
	if m == facts.RPFilterUnknown {
		return ""
	}
	return strconv.Itoa(int(m - facts.RPFilterOff))
}

// Find finds the switch that a person means: by its name, or by the end of it
// where only one ends so (ip_forward, wan0.rp_filter, nf_conntrack_max).
func (x *Switches) Find(name string) (*Switch, error) {
	name = strings.TrimSpace(name)
	if strings.HasPrefix(name, "/proc/sys/") || strings.Count(name, "/") > 2 {
		name = strings.NewReplacer("/", ".", ".", "/").Replace(strings.TrimPrefix(name, "/proc/sys/"))
	}
	if name == sameSetting[settingForward4] {
		name = settingForward4
	}
	var found []*Switch
	for i := range x.List {
		s := &x.List[i]
		if s.Name == name {
			return s, nil
		}
		if strings.HasSuffix(s.Name, "."+name) || strings.HasSuffix(s.Name, "_"+name) {
			found = append(found, s)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	var known []string
	for _, s := range found {
		known = append(known, s.Name)
	}
	if len(found) > 1 {
		return nil, fmt.Errorf("%q may be any of %s", name, strings.Join(known, ", "))
	}
	for i := range x.List {
		if s := &x.List[i]; s.Link == "" {
			known = append(known, s.Name)
		}
	}
	if strings.HasPrefix(name, "net.ipv6.conf.") && strings.HasSuffix(name, ".forwarding") {
		return nil, &Refusal{name + " alone lets nothing pass: IPv6 asks the switch of all interfaces", settingForward6}
	}
	return nil, fmt.Errorf("there is no switch %q here; there are %s, and rp_filter, forwarding and route_localnet of each interface, such as net.ipv4.conf.INTERFACE.rp_filter", name, strings.Join(known, ", "))
}

// Plan is the plan that gives a switch a value, now and, with boot, when the host
// starts as well. The error is a *Refusal where that cannot work.
func (x *Switches) Plan(s *Switch, value string, boot bool) (rules.Plan, error) {
	value, err := x.check(s, value)
	if err != nil {
		return rules.Plan{}, err
	}
	set := func(name, old, value, why string) rules.Step {
		w := &rules.Sysctl{Name: name, Value: value, Old: old, Boot: boot}
		if boot {
			w.File = bootFile(x.boot, name)
		}
		return rules.Step{Sysctl: w, Why: why}
	}
	p := rules.Plan{Title: fmt.Sprintf("Set %s to %s", s.Name, value)}
	if word := s.Word(value); word != value {
		p.Title = fmt.Sprintf("Switch %s %s", s.Name, word)
		if len(s.words) > 2 {
			p.Title = fmt.Sprintf("Make %s %s", s.Name, word)
		}
	}
	if s.Name == settingForward6 && value == "1" {
		if name, deaf := x.facts.DeafToRouters(); deaf {
			p.Steps = append(p.Steps, set(name, "1", "2", "a host that forwards hears its own router only with 2, and would lose its default route"))
		}
	}
	p.Steps = append(p.Steps, set(s.Name, s.Now, value, s.Purpose))
	return p, nil
}

// bootFile is the file that decides about a setting at boot: nattui's own, unless
// one that is read later says something of it; "" is nattui's own.
func bootFile(boot map[string]BootSetting, name string) string {
	b, ok := boot[name]
	if other := sameSetting[name]; other != "" && !ok {
		b, ok = boot[other]
	}
	base := b.Path[strings.LastIndexByte(b.Path, '/')+1:]
	own := rules.SysctlFile[strings.LastIndexByte(rules.SysctlFile, '/')+1:]
	switch {
	case !ok, b.Path != "/etc/sysctl.conf" && base <= own:
		return ""
	case strings.HasPrefix(b.Path, "/etc/"):
		return b.Path
	}
	return "/etc/sysctl.d/zz-nattui.conf" // the other file is a package's
}

// bucketsStep is what the kernel rounds the number of buckets up to: a page of
// pointers (nf_ct_alloc_hashtable).
const bucketsStep = 512

// smallestMax is the least that the flow table is to have room for, unless it has
// less already: a gateway's flows of a quiet hour tell nothing of a busy one.
const smallestMax = 16_384

// check reads a value and refuses what cannot work.
func (x *Switches) check(s *Switch, value string) (string, error) {
	value = strings.ToLower(strings.TrimSpace(value))
	if s.Fixed != "" {
		return "", &Refusal{Text: s.Name + " cannot be changed here: " + s.Fixed}
	}
	if len(s.words) > 0 {
		if i := slices.Index(s.words, value); i >= 0 {
			value = strconv.Itoa(i)
		}
		if n, err := strconv.Atoi(value); err != nil || n < 0 || n >= len(s.words) {
			return "", &Refusal{fmt.Sprintf("%s cannot be %q: it is %s", s.Name, value, strings.Join(s.words, ", ")), s.Name + " " + s.words[1]}
		}
		return value, x.overruled(s, value)
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(value, "_", ""), 10, 64)
	enough := int64(x.flows + x.flows/4)
	least := max(enough, 256, min(smallestMax, int64(x.facts.Settings.ConntrackMax)))
	switch {
	case err != nil:
		return "", &Refusal{fmt.Sprintf("%s is a number, not %q", s.Name, value), s.Name + " " + s.Now}
	case s.Name == settingMax && n >= enough && n < least:
		return "", &Refusal{fmt.Sprintf("%d is too few, however quiet it is now: one busy client has hundreds of connections, and when the table is full new ones are refused, yours too", n), fmt.Sprintf("%s %d", s.Name, least)}
	case s.Name == settingMax && n < least:
		return "", &Refusal{fmt.Sprintf("%d is too few: %s are there now, and new ones would be refused", n, rules.Plural(x.flows, "connection")), fmt.Sprintf("%s %d", s.Name, least)}
	case s.Name == settingMax && n > 1<<27:
		return "", &Refusal{fmt.Sprintf("%d connections would take %d GB of memory", n, n*350>>30), fmt.Sprintf("%s %d", s.Name, max(least, 1<<20))}
	case s.Name == settingBuckets && (n < bucketsStep || n%bucketsStep != 0):
		up := max(bucketsStep, (n+bucketsStep-1)/bucketsStep*bucketsStep)
		return "", &Refusal{fmt.Sprintf("the kernel has %d buckets a page: %d would not be what it then says", bucketsStep, n), fmt.Sprintf("%s %d", s.Name, up)}
	case s.Name == settingBuckets && n > 1<<27:
		return "", &Refusal{fmt.Sprintf("%d buckets would take %d GB of memory", n, n*8>>30), fmt.Sprintf("%s %d", s.Name, max(bucketsStep, x.facts.Settings.ConntrackMax/4/bucketsStep*bucketsStep))}
	}
	return strconv.FormatInt(n, 10), nil
}

// overruled refuses a value that another switch would keep from taking effect.
func (x *Switches) overruled(s *Switch, value string) error {
	if s.Link == "" || s.Link == "all" {
		return nil
	}
	all := &x.facts.Settings.All
	switch {
	case strings.HasSuffix(s.Name, ".rp_filter") && all.RPFilter != facts.RPFilterUnknown && value < reverseValue(all.RPFilter):
		nearest := s.Name + " loose"
		if all.RPFilter == facts.RPFilterLoose {
			nearest = facts.LinkSetting("all", "rp_filter") + " " + s.Word(value)
		}
		return &Refusal{fmt.Sprintf("%s has no effect on %s while it is %s for all interfaces: the larger number counts", s.Word(value), s.Link, all.RPFilter), nearest}
	case strings.HasSuffix(s.Name, ".route_localnet") && all.RouteLocalnet == facts.SettingOn && value == "0":
		return &Refusal{fmt.Sprintf("off has no effect on %s while it is on for all interfaces", s.Link), facts.LinkSetting("all", "route_localnet") + " off"}
	case strings.HasSuffix(s.Name, ".force_forwarding") && x.facts.Settings.Forwarding6 == facts.SettingOn && value == "0":
		return &Refusal{"off has no effect while IPv6 forwarding is on as a whole", settingForward6 + " off"}
	}
	return nil
}
