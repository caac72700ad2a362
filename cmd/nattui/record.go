package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nattui/model/facts"
	"nattui/rules"
)

// recording is a gateway as it was at one moment: enough to evaluate packets on
// it elsewhere.
type recording struct {
	Version int             `json:"version"`
	Facts   *facts.Facts    `json:"facts"`
	Tables  []recordedTable `json:"tables"`
}

// recordedTable is one rule set as iptables-save -c prints it.
type recordedTable struct {
	Family  string            `json:"family"`
	Backend string            `json:"backend"`
	Save    string            `json:"save"`
	Foreign map[string]string `json:"foreign,omitempty"`
}

// recordingVersion is the form that this program writes.
const recordingVersion = 1

func newRecordCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "record",
		Short: "Record this gateway's rules, addresses and routes, to examine them elsewhere",
		Long: "record prints, as JSON, what is needed to predict what this gateway does with a packet: its rule sets, links, addresses, routes and settings. " +
			"Look at it on any machine with  nattui open FILE,  or with --gateway FILE  of rules, chains, whatif, explain and doctor.",
		Example: "sudo nattui record > gw1.json\nnattui whatif --gateway gw1.json tcp 203.0.113.10:4000 203.0.113.1:80",
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return record(c.Context()) },
	}
}

func record(ctx context.Context) error {
	sets, facts, err := readGateway(ctx)
	if err != nil {
		return err
	}
	r := recording{Version: recordingVersion, Facts: facts}
	for variant, s := range sets {
		var save bytes.Buffer
		if err := rules.Save(&save, s.Tables); err != nil {
			return err
		}
		r.Tables = append(r.Tables, recordedTable{variant.Family.String(), variant.Backend.String(), save.String(), s.Foreign})
	}
	out := json.NewEncoder(stdout)
	out.SetIndent("", " ")
	return out.Encode(r)
}

// readGateway reads the rule sets and the facts of this host.
func readGateway(ctx context.Context) (map[rules.Variant]*rules.Ruleset, *facts.Facts, error) {
	tables, err := openTables(ctx, stderr)
	if err != nil {
		return nil, nil, err
	}
	sets, err := tables.ReadAll(ctx)
	if err != nil {
		return nil, nil, err
	}
	facts, err := readFacts(ctx)
	return sets, &facts, err
}

// readRecording reads what record wrote.
func readRecording(path string, data []byte) (map[rules.Variant]*rules.Ruleset, *facts.Facts, error) {
	var r recording
	if err := json.Unmarshal(data, &r); err != nil {
		if odd := new(json.SyntaxError); errors.As(err, &odd) && odd.Offset >= int64(len(bytes.TrimSpace(data))) {
			return nil, nil, fmt.Errorf("%s is cut off: it begins as a recorded gateway does, and ends within; take the whole of what  nattui record  wrote", path)
		}
		return nil, nil, fmt.Errorf("%s is not a recorded gateway (nattui record writes one): %w", path, err)
	}
	if r.Version > recordingVersion {
		return nil, nil, fmt.Errorf("%s was recorded by a newer nattui (format %d; this one reads %d)", path, r.Version, recordingVersion)
	}
	if missing := r.missing(); len(missing) > 0 {
		return nil, nil, fmt.Errorf("%s is incomplete: it lacks %s", path, strings.Join(missing, ", "))
	}
	sets := map[rules.Variant]*rules.Ruleset{}
	for _, t := range r.Tables {
		f, err := rules.ParseFamily(t.Family)
		if err != nil {
			return nil, nil, err
		}
		b, err := rules.ParseBackend(t.Backend)
		if err != nil {
			return nil, nil, err
		}
		tables, err := rules.Read(strings.NewReader(t.Save))
		if err != nil {
			return nil, nil, fmt.Errorf("%s: the %s %s rules: %w", path, t.Family, t.Backend, err)
		}
		sets[rules.Variant{Family: f, Backend: b}] = &rules.Ruleset{Family: f, Backend: b, Tables: tables, Foreign: t.Foreign}
	}
	return sets, r.Facts, nil
}

// missing names what a recording must have and has not.
func (r *recording) missing() []string {
	var list []string
	lacks := func(missing bool, what string) {
		if missing {
			list = append(list, what)
		}
	}
	lacks(len(r.Tables) == 0, "rule sets (tables)")
	lacks(r.Facts == nil, "what is known of the host (facts)")
	if r.Facts != nil {
		lacks(len(r.Facts.Links) == 0, "interfaces (facts.Links)")
		lacks(len(r.Facts.Addresses) == 0, "addresses (facts.Addresses)")
		lacks(len(r.Facts.Routes) == 0, "routes (facts.Routes)")
		lacks(len(r.Facts.PolicyRules) == 0, "routing rules (facts.PolicyRules)")
	}
	return list
}
