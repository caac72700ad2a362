package iptables

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	goiptables "github.com/coreos/go-iptables/iptables"

	"nattui/rules"
	"nattui/rules/nfnetlink"
	"nattui/rules/textfile"
)

// Host is the iptables of this host, in the network namespace of the process.
type Host struct {
	variants map[rules.Variant]*programs
	absent   []Absence
	standby  rules.Backend // what the plain program means
	own      own
	writing  sync.Mutex
	recent   sync.Mutex // of latest and late
	latest   map[rules.Variant]latest
	late     map[rules.Variant]*programs // those found since
}

// programs are the programs that serve one variant.
type programs struct {
	variant rules.Variant
	// shown is the name to show in commands: the plain one where that serves this variant.
	shown               string
	path, save, restore string
	version             version
	// wrapped is set where the restore program is a script that starts the real one.
	wrapped bool
}

type version [3]int

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

func (v version) before(o version) bool {
	for i := range v {
		if v[i] != o[i] {
			return v[i] < o[i]
		}
	}
	return false
}

// oldest is the first version whose iptables-restore waits for the lock (-w).
var oldest = version{1, 6, 2}

// Reason says why a variant cannot be used.
type Reason uint8

// The reasons of an Absence.
const (
	Missing    Reason = iota // its programs are not installed
	TooOld                   // its programs are too old
	KernelLack               // the kernel lacks it
	Broken                   // its program does not run
	Unseen                   // there are rules, or may be, that nothing here reads
)

// Absence is a variant that cannot be used on this host, with the reason. It is
// worth saying once.
type Absence struct {
	Variant rules.Variant
	Reason  Reason
	Detail  string
}

// String is the reason in one sentence's part: "ip6tables-legacy is not installed".
func (a Absence) String() string { return a.Variant.String() + ": " + a.Detail }

// extraDirs are searched after PATH: administration tools live there, where
// ordinary users do not look.
var extraDirs = []string{"/usr/local/sbin", "/usr/sbin", "/sbin"}

