package ui

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

// Every screen and box with a cursor in a list is searched, has a filter, or narrows down by what is typed.
func TestEveryListIsSearched(t *testing.T) {
	lists, methods := map[string]bool{}, map[string][]string{}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			noteList(d, lists, methods)
		}
	}
	if len(lists) < 8 {
		t.Errorf("lists are not found: %v", lists)
	}
	for name := range lists {
		has := func(method string) bool { return slices.Contains(methods[name], method) }
		if has("Actions") && !has("SearchLines") && !has("FilterText") && !has("Type") {
			t.Errorf("%s is a list, and / does not look through it", name)
		}
	}
}

// noteList notes which types have a table's cursor, and the methods of each.
func noteList(d ast.Decl, lists map[string]bool, methods map[string][]string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return
		}
		if star, ok := d.Recv.List[0].Type.(*ast.StarExpr); ok {
			if name, ok := star.X.(*ast.Ident); ok {
				methods[name.Name] = append(methods[name.Name], d.Name.Name)
			}
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			s, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			if of, ok := s.Type.(*ast.StructType); ok && slices.ContainsFunc(of.Fields.List, isCursor) {
				lists[s.Name.Name] = true
			}
		}
	}
}

func isCursor(f *ast.Field) bool {
	x, ok := f.Type.(*ast.IndexExpr)
	if !ok {
		return false
	}
	s, ok := x.X.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Cursor"
}
