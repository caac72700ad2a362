package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What the manual says that no command knows of itself. Tests hold it against the source.

const manualIntroduction = "Rules of both address families are shown, those of iptables on the nft and on the legacy backend, and native nft chains of type nat. What " +
	"nattui does not understand is shown verbatim and survives every change. Answers that cannot be known are called *not known*.\n\n" +
	"A change is shown as commands before it runs. One that may cut off whoever makes it is rolled back unless it is confirmed, and every change can be undone. " +
	"**nattui-guide**(7) has the recipes with the rules that they make, **nattui-filter**(7) the language of filters."

// fileEntries are the files that nattui makes.
var fileEntries = []entry{
	{"/var/lib/nattui", "the history of changes, with what is needed to roll one back, undo it or restore what is parked. Only root can read it. NATTUI_STATE names another directory"},
	{"~/.local/state/nattui", "the same of a user who is not root, or nattui in XDG_STATE_HOME"},
	{
		"/etc/iptables/rules.v4, /etc/iptables/rules.v6, /etc/sysconfig/iptables, /etc/sysconfig/ip6tables, /etc/iptables/iptables.rules, /etc/iptables/ip6tables.rules, /var/lib/iptables/rules-save, /var/lib/ip6tables/rules-save",
		"where nattui save keeps rules on a host whose own service restores them from there: netfilter-persistent, iptables-services, or the iptables services of Arch and OpenRC",
	},
	{"~/.config/nattui/config.toml", "what an operator has chosen for the screens: theme, keys, the first countdown, the columns of Flows; nattui in XDG_CONFIG_HOME. An example is below"},
	{"/etc/nattui", "the saved rules on any other host, and the script that restores them. It does so without nattui as well, should that have been removed"},
	{"/etc/systemd/system/nattui.service, /etc/init.d/nattui", "run that script at boot, under systemd or OpenRC"},
	{"/etc/systemd/system/nattui-watch.service", "restores the rules when firewalld or ufw has reloaded, or the tables of nft were flushed; from nattui save --watch"},
	{"/etc/sysctl.d/90-nattui.conf, /etc/sysctl.d/zz-nattui.conf, /etc/modules-load.d/90-nattui.conf", "the settings that are to be set at boot, and the modules that these belong to"},
	{"/run/xtables.lock", "the lock of iptables on the legacy backend, held while a change is made"},
}

// environmentEntries are the variables that nattui looks at.
var environmentEntries = []entry{
	{"NATTUI_STATE", "the directory of the history, instead of /var/lib/nattui"},
	{"XDG_STATE_HOME", "where a user who is not root has it, in the directory nattui; by default ~/.local/state"},
	{"NATTUI_THEME", "the theme of the screens, as --theme has it"},
	{"XDG_CONFIG_HOME", "where the settings of the screens are, in the directory nattui; by default ~/.config"},
	{"PATH", "where iptables, ip6tables and other programs are looked for, then also in /usr/local/sbin, /usr/sbin and /sbin"},
	{"XTABLES_LOCKFILE, XTABLES_LIBDIR", "as iptables has them: the lock of the legacy backend, and where the extensions are"},
	{"SSH_CONNECTION, SUDO_USER", "where an operator came from and who it is, for the history and to see whether a change could cut the connection. They are not trusted alone: the logins that the system knows of count as well"},
	{"TERM, COLORTERM, NO_COLOR, CLICOLOR, CLICOLOR_FORCE", "which colours are used; with NO_COLOR none"},
	{"LC_ALL, LC_CTYPE, LANG", "whether the terminal shows UTF-8; otherwise plain ASCII is used"},
	{"SHELL", "the shell that nattui lab enter opens; by default /bin/sh"},
	{"GOMAXPROCS", "how many threads run Go code at a time; by default four more than there are processors"},
}

// internalVariables are set by nattui for itself, by systemd, or by its tests.
var internalVariables = []string{"NATTUI_LAB", "NATTUI_LAB_ROLE", "NATTUI_LAB_MISSION", "NATTUI_LAB_PROGRESS", "NATTUI_LAB_SCREENS", "NATTUI_COMPLETE", "NATTUI_GUARDS", "INVOCATION_ID", "RC_SVCNAME"}

