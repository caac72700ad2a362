package commit

import (
	"context"
	"encoding/xml"
	"strings"

	"nattui/rules"
)

// This file tells the rules that firewalld was handed as they are ("direct", firewalld.direct(5)): they stand in the kernel's
// own chains as if the administrator had made them, and firewalld makes and removes them.

// directFile is /etc/firewalld/direct.xml.
type directFile struct {
	Chains []struct {
		IPv   string `xml:"ipv,attr"`
		Table string `xml:"table,attr"`
		Chain string `xml:"chain,attr"`
	} `xml:"chain"`
	Rules []struct {
		IPv   string `xml:"ipv,attr"`
		Table string `xml:"table,attr"`
		Chain string `xml:"chain,attr"`
		Args  string `xml:",chardata"`
	} `xml:"rule"`
	Passthroughs []struct {
		IPv  string `xml:"ipv,attr"`
		Args string `xml:",chardata"`
	} `xml:"passthrough"`
}

// directPrograms are by what firewalld calls the families.
var directPrograms = map[string]string{"ipv4": "iptables", "ipv6": "ip6tables"}

// directLines are the commands that firewalld would make of the text of its file, as a shell reads them; of bridges none.
func directLines(text string) (lines []string) {
	var f directFile
	if xml.Unmarshal([]byte(text), &f) != nil {
		return nil
	}
	add := func(ipv, rest string) {
		if program := directPrograms[ipv]; program != "" {
			lines = append(lines, program+" "+strings.Join(strings.Fields(rest), " "))
		}
	}
	for _, c := range f.Chains {
		add(c.IPv, "-t "+c.Table+" -N "+c.Chain)
	}
	for _, r := range f.Rules {
		add(r.IPv, "-t "+r.Table+" -A "+r.Chain+" "+r.Args)
	}
	for _, p := range f.Passthroughs {
		add(p.IPv, p.Args)
	}
	return lines
}

// direct are the direct rules of a firewalld that is started at boot, or runs: those that it keeps, and those that it has
// only now. err says that it was not to be asked.
func (c *Committer) direct() (lines []string, err error) {
	host := hostFiles(c.root)
	if running := host.there("/run/firewalld.pid"); running || host.starts("firewalld") == started {
		lines = directLines(c.hostFile("/etc/firewalld/direct.xml"))
	}
	if c.kernel.FrontEnds == nil {
		return lines, nil
	}
	now, err := c.kernel.FrontEnds.Direct(context.Background())
	return append(lines, now...), err
}

// firewalld notes what such lines make.
func (m made) firewalld(lines []string) {
	for _, line := range lines {
		m.lines(line, "firewalld")
	}
}

// note notes what a change would make.
func (m made) note(c rules.Change, by string) {
	of := m.all[rules.Variant{Family: c.Family, Backend: c.Backend}]
	switch {
	case of == nil:
	case c.Op == rules.Insert:
		of.Add(c.Table, c.Rule.InChain(c.Chain), by)
	case c.Op == rules.NewChain:
		of.AddChain(c.Table, c.Chain, by)
	}
}
