package actions

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/network"
)

// Inputs are what a workflow says of one sandboxed step, by the names that
// action.yml gives them.
type Inputs struct {
	Run       string // the script
	Shell     string // bash, sh, python, pwsh, or a line that holds {0}; default bash
	Dir       string // working-directory, from the workspace; default the workspace
	Profile   string // of Snug, by name or by a path in the workspace; default ci
	Network   string // none (default), allowlist or host
	Hosts     []string
	Egress    string // egress-policy: block (default) or audit
	Workspace string // overlay (default), ro or rw
	Persist   []string
	Outputs   Declared
	Env       []pair // variables; without a value they are the job's
	Secrets   []pair // handed over as files
	Caches    []string
	Memory    string
	CPUs      string
	PIDs      string
	Timeout   string
	Rootfs    string // host (default), or an image
	HostSetup string // auto (default), sysctl or none
	Bare      string // without-namespaces: fail (default) or landlock
	FailOn    string // violation (default), exit or never
	Summary   bool
	Annotate  bool
}

// Declared is what may leave a step: names of outputs, variables of later
// steps, and directories for their PATH.
type Declared struct {
	Outputs, Env, Path []string
}

// Names of the inputs, as in action.yml.
var inputNames = []string{
	"run", "shell", "working-directory", "profile", "network", "allowed-hosts", "egress-policy", "workspace", "persist",
	"outputs", "env", "secrets", "cache-dirs", "memory", "cpus", "pids", "timeout", "rootfs", "host-setup", "without-namespaces",
	"fail-on", "summary", "annotations",
}

// Defaults of pids and timeout: a step that ends up in a loop shall not take the
// runner with it.
const (
	defaultPIDs    = "4096"
	defaultTimeout = "60m"
)

// FromEnvironment reads the inputs where the runner, or the action's own steps,
// put them: INPUT_NAME, with "-" or "_" in it.
func FromEnvironment(environ []string) (Inputs, error) {
	return parseInputs(func(name string) string {
		upper := strings.ToUpper(name)
		for _, form := range []string{upper, strings.ReplaceAll(upper, "-", "_")} {
			if v := lookup(environ, "INPUT_"+form); v != "" {
				return v
			}
		}
		return ""
	})
}

// lookup returns the value of a variable; of several, the last one's.
func lookup(environ []string, name string) string {
	for _, kv := range slices.Backward(environ) {
		if n, v, ok := strings.Cut(kv, "="); ok && n == name {
			return v
		}
	}
	return ""
}

// parseInputs reads all inputs, and returns all that is wrong with them.
func parseInputs(get func(name string) string) (Inputs, error) {
	r := &inputReader{get: get}
	in := Inputs{
		Run: get("run"), Shell: r.text("shell", "bash"), Dir: r.text("working-directory", "."), Profile: r.text("profile", "ci"),
		Network: r.word("network", "none", "allowlist", "host"), Hosts: r.hosts("allowed-hosts"),
		Egress: r.word("egress-policy", "block", "audit"), Workspace: r.word("workspace", "overlay", "ro", "rw"),
		Persist: r.patterns("persist"), Outputs: r.declared("outputs"), Env: r.variables("env"), Secrets: r.variables("secrets"),
		Caches: lines(get("cache-dirs")), Memory: r.size("memory"), CPUs: r.number("cpus", true), PIDs: r.number("pids", false),
		Timeout: r.duration("timeout"), Rootfs: r.text("rootfs", "host"), HostSetup: r.word("host-setup", "auto", "sysctl", "none"),
		Bare:   r.word("without-namespaces", "fail", "landlock"),
		FailOn: r.word("fail-on", "violation", "exit", "never"), Summary: r.truth("summary"), Annotate: r.truth("annotations"),
	}
	if strings.TrimSpace(in.Run) == "" {
		r.bad("run", "it is empty: there is nothing to run", "run: make test")
	}
	r.together(in)
	return in, r.wrong.Err()
}