// byLibraries are looked at by a library, not in this source.
var byLibraries = []string{"COLORTERM", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"}

// taskExamples are what people do, with the lines that do it.
var taskExamples = []struct {
	task, words string
	lines       []string
}{
	{"Look around", "The screens; they only look until something is confirmed. The same on a test network, without root where users may make namespaces.", []string{"sudo nattui", "sudo nattui --read-only", "nattui lab"}},
	{"Learn NAT", "Missions in the test network, checked by real packets; the tutorial leads through them.", []string{"nattui learn", "nattui learn publish"}},
	{"Share a connection", "Machines of a network use this gateway's address. First what would be done, then it.", []string{
		"sudo nattui guide share --net 192.168.0.0/24 --dry-run",
		"sudo nattui guide share --net 192.168.0.0/24 --watch",
	}},
	{"Publish a service", "Port 80 of the public address goes to a web server inside, also for clients in the server's own LAN; and where the server's replies would take another way, with a return path.", []string{
		"sudo nattui guide publish --port 80 --to 192.168.0.2:8080 --inside",
		"sudo nattui guide publish --port 80 --to 192.168.0.2:8080 --inside --way-back elsewhere",
	}},
	{"Find out why a forward is dead", "One forward, followed from the packet that arrives to the answer that leaves; a packet's way as predicted, and as the kernel reports it.", []string{
		"sudo nattui doctor tcp 203.0.113.1:80 --probe",
		"sudo nattui whatif tcp 203.0.113.10:4000 203.0.113.1:80",
		"sudo nattui trace 'tcp dport 80 new' --count 2",
	}},
	{"Run a command from a tutorial", "What is wrong with it, and the corrected lines. Nothing runs until it is confirmed.", []string{
		"sudo nattui import 'iptables -t nat -A POSTROUTING -s 192.168.0.1/24 MASQUERADE' --dry-run",
	}},
	{"Keep a change that would be rolled back", "From a new login, which proves that there still is a way in.", []string{"sudo nattui confirm"}},
	{"Undo", "", []string{"sudo nattui history", "sudo nattui undo"}},
	{"Save the rules for the next boot", "", []string{"sudo nattui save --dry-run", "sudo nattui save"}},
	{"Watch connections", "Those with the most traffic; and every connection that ends, with its bytes.", []string{
		"sudo nattui flows --filter 'nat dnat' --sort -rate --limit 10",
		"sudo nattui flows --follow --json --filter 'event destroy' | jq -r '[.orig.src, .reply.src, .orig.bytes] | @tsv'",
	}},
	{"In a script", "Exit status 3: the table has changed since. 10: the doctor found something.", []string{
		"nattui add dnat --proto tcp --in wan0 --dport 80 --to 192.168.0.2:8080 --yes --confirm 2m",
		"nattui doctor --json | jq -r 'select(.severity == \"error\") | .sentence'",
	}},
	{"Ask about a gateway elsewhere", "Its rules, addresses and routes are recorded there, and examined here without privileges.", []string{
		"ssh root@gateway nattui record > gateway.json",
		"nattui whatif --gateway gateway.json tcp 203.0.113.10:4000 203.0.113.1:80",
	}},
}

const securityProse = "nattui needs CAP_NET_ADMIN and CAP_NET_RAW for rules and connections, and root for legacy rules and to save anything for boot. It opens no port unless it is told to, by `metrics --listen` or `forward`, and has no daemon: " +
	"a process stays while a change waits to be confirmed, with `save --watch`, and where `metrics` or `log` runs as a unit, which none does until it is enabled.\n\n" +
	"Programs are run with their arguments as such, never by a shell. Names, comments and packets from elsewhere reach the terminal escaped, and cannot move the cursor or forge a line of the log. " +
	"Pasted text is read, not run.\n\n" +
	"The history tells who changed what and from where; only root can read it. Changes are told to the system log as well (facility authpriv).\n\n" +
	"`nattui forward` listens on the address that it is given, for everybody who can reach it."

// eachName is all single names of entries, of which one may have several.
func eachName(entries []entry) []string {
	var all []string
	for _, e := range entries {
		all = append(all, strings.Split(e.name, ", ")...)
	}
	return all
}

// Every variable that the source asks for is in the manual, and the other way round.
func TestManualNamesTheEnvironment(t *testing.T) {
	sequential(t)
	asked := map[string]bool{}
	for _, v := range byLibraries {
		asked[v] = true
	}
	constants, reads := map[string]string{}, []ast.Expr{}
	ourFiles(t, func(file *ast.File) {
		ast.Inspect(file, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if i < len(n.Values) {
						if text, ok := literal(n.Values[i]); ok {
							constants[name.Name] = text
						}
					}
				}
			case *ast.CallExpr:
				if f := called(n.Fun); len(n.Args) == 1 && (f == "Getenv" || f == "LookupEnv" || f == "getenv") {
					reads = append(reads, n.Args[0])
				}
			case *ast.RangeStmt: // for _, name := range []string{"A", "B"} that are looked up within
				if list, ok := n.X.(*ast.CompositeLit); ok && upper(list) {
					reads = append(reads, list.Elts...)
				}
			}
			return true
		})
	})
	for _, e := range reads {
		if text, ok := literal(e); ok {
			asked[text] = true
		} else if name := called(e); constants[name] != "" {
			asked[constants[name]] = true
		}
	}
	for _, v := range internalVariables {
		delete(asked, v)
	}
	told := eachName(environmentEntries)
	slices.Sort(told)
	if got := slices.Sorted(maps.Keys(asked)); !slices.Equal(got, told) {
		t.Errorf("the source looks at\n%q\nand the manual names\n%q", got, told)
	}
}

