package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// application is a protocol that needs the kernel's help behind NAT, because it talks of addresses or ports inside of
// its packets.
type application struct {
	proto rules.Protocol
	port  uint16
	name  string
	// server and client are how much it matters that there is no helper for a server here, and for clients here.
	server, client Severity
	why, whyClient string
	// data is the protocol that what the helper is for comes by, from the server's address.
	data rules.Protocol
}

// gre carries the data of PPTP.
const gre = 47

// stray is what comes from a machine to this host itself although a client behind it is meant.
type stray struct {
	from  netip.Addr
	proto rules.Protocol
}

// noteStray notes what came to this host itself and is no answer: an FTP server's connection for the data, or other
// packets that nobody has answered.
func (c *flowStats) noteStray(x *Examination, f *flow.Flow) {
	ftp := f.Proto() == rules.TCP && f.Client().Port() == 20
	if !ftp && (f.Proto() == rules.TCP || f.Status&flow.StatusSeenReply != 0) || len(c.strays) >= statsLimit {
		return
	}
	if x.IsLocal(f.AskedFor().Addr()) && !x.IsLocal(f.Client().Addr()) {
		c.strays[stray{f.Client().Addr(), f.Proto()}] = true
	}
}

var applications = []application{
	{rules.TCP, 21, "ftp", SeverityWarning, SeverityNote, "FTP opens a second connection for every transfer, which no rule forwards unless a helper listens to the first one", "Active FTP has the server open the connection for the data, which comes to nobody without a helper; passive FTP works", rules.TCP},
	{rules.UDP, 5060, "sip", SeverityNote, SeverityNote, "SIP names addresses for the voice in its messages; without a helper one side may hear nothing, unless the telephone exchange is told its public address", "SIP names addresses for the voice in its messages; without a helper, or a telephone that finds out its public address, one side may hear nothing", rules.UDP},
	{rules.UDP, 69, "tftp", SeverityWarning, SeverityWarning, "TFTP answers from another port, which is let through only with a helper", "TFTP answers from another port, which belongs to no connection without a helper: the answer does not get to the client", rules.UDP},
	{rules.TCP, 1723, "pptp", SeverityWarning, SeverityNote, "PPTP carries its data in GRE, which is translated only with a helper", "PPTP carries its data in GRE: without a helper no two clients behind this host can use the same server, and where FORWARD filters, none", gre},
}

// checkHelpers tells of forwards, and of clients behind this host's address, whose protocol needs a helper.
func checkHelpers(x *Examination) (list []Finding) {
	if x.Settings.ConntrackHelper == facts.SettingOn {
		return nil
	}
	for i := range x.forwards {
		f := &x.forwards[i]
		if f.local || f.Owner != "" || f.via.dport != rules.Port(f.Asked.Port()) {
			continue // served by this host, by another program, or of a wider range than just this
		}
		for _, a := range applications {
			if a.proto != f.Proto || a.port != f.Asked.Port() && a.port != f.Server.Port() || x.hasHelper(f.packet, a.name) {
				continue
			}
			found := Finding{
				Check: "helper-missing", Severity: a.server, Subject: ruleName(f.Rule), Evidence: []string{f.String(), "no rule of table raw gives it the helper " + a.name},
				Sentence: a.why + ".",
			}
			name := rules.ProtoName(f.Proto)
			found.giveHelper(x, f.Rule.Variant, a.name, fmt.Sprintf("-A %%s -d %s -p %s -m %s --dport %d -j CT --helper %s", whole(f.Asked.Addr()), name, name, f.Asked.Port(), a.name))
			list = append(list, found)
		}
	}
	for i := range applications {
		list = append(list, clientsWithout(x, &applications[i])...)
	}
	return list
}

// helpersOf tells of the helper that a forward lacks.
func helpersOf(x *Examination, f *Forward) []Finding {
	return slices.DeleteFunc(checkHelpers(x), func(found Finding) bool { return found.Subject != ruleName(f.Rule) })
}