// together judges inputs that mean something only beside others.
func (r *inputReader) together(in Inputs) {
	if len(in.Hosts) > 0 && in.Network != "allowlist" {
		r.bad("allowed-hosts", "network is "+in.Network+", so that no list is looked at", "network: allowlist")
	}
	if in.Network == "allowlist" && in.Egress == "block" && len(words(r.get("allowed-hosts"))) == 0 && kits[in.Profile].hosts == nil {
		r.bad("allowed-hosts", "network is allowlist, and the list is empty", "network: none, or allowed-hosts: @github")
	}
	if in.Egress == "audit" && in.Network != "allowlist" {
		r.bad("egress-policy", "audit watches what a list would refuse, and network is "+in.Network, "network: allowlist")
	}
	if len(in.Persist) > 0 && in.Workspace != "overlay" {
		r.bad("persist", "workspace is "+in.Workspace+", which leaves nothing to copy back", "workspace: overlay")
	}
}

type inputReader struct {
	get   func(string) string
	wrong problem.List
}

func (r *inputReader) bad(name, why, fix string) {
	r.wrong = append(r.wrong, &problem.Problem{What: "input " + name, Why: why, Fix: fix})
}

func (r *inputReader) text(name, or string) string {
	if v := strings.TrimSpace(r.get(name)); v != "" {
		return v
	}
	return or
}

// word takes one of some words; the first is the default.
func (r *inputReader) word(name string, words ...string) string {
	v := r.text(name, words[0])
	if !slices.Contains(words, v) {
		r.bad(name, fmt.Sprintf("%q is not one of %s", v, strings.Join(words, ", ")), name+": "+words[0])
	}
	return v
}

func (r *inputReader) truth(name string) bool {
	switch v := strings.ToLower(r.text(name, "true")); v {
	case "true", "yes", "1":
		return true
	case "false", "no", "0":
		return false
	default:
		r.bad(name, fmt.Sprintf("%q is neither true nor false", v), name+": true")
		return false
	}
}

func (r *inputReader) size(name string) string {
	v := r.text(name, "")
	if v == "" {
		return ""
	}
	if m, err := units.ParseMemory(v); err != nil || m == 0 {
		r.bad(name, fmt.Sprintf("%q is not a size of memory above 0, or a share of the machine's up to 100%%", v), name+": 2GiB")
	}
	return v
}

func (r *inputReader) number(name string, fraction bool) string {
	v := r.text(name, "")
	if v == "" {
		return ""
	}
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || !(n > 0 && n <= 1<<22) || !fraction && n != float64(int64(n)) {
		r.bad(name, fmt.Sprintf("%q is not a number above 0", v), name+": 2")
	}
	return v
}

func (r *inputReader) duration(name string) string {
	v := r.text(name, defaultTimeout)
	if _, err := strconv.ParseUint(v, 10, 64); err == nil {
		v += "m" // as timeout-minutes has it
	}
	if d, err := time.ParseDuration(v); err != nil || d <= 0 {
		r.bad(name, fmt.Sprintf("%q is not a time", v), name+": 10m")
	}
	return v
}

// lines are those of a text that say something.
func lines(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			list = append(list, line)
		}
	}
	return list
}

// words are what commas, spaces and ends of lines part.
func words(text string) []string {
	var list []string
	for _, line := range lines(text) {
		list = append(list, strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })...)
	}
	return list
}

func (r *inputReader) hosts(name string) []string {
	var list []string
	for _, word := range words(r.get(name)) {
		hosts, err := expandHost(word)
		if err != nil {
			fix := "registry.example.org:443, or one of " + strings.Join(presetNames(), ", ")
			if rule := (*network.RuleError)(nil); errors.As(err, &rule) && rule.Fix != "" {
				fix = rule.Fix
			}
			r.bad(name, err.Error(), name+": "+fix)
			continue
		}
		list = append(list, hosts...)
	}
	return list
}

func (r *inputReader) patterns(name string) []string {
	var list []string
	for _, line := range lines(r.get(name)) {
		if why := badPattern(line); why != "" {
			r.bad(name, fmt.Sprintf("%q %s", line, why), name+": dist/**")
			continue
		}
		list = append(list, strings.TrimPrefix(filepath.Clean(line)+trailing(line), "./"))
	}
	return list
}

// trailing makes "dist/" mean everything below dist.
func trailing(pattern string) string {
	if strings.HasSuffix(pattern, "/") {
		return "/**"
	}
	return ""
}