// called is the last name of a function or constant.
func called(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

func literal(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(l.Value)
	return text, err == nil
}

// upper reports a list of names of variables.
func upper(list *ast.CompositeLit) bool {
	for _, e := range list.Elts {
		text, ok := literal(e)
		if !ok || !regexp.MustCompile(`^(LC_[A-Z]+|LANG|[A-Z]+_[A-Z_]+)$`).MatchString(text) {
			return false
		}
	}
	return len(list.Elts) > 0
}

// ourFiles visits the syntax of the program's files, tests left out.
func ourFiles(t *testing.T, visit func(*ast.File)) {
	t.Helper()
	walk(t, func(path string) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "packaging/") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		visit(file)
	})
}

// Every file that has nattui's name, and every one that rules are saved to, is in the manual.
func TestManualNamesTheFiles(t *testing.T) {
	sequential(t)
	told := eachName(fileEntries)
	path := regexp.MustCompile(`^/(etc|var|usr|lib)/[A-Za-z0-9/._-]*[A-Za-z0-9]$`)
	found := 0
	ourFiles(t, func(file *ast.File) {
		ast.Inspect(file, func(node ast.Node) bool {
			e, ok := node.(ast.Expr)
			if !ok {
				return true
			}
			text, ok := literal(e)
			if !ok || !path.MatchString(text) || !strings.Contains(text, "nattui") && !regexp.MustCompile(`rules(-save|\.v[46])?$|sysconfig/ip6?tables$`).MatchString(text) {
				return true
			}
			found++
			if !slices.ContainsFunc(told, func(t string) bool {
				return text == t || strings.HasPrefix(text, t+"/") || strings.HasPrefix(text, t+".")
			}) && !madeForThose[text] {
				t.Errorf("the source has %s, and the manual does not", text)
			}
			return true
		})
	})
	if found < 15 {
		t.Errorf("only %d paths found", found)
	}
}

// madeForThose are links by which systemd and OpenRC enable what the manual names.
var madeForThose = map[string]bool{
	"/etc/systemd/system/multi-user.target.wants/nattui.service":       true,
	"/etc/systemd/system/multi-user.target.wants/nattui-watch.service": true,
	"/etc/runlevels/default/nattui":                                    true,
}

// code matches what stands for code in markdown and in roff: a block between fences, .EX and .EE, indented lines, or a
// span of a line.
var code = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```|^\\.EX\n(.*?)^\\.EE|((?:^(?: {4}|\t).*?\n)+)|`([^`\n]+)`")

// commandLines are the lines of code in a text of markdown or roff that call nattui, each as the words after it.
// What a line pipes nattui's output to, or redirects it to, is left out.
func commandLines(text string) [][]string {
	var all [][]string
	for _, found := range code.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(strings.Join(found[1:], "")) {
			line = strings.NewReplacer(`\-`, "-", `\&`, "", `\e`, `\`).Replace(strings.TrimSpace(line))
			for _, before := range []string{"$ ", "sudo ", "./", "ssh root@gateway "} {
				line = strings.TrimPrefix(line, before)
			}
			if strings.HasPrefix(line, "nattui ") {
				all = append(all, shellWords(strings.TrimPrefix(line, "nattui ")))
			}
		}
	}
	return all
}

// shellWords splits a line as a shell does, up to a pipe, a redirection or a comment.
func shellWords(line string) []string {
	var words []string
	word, begun, quote := "", false, rune(0)
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word += string(c)
		case c == '\'' || c == '"':
			quote, begun = c, true
		case strings.ContainsRune("|<>#;", c) && !begun:
			return words
		case c == ' ' || c == '\t':
			if begun {
				words = append(words, word)
			}
			word, begun = "", false
		default:
			word, begun = word+string(c), true
		}
	}
	if begun {
		words = append(words, word)
	}
	return words
}

// Every command on paper is one that nattui takes: it exists, and so do its flags.
func TestCommandsOnPaperExist(t *testing.T) {
	sequential(t)
	seen := 0
	walk(t, func(path string) {
		if filepath.Ext(path) != ".md" && !strings.HasPrefix(path, "docs/man/") || path == "CHANGELOG.md" { // which tells of what was
			return
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		for _, words := range commandLines(string(text)) {
			if synopsisLike(words) {
				continue
			}
			seen++
			c, rest, err := newRoot().Find(words)
			args := rest
			if err == nil && !c.DisableFlagParsing {
				if n := len(rest); n == 1 && c.Flags().Lookup(strings.TrimPrefix(rest[0], "--")) != nil {
					continue // a flag is mentioned
				}
				err = c.ParseFlags(rest)
				args = c.Flags().Args()
			}
			if err == nil && c.Args != nil && len(rest) > 0 { // without any it is only mentioned
				err = c.ValidateArgs(args)
			}
			if err != nil {
				t.Errorf("%s: nattui %q: %v", path, words, err)
			}
		}
	})
	if seen < 60 {
		t.Errorf("only %d commands were looked at", seen)
	}
}

// synopsisLike reports a line that stands for many: FILE, [flags], {a | b}, or three dots.
func synopsisLike(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool {
		return strings.ContainsAny(w, "{[…") || regexp.MustCompile(`^[A-Z]{2,}(/[A-Z]+)*$`).MatchString(w) && w != "PREROUTING" && w != "POSTROUTING" && w != "OUTPUT"
	})
}
