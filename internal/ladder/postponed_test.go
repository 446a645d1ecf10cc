package ladder

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What is postponed is initialized by whoever calls the package that needs it. So nobody
// else may be able to get at it: it is what the program would not link without that
// package, and all of it. Package unicode makes nothing at its start but maps.
func TestPostponedIsWhatNobodyElseUses(t *testing.T) {
	readTree(t)
	imports := map[string][]string{}
	for line := range strings.Lines(linked(t)) {
		name, list := imported(line)
		imports[name] = list
	}
	tasks := initialized(t)
	kong, toml := onlyBy(imports, "github.com/alecthomas/kong"), onlyBy(imports, "github.com/BurntSushi/toml")

	text, err := os.ReadFile(filepath.Join(root, "internal", "postponed", "postponed.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, m := range regexp.MustCompile(`linkname (\w+) (\S+)\.\.inittask`).FindAllStringSubmatch(string(text), -1) {
		names[m[1]] = m[2]
	}
	for list, want := range map[string][]string{"grammar": append([]string{"unicode"}, kong...), "toml": toml} {
		want = slices.DeleteFunc(want, func(name string) bool { return !tasks[name] })
		var got []string
		m := regexp.MustCompile(`\b` + list + `\s+= \[\]\*task\{([^}]*)\}`).FindStringSubmatch(string(text))
		if m == nil {
			t.Fatalf("there is no list %s", list)
		}
		for _, name := range strings.Split(m[1], ", ") {
			got = append(got, names[strings.TrimPrefix(name, "&")])
		}
		for i, name := range got {
			for _, later := range got[i+1:] {
				if reaches(imports, name, later) {
					t.Errorf("%s: %s imports %s, which comes after it", list, name, later)
				}
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s is %v, and nobody else uses %v", list, got, want)
		}
	}
	unicodeMaps(t, imports, kong)
}

// Whatever a program is asked first, it says what one says that initializes all packages
// at its start.
func TestWhatIsPostponedComesInTime(t *testing.T) {
	light, plain := buildLight(t), build(t, "CGO_ENABLED=0")
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	good := write("good.toml", "description = \"\u00e9\"\n[limits]\ntimeout = \"1s\"\n[command]\nargs = [\"true\"]\n")
	dated := write("dated.toml", "description = 2020-01-01T10:00:00\n")
	bad := write("bad.toml", "[limits\n\nnetwrok = 1\n")
	lines := [][]string{
		{}, {"--help"}, {"help", "run"}, {"man"}, {"nonsense"}, {"run", "--nonsense"}, {"run", "--memory", "1x", "--", "true"}, {"run", "--help"},
		{"completion", "bash"}, {"completion", "fish"}, {"completion", "zsh"}, {"completion", "tcsh"},
		{"profile", "list"}, {"profile", "schema"}, {"profile", "check", good, dated, bad}, {"profile", "show", good}, {"profile", "new", "x"},
		{"explain", "-p", good}, {"explain", "--security", "-p", "strict", "--", "true"}, {"run", "-p", bad, "--", "true"}, {"run", "-p", dated, "--", "true"}, {"run", "-p", "nonsense", "--", "true"},
	}
	for _, verb := range []string{"exec", "image", "image pull", "ps", "kill", "stats", "desktop", "doctor", "actions"} {
		lines = append(lines, append(strings.Fields(verb), "--help"))
	}
	for _, line := range lines {
		said := func(program string) string {
			cmd := exec.Command(program, line...)
			cmd.Dir = "/"
			out, _ := cmd.CombinedOutput()
			return cmd.ProcessState.String() + "\n" + string(out)
		}
		if got, want := said(light), said(plain); got != want {
			t.Errorf("%q: %s\nand where nothing is postponed: %s", line, got, want)
		} else if len(want) < len("exit status 0\n")+2 {
			t.Errorf("%q: says nothing: %q", line, want)
		}
	}
}

// initialized are the packages of the command that have something to initialize.
func initialized(t *testing.T) map[string]bool {
	t.Helper()
	out, err := goTool("tool", "nm", buildLight(t)).Output()
	if err != nil {
		t.Fatal(err)
	}
	tasks := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)(\S+)\.\.inittask$`).FindAllStringSubmatch(string(out), -1) {
		tasks[m[1]] = true
	}
	if !tasks["runtime"] {
		t.Fatal("package runtime has nothing to initialize: the names of the linker have changed")
	}
	return tasks
}

// onlyBy are the packages that are there for the sake of one, itself among them.
func onlyBy(imports map[string][]string, name string) (only []string) {
	without := maps.Clone(imports)
	delete(without, name)
	for other := range imports {
		if other == name || !reaches(without, module+"/cmd/snug", other) {
			only = append(only, other)
		}
	}
	return only
}

// reaches reports whether a package imports another one, however far.
func reaches(imports map[string][]string, from, to string) bool {
	seen := map[string]bool{}
	var visit func(name string) bool
	visit = func(name string) bool {
		if name == to {
			return true
		}
		if seen[name] {
			return false
		}
		seen[name] = true
		return slices.ContainsFunc(imports[name], visit)
	}
	return visit(from)
}

// unicodeMaps holds that package unicode initializes its maps only, and that but for
// some packages nobody looks at them.
func unicodeMaps(t *testing.T, imports map[string][]string, but []string) {
	t.Helper()
	out, err := goTool("env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "src", "unicode", "tables.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^var ([A-Z]\w*) = map\[`).FindAllStringSubmatch(string(tables), -1) {
		names = append(names, m[1])
	}
	if !slices.Equal(names, []string{"Categories", "CategoryAliases", "Scripts", "Properties", "FoldCategory", "FoldScript"}) {
		t.Errorf("the maps of package unicode are %v", names)
	}
	use := regexp.MustCompile(`\bunicode\.(` + strings.Join(names, "|") + `)\b`)
	list := []string{"list", "-buildvcs=false", "-tags=snug_light", "-f", "{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}\n{{end}}"}
	for name, imported := range imports {
		if slices.Contains(imported, "unicode") && !slices.Contains(but, name) {
			list = append(list, name)
		}
	}
	if out, err = goTool(list...).Output(); err != nil {
		t.Fatal(err)
	}
	for file := range strings.Lines(string(out)) {
		file = strings.TrimSpace(file)
		text, err := os.ReadFile(file)
		if err != nil && file != "" {
			t.Fatal(err)
		}
		if m := use.Find(text); m != nil {
			t.Errorf("%s uses %s, which is initialized late", file, m)
		}
	}
}
