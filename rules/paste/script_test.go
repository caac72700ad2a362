package paste

import (
	"slices"
	"strings"
	"testing"
)

// scripts are texts of which a shell would run a part, or run with values of its own.
var scripts = []struct {
	name, text string
	plan       []string // of the text as it is; nil where it is in doubt
	said       []string // LEVEL WORD: part of the text
	mended     []string // what is applied of the corrected lines
}{
	{"exit", "iptables -A FORWARD -i a -j DROP\nexit 0\niptables -A FORWARD -i b -j DROP", []string{"-i a"}, []string{"note exit: ends the script here"}, nil},
	{"exec", "exec iptables -A FORWARD -i a -j DROP\niptables -A FORWARD -i b -j DROP", []string{"-i a"}, []string{"note exec: ends the script here"}, nil},
	{"exit in a branch that is known", "if true; then\niptables -A FORWARD -i a -j DROP\nexit\nfi\niptables -A FORWARD -i b -j DROP", []string{"-i a"}, []string{"note exit: ends"}, nil},
	{"exit that is not reached", "true || exit 1\niptables -A FORWARD -i a -j DROP", []string{"-i a"}, nil, nil},
	{"exit of a shell of its own", "sh -c 'exit 0'\niptables -A FORWARD -i a -j DROP", []string{"-i a"}, nil, nil},
	{"exit at the end", "iptables -A FORWARD -i a -j DROP\nexit 0\n", []string{"-i a"}, nil, nil},
	{"a fragment", "-j DROP", nil, []string{"error -j: the program is missing", "error iptables: it is not said what to do"}, nil},
	{"a fragment of nat", "-o a -j MASQUERADE", nil, []string{"error -o: the program is missing", "error iptables: it is not said what to do", "error POSTROUTING: belongs to table nat"}, []string{"iptables -t nat -A POSTROUTING -o a -j MASQUERADE"}},
	{"a comment inside", "iptables -A FORWARD -i a \\\n # why\n # and more\n -j DROP\niptables -A FORWARD -i b -j DROP", nil, []string{"error #: a comment ends the command", "error #: a comment ends the command"}, []string{"-i a", "-i b"}},
	{"a comment behind", "iptables -A FORWARD -i a # why \\\n -j DROP", nil, []string{"error -j: the program is missing", "error iptables: it is not said what to do"}, nil},
	{"a function in one line", "function f { iptables -A FORWARD -i a -j DROP; }\niptables -A FORWARD -i b -j DROP", nil, []string{"error function: shell logic", "doubt iptables: not known whether"}, []string{"-i b"}},
	{"a script for elsewhere", "ssh gw <<E\niptables -A FORWARD -i a -j DROP\nE\niptables -A FORWARD -i b -j DROP", nil, []string{"doubt ssh: runs elsewhere: gw"}, []string{"-i b"}},
	{"a test", "[ -f /x ] && iptables -A FORWARD -i a -j DROP\niptables -A FORWARD -i b -j DROP", nil, []string{"error [: shell logic", "doubt iptables: not known whether"}, []string{"-i b"}},
	{
		"an if", "if [ -f /x ]; then\n iptables -A FORWARD -i a -j DROP\n iptables -A FORWARD -i b -j DROP\nelse\n iptables -A FORWARD -i c -j DROP\nfi\niptables -A FORWARD -i d -j DROP", nil,
		[]string{"error if: shell logic", "doubt iptables: not known whether"},
		[]string{"-i d"},
	},
	{"an if that is known", "if false; then\n iptables -A FORWARD -i a -j DROP\nelif true; then\n iptables -A FORWARD -i b -j DROP\nelse\n iptables -A FORWARD -i c -j DROP\nfi", []string{"-i b"}, nil, nil},
	{"an if by iptables", "if ! iptables -C FORWARD -i a -j DROP; then iptables -A FORWARD -i a -j DROP; fi", []string{"-i a"}, nil, nil},
	{"false", "false && iptables -A FORWARD -i a -j DROP\nfalse || iptables -A FORWARD -i b -j DROP\n: && iptables -A FORWARD -i c -j DROP", []string{"-i b", "-i c"}, nil, nil},
	{
		"a case", "case $1 in\n start)\n iptables -A FORWARD -i a -j DROP\n ;;\n stop) iptables -D FORWARD -i a -j DROP;;\nesac\niptables -A FORWARD -i b -j DROP", nil,
		[]string{"error case: shell logic", "error ): parentheses", "doubt iptables: not known whether", "error ): parentheses"},
		[]string{"-i b"},
	},
	{
		"a for", "for p in 1 2; do iptables -A FORWARD -i a -p tcp --dport $p -j DROP; done; iptables -A FORWARD -i b -j DROP", nil,
		[]string{"error for: shell logic", "doubt iptables: not known whether"},
		[]string{"-i b"},
	},
	{
		"a function", "f() {\n iptables -A FORWARD -i a -j DROP\n}\niptables -A FORWARD -i b -j DROP", nil,
		[]string{"error (: parentheses", "error ): parentheses", "doubt iptables: not known whether"},
		[]string{"-i b"},
	},
	{"a program that is not run", "grep -q x /y && iptables -A FORWARD -i a -j DROP", nil, []string{"doubt grep: not run", "doubt iptables: not known whether"}, nil},
	{"a comment of two lines", "[ x ] && iptables -A FORWARD -i a -m comment --comment 'x\niptables -A FORWARD -i b' -j DROP", nil, []string{"error [: shell logic", "doubt iptables: not known whether"}, nil},

	{"a value", "A=1.1.1.1\niptables -A FORWARD -s $A -j DROP\nA=2.2.2.2\niptables -A FORWARD -s \"${A}\" -j DROP", []string{"-s 1.1.1.1/32", "-s 2.2.2.2/32"}, nil, nil},
	{"a value by another", "NET=10.1 A=$NET.0.0/16\niptables -A FORWARD -s $A -j DROP", []string{"-s 10.1.0.0/16"}, nil, nil},
	{"a usual value", "iptables -A FORWARD -s ${B:-3.3.3.3} -j DROP", []string{"-s 3.3.3.3/32"}, nil, nil},
	{"an exported value", "export A=1.1.1.1\nreadonly B=${A}\niptables -A FORWARD -s ${B} -j DROP", []string{"-s 1.1.1.1/32"}, nil, nil},
	{"several words", "M='-s 1.1.1.1 -i a'\niptables -A FORWARD $M -j DROP", []string{"-s 1.1.1.1/32 -i a"}, nil, nil},
	{"nothing", "M=\niptables $M -A FORWARD -i a -j DROP", []string{"-i a"}, nil, nil},
	{"in a here-document", "A=1.1.1.1\niptables-restore -n <<E\n*filter\n-A FORWARD -s $A -j DROP\nCOMMIT\nE", []string{"-s 1.1.1.1/32"}, []string{"note : stays"}, nil},
	{"a look for the program", "command -v iptables >/dev/null || exit 1\nwhich iptables && iptables -A FORWARD -i a -j DROP", []string{"-i a"}, nil, nil},
	{"a list behind a test", "grep x y && {\n iptables -A FORWARD -i a -j DROP\n}\niptables -A FORWARD -i b -j DROP", nil, []string{"doubt grep: not run", "doubt iptables: not known whether"}, []string{"-i b"}},
	{"an if inside an if", "if grep x y; then\n if true; then\n iptables -A FORWARD -i a -j DROP\n fi\nfi\niptables -A FORWARD -i b -j DROP", nil, []string{"error if: shell logic", "doubt grep: not run", "doubt iptables: not known whether"}, []string{"-i b"}},
	{"the program", "IPT=$(which iptables)\n$IPT -A FORWARD -i a -j DROP", []string{"-i a"}, nil, nil},
	{"only for one command", "A=1.1.1.1 true\niptables -A FORWARD -s ${A:-2.2.2.2} -j DROP", []string{"-s 2.2.2.2/32"}, nil, nil},

	{"a container", "docker exec gw iptables -A FORWARD -i a -j DROP\niptables -A FORWARD -i b -j DROP", nil, []string{"doubt docker: runs elsewhere: gw"}, []string{"-i b"}},
	{"another host", "ssh -p 22 root@gw iptables -A FORWARD -i a -j DROP", nil, []string{"doubt ssh: runs elsewhere: root@gw"}, nil},
	{"another host, quoted", "ssh gw 'iptables -A FORWARD -i a -j DROP'", nil, []string{"doubt ssh: runs elsewhere: gw"}, nil},
	{"another process", "nsenter -t 4 -n iptables -A FORWARD -i a -j DROP", nil, []string{"doubt nsenter: runs elsewhere: process 4"}, nil},
	{"another namespace", "sudo ip netns exec red iptables -A FORWARD -i a -j DROP", nil, []string{"doubt ip: runs elsewhere: red"}, nil},
	{"ebtables", "ebtables -A FORWARD -i a -j DROP", nil, []string{"doubt ebtables: is not run"}, nil},
	{"nft among iptables", "iptables -A FORWARD -i a -j DROP\nnft add rule inet mine pre tcp dport 8099 dnat ip to 192.168.7.51", nil, []string{"doubt nft: a text of their own"}, []string{"-i a"}},
	{"env", "env A=1 iptables -A FORWARD -i a -j DROP", []string{"-i a"}, nil, nil},
	{"a prompt", "> iptables -A FORWARD -i a -j DROP\n> sudo iptables -A FORWARD -i b -j DROP", []string{"-i a", "-i b"}, nil, nil},
	{"a no-break space", "iptables\u00a0-A FORWARD -i a -j DROP", []string{"-i a"}, []string{"note \u00a0: no-break space"}, nil},

	{"a rule that is not there", "iptables -D FORWARD -i a -j DROP 2>/dev/null\niptables -A FORWARD -i b -j DROP", []string{"-i b"}, []string{"note -D: no such rule"}, nil},
	{"and nobody looks", "iptables -D FORWARD -i a -j DROP >/dev/null 2>&1\niptables -A FORWARD -i b -j DROP", []string{"-i b"}, []string{"note -D: no such rule"}, nil},
	{"or true", "iptables -D FORWARD -i a -j DROP || true\niptables -A FORWARD -i b -j DROP", []string{"-i b"}, []string{"note -D: no such rule"}, nil},
	{"with set -e", "set -e\niptables -D FORWARD -i a -j DROP 2>/dev/null\niptables -A FORWARD -i b -j DROP", nil, []string{"error -D: no such rule"}, nil},
	{"a chain that is not there", "iptables -F mine 2>/dev/null\niptables -X mine 2>/dev/null\niptables -N mine", []string{"-N mine"}, []string{"note mine: has no chain", "note mine: has no chain"}, nil},

	{"prose around it", "# Firewall\n\nDo this:\n\n```bash\n$ iptables -A FORWARD -i a -j DROP\n```\nand then\n~~~\niptables -A FORWARD -i b -j DROP\n~~~\n", []string{"-i a", "-i b"}, nil, nil},
	{"a command in the prose", "```\niptables -A FORWARD -i a -j DROP\n```\nand\n\niptables -A FORWARD -i b -j DROP\n", []string{"-i a", "-i b"}, nil, nil},
	{"Markdown", "```sh\niptables -A FORWARD -i a -j DROP\n```\n", []string{"-i a"}, nil, nil},
}

