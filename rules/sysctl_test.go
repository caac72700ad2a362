package rules_test

import (
	"os/exec"
	"strings"
	"testing"

	"nattui/rules"
)

func TestSysctlCommands(t *testing.T) {
	const name = "net.ipv4.conf.eth0/10.forwarding"
	tests := map[string]struct {
		w          rules.Sysctl
		now, after string // the commands of the write and of its inverse
	}{
		"now":           {rules.Sysctl{Name: name, Value: "1", Old: "0"}, "sysctl -w " + name + "=1", "sysctl -w " + name + "=0"},
		"now, boot":     {rules.Sysctl{Name: name, Value: "1", Old: "0", Boot: true}, "sysctl -w " + name + "=1\necho '" + name + " = 1' >> /etc/sysctl.d/90-nattui.conf", "sysctl -w " + name + "=0\necho '" + name + " = 0' >> /etc/sysctl.d/90-nattui.conf"},
		"right already": {rules.Sysctl{Name: name, Value: "1", Old: "1", Boot: true}, "echo '" + name + " = 1' >> /etc/sysctl.d/90-nattui.conf", "echo '" + name + " = 1' >> /etc/sysctl.d/90-nattui.conf"},
		"as it was kept": {
			rules.Sysctl{Name: name, Value: "1", Old: "0", Boot: true, File: "/etc/sysctl.conf", AtBoot: &rules.Kept{Value: "1"}},
			"sysctl -w " + name + "=1\necho '" + name + " = 1' >> /etc/sysctl.conf", "sysctl -w " + name + "=0\nsed -i '/^net\\.ipv4\\.conf\\.eth0\\/10\\.forwarding *=/d' /etc/sysctl.conf",
		},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			lines := func(p rules.Plan) string {
				var list []string
				for _, argv := range p.Commands() {
					list = append(list, rules.ShellLine(argv))
				}
				return strings.Join(list, "\n")
			}
			p := rules.Plan{Title: "Test.", Steps: []rules.Step{{Sysctl: &test.w}}}
			if got := lines(p); got != test.now {
				t.Errorf("commands\n%s\nwant\n%s", got, test.now)
			}
			if got := lines(p.Inverse()); got != test.after {
				t.Errorf("commands of the inverse\n%s\nwant\n%s", got, test.after)
			}
			if got := p.Inverse().Inverse().Steps[0].Sysctl; got.Value != test.w.Value || got.KeptValue() != test.w.KeptValue() {
				t.Errorf("twice inverted it is %+v", got)
			}
		})
	}
	// What cannot be seen is written so that a shell reads the same bytes back, and nothing else is needed to copy it.
	for word, want := range map[string]string{
		"a\u202ez": `$'a\342\200\256z'`, "two\nlines": `$'two\012lines'`, "it's \x1b[1m": `$'it\'s \033[1m'`, "bad \xff\\": `$'bad \377\\'`, "schön": "'schön'",
	} {
		if got := rules.ShellWord(word); got != want {
			t.Errorf("%q is written %s, want %s", word, got, want)
		}
		if bash, err := exec.LookPath("bash"); err == nil {
			if got, err := exec.Command(bash, "-c", "printf %s "+want).Output(); err != nil || string(got) != word {
				t.Errorf("bash reads %s as %q, %v", want, got, err)
			}
		}
	}
	// A rule's own word is quoted, whatever it is.
	if got := rules.ShellLine([]string{"iptables", "--comment", ">>"}); got != "iptables --comment '>>'" {
		t.Error(got)
	}
}