// find returns the path of a program, "" if there is none. Relative parts of
// PATH are left out, since this may run as root.
func find(name string) string {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), extraDirs...) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); filepath.IsAbs(dir) && err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// Open finds out which iptables this host has. It runs each program found once,
// for its version, and asks the kernel once; it changes nothing. Without any iptables
// it has no variants, and Lacking says why. The error wraps ErrPermission where the process may not read the tables.
func Open(ctx context.Context) (*Host, error) {
	h := &Host{variants: map[rules.Variant]*programs{}, latest: map[rules.Variant]latest{}, own: own{prints: map[rules.Family]uint64{}}}
	var found [len(rules.Families)][len(rules.Backends)]*programs
	var absent [len(rules.Families)][len(rules.Backends)]*Absence
	var wait sync.WaitGroup
	for i, family := range rules.Families {
		wait.Go(func() {
			plain := plainBackend(ctx, family)
			for j, backend := range rules.Backends {
				found[i][j], absent[i][j] = detect(rules.Variant{Family: family, Backend: backend}, plain)
			}
		})
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var plain *rules.Variant // that of the plain program, where it cannot be seen
	for j, backend := range rules.Backends {
		for i, family := range rules.Families {
			variant := rules.Variant{Family: family, Backend: backend}
			p, missing := found[i][j], absent[i][j]
			if p != nil {
				detail, err := kernelLacks(variant)
				switch {
				case errors.Is(err, errUnseen) && len(h.variants) > 0:
					if p.shown == family.Command() {
						plain = &variant
					}
					p, missing = nil, &Absence{variant, Unseen, unseenLegacy}
				case err != nil:
					return nil, err
				case detail != "":
					p, missing = nil, &Absence{variant, KernelLack, detail}
				}
			}
			if missing != nil {
				h.absent = append(h.absent, *unreadLegacy(missing))
				continue
			}
			h.variants[variant] = p
		}
	}
	h.standby = h.chooseDefault()
	if plain != nil {
		h.standby = plain.Backend
	}
	return h, nil
}

// chooseDefault is the backend of the plain programs, or else the first there is.
func (h *Host) chooseDefault() rules.Backend {
	for _, family := range rules.Families {
		for _, backend := range rules.Backends {
			if p, ok := h.variants[rules.Variant{Family: family, Backend: backend}]; ok && p.shown == family.Command() {
				return backend
			}
		}
	}
	for _, backend := range rules.Backends {
		for _, family := range rules.Families {
			if _, ok := h.variants[rules.Variant{Family: family, Backend: backend}]; ok {
				return backend
			}
		}
	}
	return rules.NFT
}

// plainBackend asks the plain program which backend it is, such as "iptables
// v1.8.9 (nf_tables)"; versions before 1.8 name none and are legacy. It returns
// -1 where there is no plain program or it does not run.
func plainBackend(ctx context.Context, family rules.Family) int {
	path := find(family.Command())
	if path == "" {
		return -1
	}
	out, err := command(ctx, path, "-V").Output()
	for range asksAgain {
		if wasKilled(err) {
			out, err = command(ctx, path, "-V").Output()
		}
	}
	switch {
	case err != nil:
		return -1
	case strings.Contains(string(out), "(nf_tables)"):
		return int(rules.NFT)
	}
	return int(rules.Legacy)
}

// asksAgain is how often a program is asked for its version again that was killed before it had told.
const asksAgain = 3

func wasKilled(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && !exit.Exited()
}

// detect finds the programs of a variant. The explicit save and restore programs
// are preferred, since they cannot be anything else.
func detect(variant rules.Variant, plain int) (*programs, *Absence) {
	explicit := variant.Family.Command() + "-" + variant.Backend.String()
	p := &programs{variant: variant, shown: explicit, path: find(explicit)}
	base := explicit
	if plain == int(variant.Backend) {
		p.shown = variant.Family.Command()
		if p.path == "" {
			p.path, base = find(p.shown), p.shown
		}
	}
	if p.path == "" {
		return nil, &Absence{variant, Missing, explicit + " is not installed"}
	}
	if p.save, p.restore = find(base+"-save"), find(base+"-restore"); p.save == "" || p.restore == "" {
		return nil, &Absence{variant, Missing, fmt.Sprintf("%s is there, but %s-save or %s-restore is not installed", base, base, base)}
	}
	p.wrapped = textfile.IsScript(p.restore)
	protocol := goiptables.ProtocolIPv4
	if variant.Family == rules.IPv6 {
		protocol = goiptables.ProtocolIPv6
	}
	found, err := goiptables.New(goiptables.Path(p.path), goiptables.IPFamily(protocol), goiptables.Timeout(int(LockWait.Seconds())))
	for range asksAgain {
		if err != nil && strings.Contains(err.Error(), "signal: ") { // go-iptables passes on its words alone
			found, err = goiptables.New(goiptables.Path(p.path), goiptables.IPFamily(protocol), goiptables.Timeout(int(LockWait.Seconds())))
		}
	}
	if err != nil {
		return nil, &Absence{variant, Broken, err.Error()}
	}
	p.version[0], p.version[1], p.version[2] = found.GetIptablesVersion()
	if p.version.before(oldest) {
		return nil, &Absence{variant, TooOld, fmt.Sprintf("%s is version %s, and nattui needs %s or newer", base, p.version, oldest)}
	}
	return p, nil
}

// kernelLacks asks whether the kernel has the variant; "" means it does, or might
// once something is written. An error wraps ErrPermission.
func kernelLacks(variant rules.Variant) (string, error) {
	if variant.Family == rules.IPv6 && missing("/proc/sys/net/ipv6") {
		return "the kernel runs without IPv6", nil
	}
	if variant.Backend == rules.NFT {
		_, err := nfnetlink.Generation()
		switch {
		case errors.Is(err, nfnetlink.ErrAbsent):
			return nfnetlink.ErrAbsent.Error(), nil
		case errors.Is(err, ErrPermission):
			return "", err
		case err != nil:
			return "the kernel does not say what is in nf_tables: " + err.Error(), nil
		}
		return "", nil
	}
	names, err := loadedTables(variant.Family)
	switch {
	case errors.Is(err, ErrPermission):
		return "", err
	case errors.Is(err, os.ErrNotExist):
		if module := legacyModule(variant.Family); !canLoad(module) {
			return "the kernel has no module " + module, nil
		}
		return "", nil
	case err != nil:
		return "", err
	case len(names) == 0:
		return "", nil
	}
	err = askLegacy(variant.Family, names[0])
	if errors.Is(err, ErrPermission) {
		return "", err
	}
	return "", nil
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, os.ErrNotExist)
}

func legacyModule(family rules.Family) string {
	if family == rules.IPv6 {
		return "ip6_tables"
	}
	return "ip_tables"
}

// canLoad says whether the running kernel's modules include the module. Where
// no list of modules is there, in a container for instance, nothing can be loaded.
func canLoad(module string) bool {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return true
	}
	dir := filepath.Join("/lib/modules", strings.TrimSpace(string(release)))
	for _, list := range []string{"modules.dep", "modules.builtin"} {
		text, err := os.ReadFile(filepath.Join(dir, list))
		if err == nil && strings.Contains(string(text), "/"+module+".ko") {
			return true
		}
	}
	return false
}

