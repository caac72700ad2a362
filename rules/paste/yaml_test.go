package paste

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestYAMLCommandsAreWhole takes a command as YAML has it, over however many lines it stands: half of a command is
// another command.
func TestYAMLCommandsAreWhole(t *testing.T) {
	const mail = "iptables -t filter -A FORWARD -i lan0 -p tcp -m tcp --dport 25 -j DROP"
	for _, c := range []struct{ name, text string }{
		{"folded", "runcmd:\n  - >-\n    iptables -A FORWARD\n    -i lan0 -p tcp --dport 25\n    -j DROP\n"},
		{"folded, the end first", "runcmd:\n  - >-\n    iptables -A FORWARD -j DROP\n    -i lan0 -p tcp --dport 25\n"},
		{"folded, kept", "services:\n  gw:\n    command: >+\n\n      iptables -A FORWARD -j DROP\n      -i lan0 -p tcp --dport 25\n\n"},
		{"literal", "runcmd:\n  - |\n    iptables -A FORWARD \\\n      -i lan0 -p tcp --dport 25 \\\n      -j DROP\n"},
		{"literal of a shell", "runcmd:\n  - [bash, -c, \"iptables -A FORWARD \\\n      -i lan0 -p tcp --dport 25 -j DROP\"]\n"},
		{"plain", "runcmd:\n  - iptables -A FORWARD -j DROP\n    -i lan0 -p tcp --dport 25\n"},
		{"plain value", "services:\n  gw:\n    command: iptables -A FORWARD -j DROP\n      -i lan0 -p tcp --dport 25\n"},
		{"on the next line", "services:\n  gw:\n    command:\n      iptables -A FORWARD -j DROP\n      -i lan0 -p tcp --dport 25\n"},
		{"double quotes", "runcmd:\n  - \"iptables -A FORWARD -j DROP\n    -i lan0 -p tcp\n    --dport 25\"\n"},
		{"double quotes with escapes", "runcmd:\n  - \"iptables\\x20-A FORWARD\\\n    \\ -j DROP -i \\\"lan0\\\" -p tcp --dport 25\"\n"},
		{"single quotes", "runcmd:\n  - 'iptables -A FORWARD -j DROP\n    -i ''lan0'' -p tcp --dport 25'\n"},
		{"words over lines", "runcmd:\n  - [ iptables, -A, FORWARD, -j, DROP,\n      -i, lan0, -p,\n      tcp, --dport, '25' ]\n"},
		{"JSON over lines", "{\"runcmd\": [\n  [\"iptables\", \"-A\", \"FORWARD\",\n  \"-j\", \"DROP\", \"-i\", \"lan0\", \"-p\", \"tcp\", \"--dport\", \"25\"]]}\n"},
		{"block list", "services:\n  gw:\n    command:\n      - iptables\n      - -A\n      - FORWARD\n\n      # mail\n      - -j\n      - DROP\n      - -i\n      - >-\n        lan0\n      - -p\n      - tcp\n      - --dport\n      - \"25\"\n"},
		{"environment", "services:\n  gw:\n    environment:\n      - WG_POST_UP=iptables -A FORWARD -j DROP\n        -i lan0 -p tcp --dport 25\n"},
		{"several documents", "apiVersion: v1\n---\napiVersion: v1\ncommand: iptables -A FORWARD -j DROP\n  -i lan0 -p tcp --dport 25\n"},
		{"a file to be written", "write_files:\n  - path: /etc/x\n    content: |\n      #!/bin/sh\n      IF=lan0\n      iptables -A FORWARD -j DROP \\\n        -i $IF -p tcp --dport 25\nruncmd: [id]\n"},
		{"a unit to be written", "#cloud-config\nwrite_files:\n  - content: |\n      [Service]\n      ExecStart=/sbin/iptables -A FORWARD -j DROP \\\n        -i lan0 -p tcp --dport 25\n"},
		{"saved rules to be written", "#cloud-config\nwrite_files:\n  - content: |\n      *filter\n      -A FORWARD -j DROP -i lan0 -p tcp --dport 25\n      COMMIT\n# iptables\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			im := Read(c.text, ground())
			var plan []string
			for _, argv := range im.Plan.Commands() {
				plan = append(plan, strings.Join(argv, " "))
			}
			if !slices.Equal(plan, []string{mail}) {
				t.Errorf("%s\ncomes to\n%s", c.text, describe(im))
			}
		})
	}
}

// TestYAMLPlaces has every word where it stands in the file.
func TestYAMLPlaces(t *testing.T) {
	for _, c := range []struct {
		name, text string
		said       []string // line, column and word of what is wrong
	}{
		{"folded", "runcmd:\n  - >-\n    iptables -A FORWARD\n    -i lan0 -p tcp --dprot 25\n    -j DORP\n", []string{"4:20 --dprot", "5:8 DORP"}},
		{"plain", "services:\n  gw:\n    command: iptables -A FORWARD -j DROP\n      -p tcp --dprot 25\n", []string{"4:14 --dprot"}},
		{"quoted", "runcmd:\n  - \"iptables -A 'FORWARD' -m comment --comment \\\"é\\\"\n     -j DORP\"\n", []string{"3:9 DORP"}},
		{"words", "runcmd:\n  - [ iptables, -A, FORWARD,\n      -j, DORP ]\n", []string{"3:11 DORP"}},
		{"literal", "runcmd:\n- |\n\n  iptables -A FORWARD \\\n      -j DORP\n", []string{"5:10 DORP"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			im := Read(c.text, ground())
			var said []string
			for _, r := range im.Remarks {
				said = append(said, fmt.Sprintf("%d:%d %s", r.Line, r.Column, r.Word))
			}
			if !slices.Equal(said, c.said) {
				t.Errorf("%s\ncomes to\n%s", c.text, describe(im))
			}
		})
	}
}

// TestYAMLRefused takes nothing where it is not known what would be run.
func TestYAMLRefused(t *testing.T) {
	for _, c := range []struct{ name, text, said string }{
		{"not whole", "services:\n  gw:\n    command: iptables -A FORWARD -j DROP\n   -i lan0\n", "error: this is no whole YAML"},
		{"a condition", "- hosts: gw\n  tasks:\n  - shell: iptables -A FORWARD -j DROP\n    when: false\n", "doubt: the Ansible playbook runs this only under a condition"},
		{"arguments of a script", "services:\n  gw:\n    entrypoint: [\"sh\", \"-c\", \"id\"]\n    command: [iptables, -A, FORWARD, -j, DROP]\n", "doubt: "},
		{"stop", "apiVersion: v1\nlifecycle:\n  preStop:\n    exec:\n      command: [iptables, -A, FORWARD, -j, DROP]\n", "note: this is what the Kubernetes manifest runs at the end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			im := Read(c.text, ground())
			said := fmt.Sprint(im.Remarks)
			if len(im.Plan.Steps) > 0 || !strings.Contains(said, c.said) {
				t.Errorf("%s\ncomes to\n%s", c.text, describe(im))
			}
		})
	}
}
