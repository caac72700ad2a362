package nft

import (
	"fmt"

	"nattui/rules"
)

// dormant is the flag of a table that is listed and not in use.
const dormant = "dormant"

// setting is the policy of a base chain, or with no chain whether the table is dormant; false where there is no such chain.
func (t *Table) setting(chain string) (value string, there bool) {
	if chain == "" {
		return map[bool]string{true: dormant}[t.Dormant], true
	}
	c := t.chain(chain)
	if c == nil || !c.IsBase() {
		return "", false
	}
	return c.Policy.String(), true
}

// unlike says what there is instead of the setting that a change expects; "" where it fits.
func (t *Table) unlike(c *rules.NativeChange) string {
	if t == nil {
		return "there is no such table"
	}
	switch value, there := t.setting(c.Chain); {
	case !there:
		return "there is no such base chain"
	case value == c.Text:
		return "it is so already"
	case value != c.Key && c.Chain != "":
		return "its policy is " + value + " now"
	}
	return ""
}

// setting adds the change of a setting.
func (d *difference) setting(was, now *Table, chain string) {
	before, _ := was.setting(chain)
	after, _ := now.setting(chain)
	d.add(rules.NativeChange{What: rules.NativeSetting, Family: now.Family.String(), Table: now.Name, Chain: chain, Key: before, Text: after})
}

// setting restores what was set before.
func (w *wayBack) setting(c rules.NativeChange, t *Table) {
	value, there := "", false
	if t != nil {
		value, there = t.setting(c.Chain)
	}
	switch {
	case there && value == c.Key:
		return // it was not made, or is undone already
	case !there:
		w.note("%s is gone, and with it what was set there", c.Place())
	case value != c.Text:
		w.note("%s is %s now", c.Place(), value)
	default:
		c.Key, c.Text, c.Spot = c.Text, c.Key, rules.NativeSpot{}
		w.Changes = append(w.Changes, c)
	}
}

// objectNames are the kinds of named objects as nft names them, by their numbers (NFT_OBJECT_*).
var objectNames = map[uint32]string{
	objectCounter: "counter", 2: "quota", 3: "ct helper", 4: "limit", 7: "ct timeout", 8: "secmark", 9: "ct expectation", 10: "synproxy",
}

const objectCounter = 1

// kind names what an object is.
func (o *Object) kind() string {
	if name, ok := objectNames[o.Kind]; ok {
		return name
	}
	return fmt.Sprintf("object of kind %d", o.Kind)
}

// object finds an object by what it is and its name; nil where there is none, or no table.
func (t *Table) object(kind, name string) *Object {
	if t == nil {
		return nil
	}
	for _, o := range t.Objects {
		if o.kind() == kind && o.Name == name {
			return o
		}
	}
	return nil
}

// objects compares the named objects of a table.
func (d *difference) objects(was, now *Table) {
	for _, o := range was.allObjects() {
		if other := now.object(o.kind(), o.Name); other == nil || other.Handle != o.Handle {
			d.object(was, o, true)
		}
	}
	for _, o := range now.allObjects() {
		if other := was.object(o.kind(), o.Name); other == nil || other.Handle != o.Handle {
			d.object(now, o, false)
		}
	}
}

// object adds the change that adds an object or deletes it.
func (d *difference) object(t *Table, o *Object, gone bool) {
	if objectNames[o.Kind] == "" {
		d.lacks("the %s %s of %s", o.kind(), o.Name, t)
		return
	}
	place := t.Family.String() + " " + t.Name
	d.add(rules.NativeChange{
		What: rules.NativeObject, Family: t.Family.String(), Table: t.Name, Set: o.Name, Key: o.kind(), Gone: gone,
		Text: d.body(gone, place+" "+o.kind()+" "+o.Name),
	})
}

func (t *Table) allObjects() []*Object {
	if t == nil {
		return nil
	}
	return t.Objects
}

// has tells whether the table itself, or the chain, set or object that a change is about, is there.
func (t *Table) has(c rules.NativeChange) bool {
	switch c.What {
	case rules.NativeChainKind:
		return t.chain(c.Chain) != nil
	case rules.NativeSetKind, rules.NativeMapKind:
		return t.named(c.Set) != nil
	case rules.NativeObject:
		return t.object(c.Key, c.Set) != nil
	}
	return t != nil
}
