package ladder

import (
	"fmt"
	"strings"
	"testing"
)

// floors are the packages of the tree, the lowest floor first. A package
// imports from lower floors only; packages of one floor do not know each other.
// It is a statement of policy: a new package gets a place here, and a build
// that breaks this test is mended in the package, not in the table.
var floors = []string{
	"internal/problem internal/postponed internal/program internal/units internal/nofile internal/cgroupfs internal/wayland internal/xauthority internal/pulse internal/desktopentry internal/workflow",
	"internal/host internal/postponed/never internal/child internal/systemd internal/running images internal/layer",
	"internal/plan",
	"userns mounts process namespaces network cgroups seccomp landlock",
	"desktop snapshots internal/egress internal/netdriver",
	"spec internal/usernet",
	"profiles .",
	"doctor actions actions/hook bwrap",
	"cmd/snug cmd/snug-systemd cmd/snug-image cmd/snug-net cmd/snug-actions cmd/snug-desktop cmd/bwrap bench",
}

// tools are packages beside the ladder: they import nothing of this module,
// and only test files import them.
const tools = "internal/kerneltest internal/ladder scripts/testreport"

// floorOf is the floor of a package from 1 up, 0 for a tool, -1 for none.
func floorOf(dir string) int {
	for i, row := range floors {
		if listed(row, dir) {
			return i + 1
		}
	}
	if listed(tools, dir) {
		return 0
	}
	return -1
}

func listed(row, word string) bool {
	for _, f := range strings.Fields(row) {
		if f == word {
			return true
		}
	}
	return false
}

func TestLadder(t *testing.T) {
	for _, f := range goFiles(t, readTree(t)) {
		for _, wrong := range climbs(f) {
			t.Error(wrong)
		}
	}
}

// climbs returns what is wrong with the file's imports.
func climbs(f file) (wrong []string) {
	mine := floorOf(f.dir())
	if mine < 0 {
		return []string{fmt.Sprintf("%s: the package %s has no floor in the table", f.path, f.dir())}
	}
	for _, name := range f.imports() {
		dir, ok := local(name)
		if !ok || dir == f.dir() {
			continue
		}
		if reason := mayImport(f, mine, floorOf(dir)); reason != "" {
			wrong = append(wrong, fmt.Sprintf("%s imports %s, which %s", f.path, dir, reason))
		}
	}
	return wrong
}

// mayImport returns why a file must not import a package of floor theirs; ""
// when it may. Tests may reach for their own floor and for the tools.
func mayImport(f file, mine, theirs int) string {
	switch {
	case theirs < 0:
		return "has no floor in the table"
	case theirs == 0 && !f.isTest():
		return "is for tests only"
	case theirs == 0:
		return ""
	case f.isTest() && theirs <= mine:
		return ""
	case theirs >= mine:
		return "does not stand below " + f.dir()
	}
	return ""
}

// The interpreter and its data are what an audit has to read.
func TestChildImportsOnlyPrograms(t *testing.T) {
	for _, f := range goFiles(t, readTree(t)) {
		if f.dir() != "internal/child" || f.isTest() {
			continue
		}
		for _, name := range f.imports() {
			if name != module+"/internal/program" && strings.Contains(name, ".") {
				t.Errorf("%s imports %s; internal/child imports internal/program and the standard library", f.path, name)
			}
		}
	}
}

func TestClimbsFindsWrongImports(t *testing.T) {
	const imports = "package x\nimport (\n%q\n)"
	on := func(name, imported string) []string {
		return climbs(parse(t, name, fmt.Sprintf(imports, imported)))
	}
	expect(t, on("internal/program/x.go", module+"/internal/host"), "does not stand below internal/program")
	expect(t, on("mounts/x.go", module+"/process"), "does not stand below mounts")
	expect(t, on("profiles/x.go", module), "does not stand below profiles")
	expect(t, on("spec/x.go", module+"/internal/kerneltest"), "is for tests only")
	expect(t, on("spec/x.go", module+"/internal/helpers"), "has no floor")
	expect(t, on("utils/x.go", "fmt"), "has no floor")
	expect(t, on("spec/x.go", module+"/mounts"))
	expect(t, on("spec/x.go", "fmt"))
	expect(t, on("spec/x_test.go", module+"/internal/kerneltest"))
	expect(t, on("profiles/x_test.go", module))
	expect(t, on("spec/x_test.go", module+"/profiles"), "does not stand below spec")
}
