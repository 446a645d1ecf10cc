package ladder

import (
	"fmt"
	"go/ast"
	"strings"
	"testing"
)

func TestExportedThingsAreDocumented(t *testing.T) {
	for _, f := range goFiles(t, readTree(t)) {
		if f.isTest() || f.ast.Name.Name == "main" {
			continue
		}
		for _, wrong := range undocumented(f) {
			t.Error(wrong)
		}
	}
}

// undocumented lists the exported declarations without a comment.
func undocumented(f file) (wrong []string) {
	say := func(n ast.Node, name string) {
		wrong = append(wrong, fmt.Sprintf("%s: %s has no comment", f.at(n), name))
	}
	for _, decl := range f.ast.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) {
				say(d, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				for _, name := range bare(d, spec) {
					say(name, name.Name)
				}
			}
		}
	}
	return wrong
}

// bare returns the exported names that a spec declares without a comment. The
// comment of a group of constants or variables counts for all of them.
func bare(d *ast.GenDecl, spec ast.Spec) (names []*ast.Ident) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Doc == nil && s.Comment == nil && (d.Doc == nil || len(d.Specs) > 1) {
			names = []*ast.Ident{s.Name}
		}
	case *ast.ValueSpec:
		if s.Doc == nil && s.Comment == nil && d.Doc == nil {
			names = s.Names
		}
	}
	exported := names[:0:0]
	for _, name := range names {
		if name.IsExported() {
			exported = append(exported, name)
		}
	}
	return exported
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	name, ok := typ.(*ast.Ident)
	return !ok || name.IsExported()
}

// The comments of the fields are the reference of the profile's keys.
func TestKeysAreDocumented(t *testing.T) {
	keys := 0
	for _, f := range goFiles(t, readTree(t)) {
		if f.isTest() {
			continue
		}
		n, wrong := bareKeys(f)
		keys += n
		for _, w := range wrong {
			t.Error(w)
		}
	}
	if keys < 50 {
		t.Errorf("only %d fields with a TOML name found", keys)
	}
}

// bareKeys counts the fields with a TOML name and lists those without a comment.
func bareKeys(f file) (keys int, wrong []string) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok || field.Tag == nil || !strings.Contains(field.Tag.Value, `toml:"`) {
			return true
		}
		keys++
		if field.Doc == nil && field.Comment == nil {
			wrong = append(wrong, fmt.Sprintf("%s: the field %s has no comment", f.at(field), field.Names[0].Name))
		}
		return true
	})
	return keys, wrong
}

func TestPackagesAreDocumented(t *testing.T) {
	has := map[string]bool{}
	for _, f := range goFiles(t, readTree(t)) {
		has[f.dir()] = has[f.dir()] || f.ast.Doc != nil
	}
	for dir, ok := range has {
		if !ok {
			t.Errorf("the package %s has no comment", dir)
		}
	}
}

func TestUndocumentedIsFound(t *testing.T) {
	f := parse(t, "x.go", `package x

func Bare() {}

// Fine is fine.
func Fine() {}

func small() {}

type hidden struct{}

func (hidden) Method() {}

type Open struct {
	Key string `+"`toml:\"key\"`"+`
	// Other has a comment.
	Other string `+"`toml:\"other\"`"+`
}

func (*Open) Method() {}

// All of them.
const (
	A = 1
	B = 2
)

var C, d int
`)
	expect(t, undocumented(f), "x.go:3: Bare", "x.go:14: Open", "x.go:20: Method", "x.go:28: C")
	keys, wrong := bareKeys(f)
	expect(t, wrong, "the field Key")
	if keys != 2 {
		t.Errorf("%d keys, want 2", keys)
	}
}