// TestScripts holds what is made of scripts against what a shell would run of them.
func TestScripts(t *testing.T) {
	for _, c := range scripts {
		t.Run(c.name, func(t *testing.T) {
			im := Read(c.text, ground())
			ok := len(im.Remarks) == len(c.said) && len(im.Questions) == 0 && im.InDoubt() == (c.plan == nil)
			for i := range min(len(im.Remarks), len(c.said)) {
				head, text, _ := strings.Cut(c.said[i], ": ")
				ok = ok && im.Remarks[i].Level.String()+" "+im.Remarks[i].Word == head && strings.Contains(im.Remarks[i].Text, text)
			}
			applied := im
			want := c.plan
			if im.InDoubt() {
				applied, want = Read(strings.Join(im.Corrected, "\n"), ground()), c.mended
			}
			if got := short(applied); !ok || !slices.Equal(got, want) {
				t.Errorf("%s\ncomes to\n%s\nand corrected to\n%s", c.text, describe(im), describe(applied))
			}
		})
	}
}

// short are the commands of a plan without what all of these have.
func short(im Import) []string {
	var all []string
	for _, argv := range im.Plan.Commands() {
		line := strings.TrimPrefix(strings.Join(argv, " "), "iptables -t filter ")
		all = append(all, strings.TrimSuffix(strings.TrimPrefix(line, "-A FORWARD "), " -j DROP"))
	}
	return all
}

