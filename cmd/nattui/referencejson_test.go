package main

import (
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// toldAs are what the commands with --json print, each by the title under which the reference has it. Connections are written
// without a type, by model/flow.
var toldAs = map[string]struct {
	title string
	value any
}{
	"rules": {"rule", ruleJSON{}}, "chains": {"chains", chainTold{}}, "flows": {"flow", nil}, "whatif": {"whatif", jsonWhatif{}}, "trace": {"trace", jsonTraced{}},
	"doctor": {"doctor", findingJSON{}}, "switches": {"switches", switchJSON{}}, "history": {"history", historyLine{}}, "health": {"health", healthTold{}},
	"flows health": {"health", healthTold{}}, "apply": {"apply", appliedJSON{}}, "restore": {"apply", appliedJSON{}}, "snapshots": {"snapshots", snapshotJSON{}}, "top": {"top", topTold{}}, "explain": {"explain", nil},
}

// Every command that prints JSON has its fields in the reference: those that it prints, and no others.
func TestReferenceHasTheJSON(t *testing.T) {
	sequential(t)
	seen := 0
	for _, c := range documented(newRoot()) {
		if c.Flags().Lookup("json") == nil {
			continue
		}
		seen++
		name := strings.TrimPrefix(c.CommandPath(), "nattui ")
		told, ok := toldAs[name]
		i := slices.IndexFunc(jsonEntries, func(j struct {
			title  string
			fields []entry
		},
		) bool {
			return j.title == told.title
		})
		if !ok || i < 0 {
			t.Errorf("nattui %s --json is not in the reference", name)
			continue
		}
		if told.value != nil {
			sameFields(t, name, reflect.TypeOf(told.value), jsonEntries[i].fields)
		}
	}
	if seen < 10 {
		t.Errorf("only %d commands were looked at", seen)
	}
}

// sameFields holds what is told of a type's fields against them. What a field itself has of fields is named in its words.
func sameFields(t *testing.T, command string, of reflect.Type, entries []entry) {
	t.Helper()
	names := eachName(entries)
	for i := range of.NumField() {
		field := fieldName(of.Field(i))
		if field == "" || field == "-" {
			continue
		}
		at := slices.IndexFunc(entries, func(e entry) bool { return slices.Contains(strings.Split(e.name, ", "), field) })
		if at < 0 {
			t.Errorf("nattui %s --json prints %q, which the reference does not have", command, field)
			continue
		}
		names = slices.DeleteFunc(names, func(n string) bool { return n == field })
		inner := of.Field(i).Type
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() != reflect.Struct || !strings.HasPrefix(inner.PkgPath(), "nattui/") {
			continue
		}
		for j := range inner.NumField() {
			if within := fieldName(inner.Field(j)); !regexp.MustCompile(`\b` + within + `\b`).MatchString(entries[at].meaning) {
				t.Errorf("nattui %s --json prints %q in %q, which the reference does not have", command, within, field)
			}
		}
	}
	if len(names) > 0 {
		t.Errorf("nattui %s --json prints none of %q, which the reference has", command, names)
	}
}

// fieldName is what a field of a struct is called in JSON.
func fieldName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// A connection's fields are those that the source writes, text by text.
func TestReferenceHasTheFlow(t *testing.T) {
	sequential(t)
	written := regexp.MustCompile("[{,\"`]\"(\\w+)\":").FindAllStringSubmatch(readFile(t, filepath.Join(root, "model", "flow", "json.go")), -1)
	if len(written) < 15 {
		t.Fatalf("only %q", written)
	}
	var told strings.Builder
	for _, e := range flowEntries {
		told.WriteString(e.name + "\n" + e.meaning + "\n")
	}
	for _, m := range written {
		if !regexp.MustCompile(`\b` + m[1] + `\b`).MatchString(told.String()) {
			t.Errorf("a connection has %q, which the reference does not", m[1])
		}
	}
}
