package facts

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Nftables are filter rules that were made with nft, beside those of iptables:
// packets meet both, and what either drops is gone. Only as much of nft's language
// is understood as filters usually use; of all else it is said that it is not.
type Nftables struct {
	chains []*NFTChain
	sets   map[string][]json.RawMessage // by table and name
}

// NFTChain is a chain of a native table. Type, Hook and Policy are nft's words, such as filter, forward and
// drop; they are "" for a chain that the kernel does not call itself.
type NFTChain struct {
	Family, Table, Name string
	Type, Hook, Policy  string
	Prio                int // of chains at the same hook the kernel calls that of the lowest first
	// Dev are the interfaces of a chain at ingress or egress, a name or a list of them.
	Dev   json.RawMessage
	rules []NFTRule
}

// NFTRule is one rule of a native chain.
type NFTRule struct {
	Handle  int // the kernel's number, unique in the table
	Comment string
	Expr    []map[string]json.RawMessage // libnftables-json(5), in order
}

// Parse adds what  nft -j list table  has printed of a table
// (libnftables-json(5)). Chains that iptables made are to be left out by skip,
// which may be nil.
func (n *Nftables) Parse(text []byte, skip func(family, table, chain string) bool) error {
	var doc struct {
		Nftables []map[string]json.RawMessage `json:"nftables"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("parse the output of nft: %w", err)
	}
	if n.sets == nil {
		n.sets = map[string][]json.RawMessage{}
	}
	for _, object := range doc.Nftables {
		if err := n.object(object, skip); err != nil {
			return fmt.Errorf("parse the output of nft: %w", err)
		}
	}
	return nil
}

func (n *Nftables) object(object map[string]json.RawMessage, skip func(family, table, chain string) bool) error {
	switch {
	case object["chain"] != nil:
		c := &NFTChain{}
		if err := json.Unmarshal(object["chain"], c); err != nil {
			// A priority may be a word in old versions; nothing hangs on it here.
			if typeError := (*json.UnmarshalTypeError)(nil); !errors.As(err, &typeError) {
				return err
			}
		}
		if skip == nil || !skip(c.Family, c.Table, c.Name) {
			n.chains = append(n.chains, c)
		}
	case object["set"] != nil, object["map"] != nil:
		kind := "set"
		if object["set"] == nil {
			kind = "map"
		}
		var s struct {
			Family, Table, Name string
			Elem                []json.RawMessage
		}
		if err := json.Unmarshal(object[kind], &s); err != nil {
			return err
		}
		n.sets[s.Family+" "+s.Table+" "+s.Name] = append([]json.RawMessage{}, s.Elem...)
	case object["rule"] != nil:
		var r struct {
			Family, Table, Chain, Comment string
			Handle                        int
			Expr                          []map[string]json.RawMessage
		}
		if err := json.Unmarshal(object["rule"], &r); err != nil {
			return err
		}
		if c := n.chain(r.Family, r.Table, r.Chain); c != nil {
			c.rules = append(c.rules, NFTRule{r.Handle, r.Comment, r.Expr})
		}
	}
	return nil
}

func (n *Nftables) chain(family, table, name string) *NFTChain {
	for _, c := range n.chains {
		if c.Family == family && c.Table == table && c.Name == name {
			return c
		}
	}
	return nil
}

// Packets is what a counter of the rule says; false if it has none.
func (r *NFTRule) Packets() (uint64, bool) {
	for _, statement := range r.Expr {
		if text, ok := statement["counter"]; ok {
			_, rest, _ := strings.Cut(string(text), `"packets":`)
			digits := strings.TrimSpace(rest)
			if at := strings.IndexAny(digits, ",} "); at > 0 {
				n, err := strconv.ParseUint(digits[:at], 10, 64)
				return n, err == nil
			}
		}
	}
	return 0, false
}