// installers are the package managers nattui knows, by the program that gives
// them away.
var installers = []struct{ program, command string }{
	{"apt-get", "apt-get install iptables"},
	{"dnf", "dnf install iptables-nft"},
	{"yum", "yum install iptables"},
	{"apk", "apk add iptables"},
	{"pacman", "pacman -S iptables-nft"},
	{"zypper", "zypper install iptables"},
	{"opkg", "opkg install iptables-nft ip6tables-nft"},
	{"xbps-install", "xbps-install -S iptables"},
	{"emerge", "emerge net-firewall/iptables"},
	{"nix-env", "nix-env -iA nixos.iptables"},
}

// installCommand is how this host's package manager installs iptables.
func installCommand() string {
	for _, i := range installers {
		if find(i.program) == "" {
			continue
		}
		if os.Geteuid() != 0 && runtime.GOOS == "linux" {
			return "sudo " + i.command
		}
		return i.command
	}
	return ""
}

// Places lists what can be used, the default backend first, IPv4 before IPv6.
func (h *Host) Variants() []rules.Variant {
	order := []rules.Backend{h.standby, rules.NFT + rules.Legacy - h.standby}
	var all []rules.Variant
	for _, backend := range order {
		for _, family := range rules.Families {
			if variant := (rules.Variant{Family: family, Backend: backend}); h.variants[variant] != nil {
				all = append(all, variant)
			}
		}
	}
	return all
}

// Absent lists what cannot be used, and why.
func (h *Host) Absent() []Absence { return append([]Absence(nil), h.absent...) }

// Default is the backend that the plain programs iptables and ip6tables use.
func (h *Host) Default() rules.Backend { return h.standby }

// Lacking is why this host has no iptables that can be used; nil where it has one. Nothing of iptables can be read or
// changed then, and all else works.
func (h *Host) Lacking() error {
	if len(h.variants) > 0 {
		return nil
	}
	return &NotInstalled{Install: installCommand(), Absent: h.absent}
}

// Unseen says what is not seen on a host without iptables: the tables of iptables-legacy, which nothing else shows. Those of
// iptables-nft are native tables like others there. "" where there is an iptables.
func (h *Host) Unseen() string {
	if len(h.variants) > 0 {
		return ""
	}
	var loaded []string
	for _, f := range rules.Families {
		names, err := loadedTables(f)
		if err != nil {
			continue
		}
		for _, name := range names {
			loaded = append(loaded, f.Title()+" "+name)
		}
	}
	lack := "iptables is not installed"
	if slices.ContainsFunc(h.absent, func(a Absence) bool { return a.Reason != Missing && a.Reason != Unseen }) {
		lack = "no iptables can be used here"
	}
	if len(loaded) > 0 {
		return lack + ", and tables of iptables-legacy are in use (" + strings.Join(loaded, ", ") + "): their rules are not seen here"
	}
	return lack + ": rules that another program makes in tables of iptables-legacy would not be seen here"
}

// Program is the name of the program that changes the variant, for
// rules.Change.Program: iptables where that is it, else iptables-legacy or the like.
func (h *Host) Program(variant rules.Variant) string {
	if p := h.variants[variant]; p != nil {
		return p.shown
	}
	return variant.Family.Command() + "-" + variant.Backend.String()
}

// Version is the version of the variant's programs, such as 1.8.9; "" if absent.
func (h *Host) Version(variant rules.Variant) string {
	if p := h.variants[variant]; p != nil {
		return p.version.String()
	}
	return ""
}

// programs returns the programs of a variant, or the error that says why there are none.
func (h *Host) programs(variant rules.Variant) (*programs, error) {
	if p := h.variants[variant]; p != nil {
		return p, nil
	}
	for _, a := range h.absent {
		if a.Variant == variant {
			if p := h.sinceThen(variant); p != nil {
				return p, nil
			}
			return nil, &NotInstalled{Install: installCommand(), Absent: []Absence{a}}
		}
	}
	return nil, fmt.Errorf("%s: no such place", variant)
}

// sinceThen looks once more for a variant that could not be used when this host was opened: its programs were killed then, or
// were just being replaced. Whoever has something to roll back cannot do without them. nil where it cannot be used now either.
func (h *Host) sinceThen(variant rules.Variant) *programs {
	h.recent.Lock()
	defer h.recent.Unlock()
	if p := h.late[variant]; p != nil {
		return p
	}
	p, absent := detect(variant, plainBackend(context.Background(), variant.Family))
	if absent != nil {
		return nil
	}
	if lack, err := kernelLacks(variant); err != nil || lack != "" {
		return nil
	}
	if h.late == nil {
		h.late = map[rules.Variant]*programs{}
	}
	h.late[variant] = p
	return p
}
