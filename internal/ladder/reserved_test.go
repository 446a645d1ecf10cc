package ladder

import (
	"fmt"
	"strings"
	"testing"
)

// withUnsafe are the packages that may import unsafe, and say go:linkname.
const withUnsafe = "internal/child internal/postponed"

// reserved are imports that only some packages may use outside their tests,
// each with its reason.
var reserved = []struct {
	name   string
	owners string
	tests  bool // whether any test may use it too
	reason string
}{
	{"unsafe", withUnsafe, false, "what can break memory is in one place, for an audit; the other only names what the linker has"},
	{"C", "", false, "the programs are static and build without a C compiler"},
	{"plugin", "", false, "no code is loaded at run time"},
	{"os/exec", ". cmd/snug cmd/snug-desktop internal/netdriver doctor actions actions/hook bench internal/kerneltest scripts/testreport", true, "other programs are started by newuidmap's caller, for Snug's own helpers and by the check-up only"},
	{"net/http", "cmd/snug-image", true, "it makes every start slower; only the helper for images speaks it"},
	{"net", "cmd/snug-image cmd/snug-net internal/usernet internal/netdriver cmd/snug-desktop internal/wayland internal/pulse", true, "it makes every start slower; only helpers need it"},
	{"github.com/google/go-containerregistry", "cmd/snug-image", true, "registries are the helper's"},
	{"gvisor.dev/gvisor", "internal/usernet", true, "it makes every start slower; the stack is the helper's"},
	{"golang.org/x/net", "internal/usernet", true, "the domain name system is the helper's"},
	{"github.com/klauspost/compress", "cmd/snug-image internal/layer", true, "it makes every start slower; layers are the helper's"},
	{"text/template", "", false, "it makes every start slower and keeps the linker from dropping methods"},
	{"github.com/alecthomas/kong", "cmd/snug", true, "the command line is the command's"},
	{"github.com/BurntSushi/toml", "profiles actions", true, "profiles are read in one place; a step's is written by its package"},
	{"github.com/rootless-containers/rootlesskit", "internal/host internal/netdriver", true, "facts about the machine are found out in one place, and drivers of networks wrapped in one"},
	{"github.com/rogpeppe/go-internal", "", true, "it is for tests"},
}

func TestReservedImports(t *testing.T) {
	for _, f := range goFiles(t, readTree(t)) {
		for _, wrong := range trespasses(f) {
			t.Error(wrong)
		}
	}
}

func trespasses(f file) (wrong []string) {
	for _, name := range f.imports() {
		for _, r := range reserved {
			if name != r.name && !strings.HasPrefix(name, r.name+"/") || name == "net/netip" || name == "net/url" {
				continue
			}
			if !listed(r.owners, f.dir()) && !(r.tests && f.isTest()) {
				wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", f.path, name, r.reason))
			}
			break
		}
	}
	return wrong
}

func TestLinknameOnlyWhereUnsafeIs(t *testing.T) {
	directive := "//go:" + "linkname"
	for _, f := range goFiles(t, readTree(t)) {
		if !listed(withUnsafe, f.dir()) && strings.Contains(string(f.text), directive) {
			t.Errorf("%s: %s belongs into one of %s", f.path, directive, withUnsafe)
		}
	}
}

// A package that asks kerneltest what the machine allows must also let it
// decide who runs the tests.
func TestKernelTestsHaveTheirMain(t *testing.T) {
	asks, decides := map[string]string{}, map[string]bool{}
	for _, f := range goFiles(t, readTree(t)) {
		text := string(f.text)
		if strings.Contains(text, "kerneltest.Require(") || strings.Contains(text, "kerneltest.Condition") {
			asks[f.dir()] = f.path
		}
		if strings.Contains(text, "kerneltest.Main(") || strings.Contains(text, "kerneltest.Drop(") {
			decides[f.dir()] = true
		}
	}
	for dir, name := range asks {
		if !decides[dir] && dir != "internal/ladder" {
			t.Errorf("%s uses kerneltest, but no TestMain in %s calls kerneltest.Main or kerneltest.Drop", name, dir)
		}
	}
}

func TestTrespassesFindsWrongImports(t *testing.T) {
	on := func(name, imported string) []string {
		return trespasses(parse(t, name, fmt.Sprintf("package x\nimport %q", imported)))
	}
	expect(t, on("mounts/x.go", "unsafe"), "mounts/x.go imports unsafe")
	expect(t, on("mounts/x_test.go", "unsafe"), "imports unsafe")
	expect(t, on("internal/child/x.go", "unsafe"))
	expect(t, on("mounts/x.go", "os/exec"), "imports os/exec")
	expect(t, on("mounts/x_test.go", "os/exec"))
	expect(t, on("doctor/x.go", "net/http/httptrace"), "imports net/http/httptrace")
	expect(t, on("spec/x.go", "github.com/BurntSushi/toml"), "one place")
	expect(t, on("cmd/snug/x.go", "github.com/rogpeppe/go-internal/testscript"), "for tests")
	expect(t, on("cmd/snug/x_test.go", "github.com/rogpeppe/go-internal/testscript"))
}
