package nft

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// expressions are the kinds of expression by their names in JSON.
var expressions = byName(
	Payload{}, PayloadSet{}, Meta{}, CT{}, Cmp{}, Range{}, Bitwise{}, ByteOrder{}, Lookup{}, Immediate{}, NAT{}, Masq{}, Redir{}, TProxy{}, NoTrack{},
	Counter{}, Reject{}, Log{}, Limit{}, Quota{}, Fib{}, Numgen{}, Hash{}, Dynset{}, ObjRef{}, Rt{}, Socket{}, Exthdr{}, ToQueue{}, FlowOffload{}, ConnLimit{},
	Xfrm{}, Fwd{}, Dup{}, Synproxy{}, Unknown{},
)

func byName(list ...Expr) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for _, e := range list {
		all[nameOf(e)] = reflect.TypeOf(e)
	}
	return all
}

func nameOf(e Expr) string { return strings.ToLower(reflect.TypeOf(e).Name()) }

// Exprs are the expressions of a rule.
type Exprs []Expr

// MarshalJSON writes them as a list of objects, each with the one field that it is named by.
func (x Exprs) MarshalJSON() ([]byte, error) {
	list := make([]map[string]Expr, len(x))
	for i, e := range x {
		list[i] = map[string]Expr{nameOf(e): e}
	}
	return json.Marshal(list)
}

// UnmarshalJSON reads what MarshalJSON wrote. What it does not know becomes Unknown.
func (x *Exprs) UnmarshalJSON(data []byte) error {
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	*x = make(Exprs, 0, len(list))
	for _, one := range list {
		for name, raw := range one {
			e, err := expressionOf(name, raw)
			if err != nil {
				return err
			}
			*x = append(*x, e)
		}
	}
	return nil
}

func expressionOf(name string, raw json.RawMessage) (Expr, error) {
	kind, ok := expressions[name]
	if !ok {
		return Unknown{Name: name, Raw: raw}, nil
	}
	into := reflect.New(kind)
	if err := json.Unmarshal(raw, into.Interface()); err != nil {
		return nil, fmt.Errorf("the expression %s: %w", name, err)
	}
	return into.Elem().Interface().(Expr), nil
}

// recorded is a rule set in JSON. Registers hold numbers as the machine keeps them.
type recorded struct {
	Generation   uint32
	LittleEndian bool
	Tables       []*Table
	Links        Links `json:",omitempty"`
}

var errOrder = errors.New("the native nft tables were recorded on a machine that keeps numbers the other way round")

func littleEndian() bool { return binary.NativeEndian.Uint16([]byte{1, 0}) == 1 }

// MarshalJSON writes the rule set so that another machine of the same byte order can evaluate it.
func (s *Ruleset) MarshalJSON() ([]byte, error) {
	return json.Marshal(recorded{s.Generation, littleEndian(), s.Tables, s.Links})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Ruleset) UnmarshalJSON(data []byte) error {
	var r recorded
	if err := json.Unmarshal(data, &r); err != nil {
		return err
	}
	if r.LittleEndian != littleEndian() {
		return errOrder
	}
	s.Generation, s.Tables, s.Links = r.Generation, r.Tables, r.Links
	for _, t := range s.Tables {
		for _, c := range t.Chains {
			c.Table = t
		}
		for _, set := range t.Sets {
			set.Table = t
		}
		t.makeIndex()
		for _, o := range t.Objects {
			o.Table = t
		}
		for _, f := range t.Flowtables {
			f.Table = t
		}
	}
	return nil
}
