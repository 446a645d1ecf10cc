package actions

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParsePairs(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "[]",
		"a=1\nb=x=y\n":                "[{a 1} {b x=y}]",
		"a<<E\nx\ny\nE\nb=\n":         "[{a x\ny} {b }]",
		"a=x<<y\n":                    "[{a x<<y}]",
		"a<<E\r\nx\r\nE\r\n":          "[{a x}]",
		"a<<E\nE\n":                   "[{a }]",
		"a<<E\nx\n":                   "[] line 1: the delimiter \"E\" does not come again",
		"ok=1\nnothing\nlater=2\n":    "[{ok 1}] line 2: neither name=value nor name<<DELIMITER",
		"=x\n":                        "[] line 1: neither name=value nor name<<DELIMITER",
		"a<<\nx\n":                    "[] line 1: neither name=value nor name<<DELIMITER",
		"a<<E\nb<<F\nF\nE\nc<<G\nG\n": "[{a b<<F\nF} {c }]",
	} {
		list, err := parsePairs(text)
		got := fmt.Sprint(list)
		if err != nil {
			got += " " + err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// FuzzPairs holds that what is handed on means what was read, and no more.
func FuzzPairs(f *testing.F) {
	f.Add("a=1\nb<<E\nx\nE\n")
	f.Add("a<<E\nb=1\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, _ := parsePairs(text)
		var again strings.Builder
		for _, p := range list {
			again.WriteString(formatPair(p))
		}
		was, err := parsePairs(again.String())
		for i := range list {
			if !validName(list[i].name) || strings.Contains(list[i].value, "\r") {
				t.Skip("no name that can be declared")
			}
		}
		if err != nil || !slices.Equal(was, list) {
			t.Fatalf("%q: %q became %q, %v", text, list, was, err)
		}
	})
}

func TestInputs(t *testing.T) {
	read := func(more map[string]string) (Inputs, error) {
		in := map[string]string{"run": "true"}
		maps.Copy(in, more)
		return parseInputs(func(name string) string { return in[name] })
	}
	for _, c := range []struct {
		name, value, says string
	}{
		{"run", " \n", "input run: it is empty"},
		{"network", "hosts", `input network: "hosts" is not one of none, allowlist, host`},
		{"allowed-hosts", "example.org", "network is none"},
		{"egress-policy", "audit", "network is none"},
		{"network", "allowlist", "the list is empty"},
		{"allowed-hosts", "https://example.org/x", "is a URL"},
		{"allowed-hosts", "bücher.example", "with xn--"},
		{"allowed-hosts", "a.example:80,a.example:0", "not a port"},
		{"allowed-hosts", "169.254.169.254:80", "no list opens it"},
		{"allowed-hosts", "@nmp", "is no preset"},
		{"persist", "/etc/x", "is not below the workspace"},
		{"persist", "a/../../b", "leads out"},
		{"persist", "x/.Git/config", ".git"},
		{"persist", "a[", "is not a pattern"},
		{"persist", "!a", "takes nothing back"},
		{"persist", "dist/*.{js,css}", "each pattern has a line"},
		{"outputs", "a$b", "is not the name of an output"},
		{"outputs", "env:LD_PRELOAD", "power over later ones"},
		{"outputs", "env:path", "power over later ones"},
		{"outputs", "env:GNUMAKEFLAGS", "power over later ones"},
		{"outputs", "env:SNUG", "power over later ones"},
		{"outputs", "exit-code", "is an output of the action itself"},
		{"outputs", "Exit-Code", "is an output of the action itself"},
		{"env", "A B", "line 1 is neither NAME nor NAME=VALUE"},
		{"env", "A<<END\nx", "does not come again"},
		{"memory", "lots", "is not a size"},
		{"memory", "0", "is not a size"},
		{"cpus", "-1", "is not a number above 0"},
		{"pids", "1.5", "is not a number above 0"},
		{"timeout", "soon", "is not a time"},
		{"timeout", "0", "is not a time"},
		{"timeout", "99999999999999", "is not a time"},
		{"fail-on", "always", "is not one of"},
		{"summary", "maybe", "is neither true nor false"},
		{"workspace", "rx", "is not one of overlay, ro, rw"},
	} {
		if _, err := read(map[string]string{c.name: c.value}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %q: %v, want %q", c.name, c.value, err, c.says)
		}
	}
	in, err := read(map[string]string{
		"network": "allowlist", "allowed-hosts": "*.example.org, 10.0.0.0/8\n@npm\n[::1]:80 fd00::1 b.example:8000-8010/tcp c.example/udp 2001:db8::/32:80 d.example/icmp", "persist": "./dist/\n*.txt",
		"outputs": "version, env:LEVEL\npath:bin", "env": "A=1\nB\n C = x\nD<<E\nl1\nl2\nE", "timeout": "5",
	})
	if err != nil {
		t.Fatal(err)
	}
	hosts := slices.Concat([]string{"*.example.org:443", "10.0.0.0/8"}, presets["@npm"], []string{"[::1]:80", "[fd00::1]:443", "b.example:8000-8010/tcp", "c.example:443/udp", "2001:db8::/32:80", "d.example/icmp"})
	if !slices.Equal(in.Hosts, hosts) || in.Timeout != "5m" || !slices.Equal(in.Persist, []string{"dist/**", "*.txt"}) ||
		!reflect.DeepEqual(in.Outputs, Declared{[]string{"version"}, []string{"LEVEL"}, []string{"bin"}}) {
		t.Errorf("%+v", in)
	}
	environ := []string{"B=old", "B=job"}
	for i, want := range []string{"1", "job", " x", "l1\nl2"} {
		if v, ok := in.Env[i].given(environ); v != want || !ok {
			t.Errorf("%s = %q, want %q", in.Env[i].name, v, want)
		}
	}
	if _, ok := (pair{name: "none"}).given(environ); ok {
		t.Error("a variable that the job has not")
	}
}

func TestInputsOfTheEnvironment(t *testing.T) {
	in, err := FromEnvironment([]string{"INPUT_RUN=make", "INPUT_WORKING-DIRECTORY=sub", "INPUT_FAIL_ON=never", "INPUT_SHELL="})
	if err != nil || in.Run != "make" || in.Dir != "sub" || in.FailOn != "never" || in.Shell != "bash" || in.PIDs != "" || in.Timeout != defaultTimeout {
		t.Errorf("%+v, %v", in, err)
	}
}

// TestActionNamesTheInputs compares action.yml with what is read.
func TestActionNamesTheInputs(t *testing.T) {
	text, err := os.ReadFile("run/action.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range inputNames {
		variable := "INPUT_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		for _, want := range []string{"\n  " + name + ":\n", "        " + variable + ": ${{ inputs." + name + " }}\n"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("action.yml lacks %q", want)
			}
		}
	}
	for _, name := range resultNames {
		if !strings.Contains(string(text), "value: ${{ steps.snug.outputs."+name+" }}") {
			t.Errorf("action.yml lacks the output %s", name)
		}
	}
	_, runs, _ := strings.Cut(string(text), "\nruns:")
	for line := range strings.Lines(runs) {
		if strings.Contains(line, "${{") && !strings.Contains(line, "        INPUT_") {
			t.Errorf("text of a workflow becomes text of a shell: %s", line)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"a.txt", "a.txt", true}, {"a.txt", "b/a.txt", false}, {"*.txt", "b/a.txt", false}, {"**/*.txt", "b/c/a.txt", true},
		{"**/*.txt", "a.txt", true}, {"dist/**", "dist/a/b", true}, {"dist/**", "dist", false}, {"dist", "dist/a", true},
		{"dist", "distant", false}, {"a/*/c", "a/b/c", true}, {"a/*/c", "a/b/d/c", false}, {"**", "x", true}, {"[ab].o", "b.o", true},
		{`\!a`, "!a", true}, {`\{a,b}`, "{a,b}", true},
	} {
		if got := matches(c.pattern, c.name); got != c.want {
			t.Errorf("%s %s: %v", c.pattern, c.name, got)
		}
	}
}

