package ladder

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// unlinked are packages that must not be in the command, however they would
// come in: their initialisers run at every start, whether a verb needs them or
// not, and starting fast is what the command is for.
var unlinked = []string{
	"net", "net/http", "crypto/tls", "text/template", "html/template",
	"encoding/gob", "encoding/xml", "go/parser", "testing", "log",
}

// foreign are the packages of other modules that the command may link.
var foreign = []string{
	"github.com/BurntSushi/toml",
	"github.com/BurntSushi/toml/internal",
	"github.com/alecthomas/kong",
	"github.com/rootless-containers/rootlesskit/v3/pkg/parent/idtools",
	"golang.org/x/sys/unix",
}

func TestCommandLinksOnlyWhatIsListed(t *testing.T) {
	readTree(t) // see the package's comment
	for _, wrong := range unlisted(linked(t)) {
		t.Error(wrong)
	}
}

// linked are the packages of the command, in lines of "package [its imports]".
func linked(t *testing.T) string {
	t.Helper()
	cmd := goTool("list", "-buildvcs=false", "-deps", "-f", "{{.ImportPath}} {{.Imports}}", "./cmd/snug")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.String())
	}
	return string(out)
}

// unlisted looks through lines of "package [its imports]".
func unlisted(deps string) (wrong []string) {
	for line := range strings.Lines(deps) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if slices.Contains(unlinked, name) {
			wrong = append(wrong, fmt.Sprintf("the command links %s, imported by %s", name, importers(deps, name)))
		}
		first, _, _ := strings.Cut(name, "/")
		if _, mine := local(name); strings.Contains(first, ".") && !mine && !slices.Contains(foreign, name) {
			wrong = append(wrong, fmt.Sprintf("the command links %s, which is not in the list", name))
		}
	}
	return wrong
}

// importers names the packages that import name.
func importers(deps, name string) string {
	var by []string
	for line := range strings.Lines(deps) {
		if importer, imports := imported(line); slices.Contains(imports, name) {
			by = append(by, importer)
		}
	}
	return strings.Join(by, " ")
}

// imported takes a line of linked apart.
func imported(line string) (importer string, imports []string) {
	importer, list, _ := strings.Cut(strings.TrimSpace(line), " ")
	return importer, strings.Fields(strings.Trim(list, "[]"))
}

func TestUnlistedIsFound(t *testing.T) {
	deps := "fmt [io]\nnet/http [io]\nexample.org/log [fmt net/http]\n" + module + " [fmt example.org/log]\n"
	expect(t, unlisted(deps), "net/http, imported by example.org/log", "links example.org/log, which is not in the list")
}