// clientsWithout tells of clients behind this host whose protocol needs a helper, by link.
func clientsWithout(x *Examination, a *application) (list []Finding) {
	told := map[string]int{}
	silent := x.stats.helpless[a.name]
	if silent == nil {
		return nil
	}
	for i := range silent.first {
		f := &silent.first[i]
		p := explain.FirstPacket(f)
		link, ok := x.insideLink(p.Src)
		if p.In = link; !ok || x.hasHelper(p, a.name) {
			continue
		}
		if at, ok := told[link]; ok {
			if e := &list[at].Evidence; len(*e) < 4 {
				*e = append(*e, clientEvidence(f))
			}
			continue
		}
		variant, ok := x.usual(f.Family())
		if !ok {
			continue
		}
		found := Finding{
			Check: "helper-missing", Severity: a.client, Subject: strings.ToUpper(a.name) + " from " + link,
			Evidence: []string{clientEvidence(f)}, Sentence: a.whyClient + ".",
		}
		if x.stats.strays[stray{f.ServedBy().Addr(), a.data}] {
			found.Severity = SeverityWarning
			found.Evidence = append(found.Evidence, fmt.Sprintf("%s from %s came to this host itself, as part of no connection", a.data, f.ServedBy().Addr()))
		}
		name := rules.ProtoName(a.proto)
		found.giveHelper(x, variant, a.name, fmt.Sprintf("-A %%s -i %s -p %s -m %s --dport %d -j CT --helper %s", link, name, name, a.port, a.name))
		told[link] = len(list)
		list = append(list, found)
	}
	return list
}

func clientEvidence(f *flow.Flow) string {
	answer := "answered"
	if f.Status&flow.StatusSeenReply == 0 {
		answer = "not answered"
	}
	return fmt.Sprintf("%s asks %s, seen as %s: %s", f.Client().Addr(), f.ServedBy(), f.SeenAs(), answer)
}

// giveHelper is the cure: a rule of the raw table that gives connections a helper.
func (f *Finding) giveHelper(x *Examination, v rules.Variant, name, line string) {
	step, ok := x.insert(evaluate.RuleRef{Variant: v, Table: "raw", Chain: "PREROUTING"}, line, "kernels no longer choose helpers by port; a rule has to give them")
	if !ok {
		return
	}
	f.Cure = rules.Plan{Title: "Give " + strings.ToUpper(name) + " its helper", Steps: []rules.Step{step}}
	f.Sentence += " The module nf_nat_" + name + " has to be loaded as well: modprobe nf_nat_" + name + "."
}

// helpless notes a flow of a client behind this host's address, whose protocol needs a helper.
func (c *flowStats) noteHelpless(x *Examination, f *flow.Flow) {
	for i := range applications {
		a := &applications[i]
		if f.Proto() != a.proto || f.AskedFor().Port() != a.port || x.IsLocal(f.Client().Addr()) {
			continue
		}
		if a.name == "tftp" && f.Status&flow.StatusSeenReply != 0 {
			continue // its server answers from the port that it was asked at
		}
		if c.helpless[a.name] == nil {
			c.helpless[a.name] = &crowd{}
		}
		c.helpless[a.name].add(f)
	}
}

// hasHelper tells that a rule gives a connection's first packet a helper.
func (t *trial) hasHelper(p evaluate.Packet, name string) bool {
	way := t.told(p)
	return slices.ContainsFunc(way.Visits, func(v evaluate.Visit) bool {
		if v.Native != nil && v.Verdict != evaluate.No && givesHelper(v.Native) {
			return true
		}
		if v.Rule == nil || v.Verdict != evaluate.Yes || v.Rule.Target.Name != "CT" {
			return false
		}
		at := slices.Index(v.Rule.Target.Options, "--helper")
		return at >= 0 && at+1 < len(v.Rule.Target.Options) && v.Rule.Target.Options[at+1] == name
	})
}

// givesHelper reports whether a native rule gives connections a helper (ct helper set): for which protocol says an object whose
// name is anybody's choice.
func givesHelper(r *nft.Rule) bool {
	const helper = 3 // NFT_OBJECT_CT_HELPER (linux/netfilter/nf_tables.h)
	return slices.ContainsFunc(r.Exprs, func(e nft.Expr) bool {
		ref, ok := e.(nft.ObjRef)
		return ok && (ref.Type == helper || ref.Set != "")
	})
}