// declared reads names of outputs, "env:NAME" and "path:DIR".
func (r *inputReader) declared(name string) (d Declared) {
	for _, word := range words(r.get(name)) {
		kind, what, ok := strings.Cut(word, ":")
		switch {
		case slices.Contains(resultNames, strings.ToLower(word)): // the runner does not tell capitals apart
			r.bad(name, fmt.Sprintf("%q is an output of the action itself", word), name+": version")
		case !ok && validName(word):
			d.Outputs = append(d.Outputs, word)
		case kind == "env" && validName(what) && powerful(what):
			r.bad(name, fmt.Sprintf("%q would give the step power over later ones", word), "")
		case kind == "env" && validName(what):
			d.Env = append(d.Env, what)
		case kind == "path" && what != "":
			d.Path = append(d.Path, what)
		default:
			r.bad(name, fmt.Sprintf("%q is not the name of an output, env:NAME or path:DIRECTORY", word), name+": version")
		}
	}
	return d
}

// variables reads lines of NAME or NAME=VALUE. A value may go on over further
// lines as in $GITHUB_ENV: NAME<<END.
func (r *inputReader) variables(name string) []pair {
	text := r.get(name)
	var list []pair
	all := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := 0; i < len(all); i++ {
		line := strings.TrimLeft(all[i], " \t")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if end, ok := heredoc(line); ok {
			first := i
			for i++; i < len(all) && strings.TrimSpace(all[i]) != end; i++ {
			}
			if i >= len(all) {
				r.bad(name, fmt.Sprintf("line %d: the delimiter %q does not come again", first+1, end), "")
				break
			}
			list = append(list, pair{line[:strings.Index(line, "<<")], strings.Join(all[first+1:i], "\n") + "\x00"})
			continue
		}
		variable, value, given := strings.Cut(line, "=")
		variable = strings.TrimSpace(variable)
		if !validName(variable) || strings.Contains(variable, "-") {
			r.bad(name, fmt.Sprintf("line %d is neither NAME nor NAME=VALUE", i+1), name+": LEVEL=3")
			continue
		}
		if given {
			value += "\x00"
		}
		list = append(list, pair{variable, value})
	}
	return list
}

func heredoc(line string) (end string, ok bool) {
	name, end, ok := strings.Cut(line, "<<")
	return strings.TrimSpace(end), ok && validName(name) && strings.TrimSpace(end) != ""
}

// given returns the value of a variable, the job's where the input has none. A
// value cannot hold a NUL; one at the end says that there is a value.
func (p pair) given(environ []string) (value string, ok bool) {
	if v, given := strings.CutSuffix(p.value, "\x00"); given {
		return v, true
	}
	for _, kv := range slices.Backward(environ) {
		if n, v, _ := strings.Cut(kv, "="); n == p.name {
			return v, true
		}
	}
	return "", false
}

// powerful reports whether a variable decides what programs of later steps run
// or load.
func powerful(name string) bool {
	upper := strings.ToUpper(name)
	for _, start := range []string{"LD_", "DYLD_", "GITHUB_", "RUNNER_", "ACTIONS_", "INPUT_", "GIT_", "BASH_", "NODE_", "NPM_", "PYTHON", "PERL", "RUBY", "SSH_", "SNUG_", "DOCKER_", "JAVA_", "_JAVA", "CARGO_", "PIP_", "DOTNET_", "CORECLR_", "OPENSSL_"} {
		if strings.HasPrefix(upper, start) {
			return true
		}
	}
	return slices.Contains([]string{
		"PATH", "HOME", "SHELL", "ENV", "IFS", "PS4", "PROMPT_COMMAND", "EDITOR", "VISUAL", "PAGER", "CDPATH", "TMPDIR", "XDG_CONFIG_HOME",
		"MAKEFLAGS", "GNUMAKEFLAGS", "SHELLOPTS", "LESSOPEN", "SNUG", "CC", "CXX", "LD", "RUSTC", "RUSTC_WRAPPER", "RUSTFLAGS", "GOFLAGS", "GOROOT", "GOPATH", "GOPROXY", "GOSUMDB", "GOTOOLCHAIN", "GOENV", "CLASSPATH", "MAVEN_OPTS", "GCONV_PATH", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
	}, upper)
}