func TestShellWords(t *testing.T) {
	for shell, want := range map[string]string{
		"bash": "bash --noprofile --norc -e -o pipefail /d/script.sh", "sh": "sh -e /d/script.sh", "python": "python3 /d/script.py",
		"perl -w {0}": "perl -w /d/script", "pwsh": "pwsh -command . '/d/script.ps1'",
	} {
		words, _, err := shellWords(shell, "/d")
		if got := strings.Join(words, " "); got != want || err != nil {
			t.Errorf("%s: %s, %v", shell, got, err)
		}
	}
	if _, _, err := shellWords("fish", "/d"); err == nil {
		t.Error("fish without {0}")
	}
}

func TestCleanConfig(t *testing.T) {
	for _, c := range []struct{ in, want, dropped string }{
		{"[core]\n\tbare = false\n", "[core]\n\tbare = false\n", ""},
		{"[http \"https://github.com/\"]\n\textraheader = AUTHORIZATION: basic x\n\tx = 1\n", "[http \"https://github.com/\"]\n\tx = 1\n", "http.extraheader"},
		{"[http \"a\"] extraHeader = AUTHORIZATION: y\n[core]\n", "[http \"a\"]\n[core]\n", "http.extraheader"},
		{"[includeIf \"gitdir:/w/.git\"]\n\tpath = /t/git-credentials-1.config\n", "[includeIf \"gitdir:/w/.git\"]\n", "includeif.path"},
		{"[core]\n\tsshCommand = ssh -i \\\n /t/key \\\n -o x\n\tbare = 1\n", "[core]\n\tbare = 1\n", "core.sshcommand"},
		{"[remote \"o\"]\n\turl = https://u:tok@github.com/a\n", "[remote \"o\"]\n\turl = https://github.com/a\n", "a password in a URL of remote.url"},
		{"[credential \"https://x\"]\n\thelper = store\n", "[credential \"https://x\"]\n", "credential.helper"},
		{"[x]\n\ty = AUTHORIZATION: basic z\n", "[x]\n", "x.y"},
	} {
		clean, dropped := cleanConfig(c.in)
		if clean != c.want || strings.Join(dropped, ",") != c.dropped {
			t.Errorf("%q: %q, %q", c.in, clean, dropped)
		}
	}
}

