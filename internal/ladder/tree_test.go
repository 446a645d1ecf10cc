// Package ladder holds no code, only the tests that keep the shape of the
// tree: which package may import which, what may be used where, what the
// command links, and what the interpreter's machine code may call.
//
// The go command keeps the result of a test until a file that the test itself
// opened changes. So these tests read every file of the module themselves,
// even where a tool that they start reads it again.
package ladder

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "github.com/snug-sandbox/snug"
	root   = "../.." // of the module, seen from this package's directory
)

// file is one file of the tree.
type file struct {
	path string // relative to the module's root, with slashes
	text []byte
	ast  *ast.File // of Go files only
	fset *token.FileSet
}

// dir is the package's directory; "." for the module's root.
func (f file) dir() string { return path.Dir(f.path) }

func (f file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// imports returns the import paths of a Go file.
func (f file) imports() []string {
	var all []string
	for _, spec := range f.ast.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		all = append(all, name)
	}
	return all
}

// local returns the directory of an imported package of this module.
func local(name string) (dir string, ok bool) {
	if name == module {
		return ".", true
	}
	return strings.CutPrefix(name, module+"/")
}

// at is "path:line" of a node.
func (f file) at(n ast.Node) string {
	return f.path + ":" + strconv.Itoa(f.fset.Position(n.Pos()).Line)
}

// readTree reads every text file of the module but what is built or hidden.
func readTree(t *testing.T) []file {
	t.Helper()
	var files []file
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if rel == ".git" || rel == "bin" {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil // .git of a git worktree
		}
		if !d.Type().IsRegular() || strings.HasSuffix(rel, ".test") || strings.HasSuffix(rel, ".out") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			return err
		}
		files = append(files, file{path: filepath.ToSlash(rel), text: text})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// goFiles parses the Go files among files.
func goFiles(t *testing.T, files []file) []file {
	t.Helper()
	var parsed []file
	for _, f := range files {
		if !strings.HasSuffix(f.path, ".go") || strings.Contains(f.path, "testdata/") {
			continue
		}
		parsed = append(parsed, parse(t, f.path, string(f.text)))
	}
	if len(parsed) < 20 {
		t.Fatalf("only %d Go files below %s: is that the module's root?", len(parsed), root)
	}
	return parsed
}

func parse(t *testing.T, name, text string) file {
	t.Helper()
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file{path: name, text: []byte(text), ast: tree, fset: fset}
}

// expect compares what a check finds in a made-up file with what it should find.
func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range got {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
}