// TestValuesFromOutside has --set win over what the text says, and asks for what only running something would tell.
func TestValuesFromOutside(t *testing.T) {
	g := ground()
	g.Answers = map[string]string{"A": "9.9.9.9"}
	if got := short(Read("A=1.1.1.1\niptables -A FORWARD -s $A -j DROP", g)); !slices.Equal(got, []string{"-s 9.9.9.9/32"}) {
		t.Errorf("with --set A: %q", got)
	}
	for _, text := range []string{
		"A=$(dig x)\niptables -A FORWARD -s $A -j DROP", "A=1.1.1.1\n[ x ] && A=2.2.2.2\niptables -A FORWARD -s $A -j DROP", "iptables -A FORWARD -s ${A%/*} -j DROP",
		"A=1.1.1.1\nif grep x y; then A=2.2.2.2; fi\niptables -A FORWARD -s ${A:-1.1.1.1} -j DROP", "A=1.1.1.1\n. /etc/default/fw\niptables -A FORWARD -s $A -j DROP", "source fw\niptables -A FORWARD -s ${A:-1.1.1.1} -j DROP", "read A\niptables -A FORWARD -s $A -j DROP",
		"iptables-restore -n <<E\n*filter\n-A FORWARD -s $A -j DROP\nCOMMIT\nE",
	} {
		if im := Read(text, ground()); len(im.Questions) != 1 || im.Questions[0].Name != "A" {
			t.Errorf("%s\ncomes to\n%s", text, describe(im))
		}
	}
}