// FuzzCleanConfig holds that no header survives that checkout would have
// written.
func FuzzCleanConfig(f *testing.F) {
	f.Add("[core]\n\tx = \\\n", "\n[remote]\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.HasSuffix(strings.TrimRight(before, "\r\n"), `\`) || strings.ContainsAny(before, "\"#;") {
			t.Skip("the line would be a part of another")
		}
		text := before + "\n[http \"https://github.com/\"]\n\textraheader = AUTHORIZATION: basic SEKRET\n" + after
		if clean, _ := cleanConfig(text); strings.Contains(strings.ReplaceAll(clean, after, ""), "SEKRET") {
			t.Fatalf("%q: %q", text, clean)
		}
	})
}

func TestFindSecrets(t *testing.T) {
	ws := t.TempDir()
	header := "[http \"x\"]\n\textraheader = AUTHORIZATION: basic x\n"
	for name, text := range map[string]string{
		".git/config": header, ".git/modules/m/config": header, "sub/.git/config": header, "clean/.git/config": "[core]\n",
		"gha-creds-1.json": "{}", "deep/gha-creds-1.json": "{}", "src/config": header, ".git/objects/config": header, "a/b/c/d/e/.git/config": header,
	} {
		write(t, filepath.Join(ws, name), text)
	}
	h, err := findSecrets(ws)
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Keys(h.clean))
	if !slices.Equal(got, []string{".git/config", ".git/modules/m/config", "a/b/c/d/e/.git/config", "sub/.git/config"}) || !slices.Equal(h.masked, []string{"gha-creds-1.json"}) || len(h.git) != 4 {
		t.Errorf("%q, %q, %q", got, h.masked, h.git)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestPersist writes what overlayfs would leave in its upper directory.
func TestPersist(t *testing.T) {
	upper, ws, outside := t.TempDir(), t.TempDir(), t.TempDir()
	link := func(text, path string) {
		t.Helper()
		os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.Symlink(text, path); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(ws, "old.txt"), "old")
	write(t, filepath.Join(ws, "tree/x"), "x")
	link(outside, filepath.Join(ws, "away"))
	link(".", filepath.Join(ws, "here"))
	write(t, filepath.Join(upper, "old.txt"), "new")
	write(t, filepath.Join(upper, "d/e/f.txt"), "deep")
	write(t, filepath.Join(upper, "away/planted"), "evil")
	write(t, filepath.Join(upper, ".git/hooks/pre-commit"), "evil")
	write(t, filepath.Join(upper, "m/.GIT/config"), "evil")
	link("/etc/passwd", filepath.Join(upper, "abs"))
	link("../../x", filepath.Join(upper, "d/out"))
	link("e/f.txt", filepath.Join(upper, "d/fine"))
	link("../.git/hooks", filepath.Join(upper, "d/git"))
	link("away/x", filepath.Join(upper, "through"))
	link("here/../x", filepath.Join(upper, "back"))
	os.Chmod(filepath.Join(upper, "old.txt"), 0o755|os.ModeSetuid)
	changes, err := readChanges(upper, ws)
	if err != nil {
		t.Fatal(err)
	}
	// The directory that replaced a link was not asked for: the link stays, and is
	// not followed.
	if done, refused, err := persist(upper, ws, changes, []string{"away/planted", "through"}); len(done) > 0 || len(refused) != 2 || err != nil {
		t.Errorf("%q, %q, %v", done, refused, err)
	}
	done, refused, err := persist(upper, ws, changes, []string{"**"})
	if err != nil {
		t.Fatal(err)
	}
	var not []string
	for _, v := range refused {
		not = append(not, v.What)
	}
	slices.Sort(not)
	wantNot := []string{".git", ".git/hooks", ".git/hooks/pre-commit", "abs", "back", "d/git", "d/out", "m/.GIT", "m/.GIT/config"}
	if !slices.Equal(not, wantNot) {
		t.Errorf("refused %q\nwant    %q", not, wantNot)
	}
	for _, want := range []string{"old.txt", "d/e/f.txt", "d/fine"} {
		if !slices.Contains(done, want) {
			t.Errorf("%s is not among %q", want, done)
		}
	}
	if text, _ := os.ReadFile(filepath.Join(ws, "old.txt")); string(text) != "new" {
		t.Errorf("old.txt holds %q", text)
	}
	if info, _ := os.Stat(filepath.Join(ws, "old.txt")); info.Mode() != 0o755 {
		t.Errorf("old.txt has mode %v", info.Mode())
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("outside now holds %v", left)
	}
}

// TestUnreadableChanges has a step take rights off what it leaves, and leave what
// has too long a path to be read.
func TestUnreadableChanges(t *testing.T) {
	upper, ws := t.TempDir(), t.TempDir()
	write(t, filepath.Join(upper, "closed/f"), "x")
	write(t, filepath.Join(upper, "s"), "y")
	for _, name := range []string{"closed", "s"} {
		if err := os.Chmod(filepath.Join(upper, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(upper)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // by descriptors, as a shell's cd does
		if err = root.Mkdir(strings.Repeat("d", 250), 0o755); err != nil {
			t.Fatal(err)
		}
		if root, err = root.OpenRoot(strings.Repeat("d", 250)); err != nil {
			t.Fatal(err)
		}
	}
	changes, err := readChanges(upper, ws)
	if err != nil {
		t.Fatal(err)
	}
	_, refused, err := persist(upper, ws, changes, []string{"**"})
	if err != nil || len(refused) != 1 || !strings.Contains(refused[0].Why, "too long") {
		t.Errorf("%q, %v", refused, err)
	}
	for name, want := range map[string]os.FileMode{"closed/f": 0o644, "s": 0} {
		if info, err := os.Stat(filepath.Join(ws, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// TestNothingReachedIsNothingAllowed pastes what a step was refused, and nothing else.
func TestNothingReachedIsNothingAllowed(t *testing.T) {
	r := &runner{}
	r.report.Egress = []Connection{{Host: "a.example", Port: 443}}
	var b strings.Builder
	if r.paste(&b); !strings.Contains(b.String(), "[network]\nmode = \"none\"\n# allow = [\n  # refused: \"a.example:443\",\n# ]\n") {
		t.Error(b.String())
	}
}

func TestChangedPathsFitIntoAnOutput(t *testing.T) {
	r := &runner{}
	for i := range 20000 {
		r.report.Changes = append(r.report.Changes, Change{Path: fmt.Sprintf("node_modules/%d/\u2028\x01/<package>.json", i)})
	}
	if list := r.changedPaths(); len(list) < 1000 || len(asJSON(list)) > maxOutput || len(r.report.Warnings) != 1 {
		t.Errorf("%d paths of %d bytes, %q", len(list), len(asJSON(list)), r.report.Warnings)
	}
}

func TestFindStep(t *testing.T) {
	text := strings.Split(`jobs:
  a:
    steps:
      - uses: actions/checkout@v5
      - uses: snug-sandbox/snug/actions/run@v1
        with:
          run: make one
          persist: x
      - name: two
        uses: snug-sandbox/snug/actions/run@v1
        with:
          network: allowlist
          allowed-hosts: |
            a.example
          run: |
            make two
      - run: echo`, "\n")
	for _, c := range []struct {
		script, input string
		line          int
	}{{"make one", "persist", 8}, {"make one", "outputs", 5}, {"make two", "allowed-hosts", 13}, {"make two", "persist", 10}, {"other", "persist", 8}} {
		if got := findStep("w", text, c.script, c.input); got.line != c.line {
			t.Errorf("%+v: line %d", c, got.line)
		}
	}
}

func TestEgressOfTheReport(t *testing.T) {
	r := &sandboxReport{Network: []byte(`{"reached":[{"name":"a.example","address":"192.0.2.1","port":443,"protocol":"tcp","count":2}],"refused":[{"name":"b.example","protocol":"dns","why":"x","program":"curl","count":1}]}`)}
	want := []Connection{{Host: "a.example", Address: "192.0.2.1", Port: 443, Allowed: true, Count: 2}, {Host: "b.example", Program: "curl", Count: 1}}
	if got := readEgress(r); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestMistakePlace(t *testing.T) {
	if got := mistakePlace("profile /w/ci/p.toml:3:7: no such key", "/w"); got != (place{"ci/p.toml", 3}) {
		t.Errorf("%+v", got)
	}
	if got := mistakePlace("/etc/p.toml:3:7: x", "/w"); got != (place{}) {
		t.Errorf("%+v", got)
	}
}

func TestAnnotationsKeepToTheLimits(t *testing.T) {
	var out strings.Builder
	r := &runner{Process: Process{Out: &out}, Inputs: Inputs{Annotate: true, FailOn: "violation"}}
	for i := range 30 {
		r.report.violate("workspace", strings.Repeat("x", 9000)+fmt.Sprint(i), "why\n::set-env name=a::b")
		r.report.warn("warning %d", i)
	}
	r.annotate()
	count := map[string]int{}
	for line := range strings.Lines(out.String()) {
		kind, _, _ := strings.Cut(strings.TrimPrefix(line, "::"), " ")
		count[kind]++
		if _, data, _ := strings.Cut(line[2:], "::"); len(data) > maxMessage+10 {
			t.Errorf("a message of %d bytes", len(data))
		}
	}
	if !maps.Equal(count, map[string]int{"error": 10, "notice": 10}) {
		t.Errorf("%v", count)
	}
	if !strings.Contains(out.String(), "and 21 more") {
		t.Error("the rest is not counted")
	}
}

func TestSummaryHoldsItsLimitsAndItsFences(t *testing.T) {
	r := &runner{Inputs: Inputs{Network: "allowlist", Workspace: "overlay"}}
	r.report.Sandbox = &sandboxReport{}
	for i := range 2000 {
		r.report.Changes = append(r.report.Changes, Change{Path: fmt.Sprintf("<img src=x>|`%d", i), Kind: "A", Type: "file"})
		r.report.Egress = append(r.report.Egress, Connection{Host: fmt.Sprintf("%%%%{init:{}}%%%%evil\"]%d\nclick", i), Port: 443, Allowed: i%2 == 0})
		r.report.violate("network", fmt.Sprintf("![x](https://t.example/%d)", i), "</details> | @octocat #1")
	}
	s := r.summary("```\n````\n<script>\n" + strings.Repeat("own ", 1<<20))
	if len(s) > 1<<20 {
		t.Errorf("%d bytes", len(s))
	}
	for _, wrong := range []string{"<img", "![x]", "\n</details> |", "@octocat", "\"]0\nclick"} {
		if strings.Contains(s, wrong) {
			t.Errorf("the summary holds %q", wrong)
		}
	}
	if !strings.Contains(s, "`````\n```\n````\n<script>") {
		t.Error("the step's own words are not fenced by more than they hold")
	}
	charts := strings.Split(s, "```mermaid")
	if len(charts) != 3 || strings.Contains(strings.Split(charts[2], "```")[0], "%%{") {
		t.Error("no charts, or a directive in one")
	}
}
