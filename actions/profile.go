package actions

import (
	"bytes"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/network"
)

// Places inside the sandbox.
const (
	insideDir     = "/run/snug"
	insideSecrets = "/run/secrets"
)

// fileCommands are the files that the runner gives a step, by variable and name.
// Inside they are ours.
var fileCommands = [][2]string{
	{"GITHUB_OUTPUT", "output"}, {"GITHUB_ENV", "env"}, {"GITHUB_PATH", "path"}, {"GITHUB_STATE", "state"}, {"GITHUB_STEP_SUMMARY", "summary"},
}

// alwaysDenied are link-local addresses and others that clouds have the keys of
// their machines at: a step reaches them by no list.
func alwaysDenied() (list []string) {
	for _, p := range network.Closed {
		list = append(list, p.String())
	}
	return list
}

// table is a table of a profile.
type table = map[string]any

// layout are the host's files of one run, in a directory that only the caller
// can enter.
type layout struct{ dir string }

func (l layout) path(name string) string { return filepath.Join(l.dir, name) }

// newLayout makes the directory and its empty files.
func newLayout(temp string) (l layout, err error) {
	if l.dir, err = os.MkdirTemp(temp, "snug-run-"); err != nil {
		return l, err
	}
	for _, d := range []string{"upper", "work", "clean", "snug", "tree", "home", "secrets"} {
		if err := os.Mkdir(l.path(d), 0o755); err != nil {
			return l, err
		}
	}
	for _, f := range fileCommands {
		// The second is what the first is mounted on.
		for _, name := range []string{f[1], filepath.Join("snug", f[1])} {
			if err := os.WriteFile(l.path(name), nil, 0o644); err != nil {
				return l, err
			}
		}
	}
	return l, nil
}

// step is a step that is about to run.
type step struct {
	Inputs
	job    job
	hidden hidden
	layout layout
	words  []string // the shell and its arguments, inside
	bare   bool     // without namespaces: everything is at its own place
}

// scriptDir is where the script is inside, handed a file for $GITHUB_OUTPUT and its
// like, secret one of a secret, and workspaceInside the workspace.
func (s *step) scriptDir() string {
	if s.bare {
		return s.layout.path("snug")
	}
	return insideDir
}

func (s *step) handed(name string) string {
	if s.bare {
		return s.layout.path(name)
	}
	return path.Join(insideDir, name)
}

func (s *step) secret(name string) string {
	if s.bare {
		return s.layout.path(path.Join("secrets", name))
	}
	return path.Join(insideSecrets, name)
}

func (s *step) workspaceInside() string {
	if s.bare && s.Workspace == "overlay" {
		return s.layout.path("tree")
	}
	return s.job.workspace
}

// profile writes what this step adds to its profile, as TOML.
func (s *step) profile() ([]byte, error) {
	workdir := path.Join(s.job.workspace, s.Dir)
	if path.IsAbs(s.Dir) {
		workdir = path.Clean(s.Dir)
	}
	if rest, ok := strings.CutPrefix(workdir, s.job.named); ok && s.job.named != "" && within(workdir, s.job.named) {
		workdir = path.Join(s.job.workspace, rest)
	}
	if !within(workdir, s.job.workspace) {
		return nil, &problem.Problem{What: "input working-directory", Why: workdir + " is outside of the workspace " + s.job.workspace}
	}
	if err := s.cachesWrong(); err != nil {
		return nil, err
	}
	env, files, err := s.environment()
	if err != nil {
		return nil, err
	}
	mounts := append(s.mounts(), files...)
	if rel, err := filepath.Rel(s.job.workspace, workdir); err == nil {
		workdir = path.Join(s.workspaceInside(), rel)
	}
	t := table{
		"version": 1, "description": "one step",
		"command": table{"workdir": workdir, "args": s.words},
		"env":     table{"set": env},
		"mounts":  mounts, "network": s.network(), "limits": s.limits(),
	}
	if s.bare {
		t["namespaces"] = table{"none": true}
	}
	if s.Rootfs != "host" {
		t["rootfs"] = table{"image": s.Rootfs, "overlay": "discard"}
	}
	var b bytes.Buffer
	err = toml.NewEncoder(&b).Encode(escaped(t))
	return b.Bytes(), err
}

// escaped keeps "${" in every text of a profile what it is.
func escaped(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "${", "$${")
	case []string:
		return each(v)
	case []table:
		return each(v)
	case map[string]string:
		out := table{}
		for k, s := range v {
			out[k] = escaped(s)
		}
		return out
	case table:
		out := table{}
		for k, s := range v {
			out[k] = escaped(s)
		}
		return out
	}
	return v
}

func each[T any](list []T) []T {
	out := make([]T, len(list))
	for i, v := range list {
		out[i] = escaped(v).(T)
	}
	return out
}

// environment returns the variables of the step, and the files of its secrets.
func (s *step) environment() (env map[string]string, files []table, err error) {
	env = map[string]string{"PATH": s.job.searchPath(s.cacheDirs()...)}
	if s.Rootfs != "host" {
		delete(env, "PATH") // the image has its own
	}
	for _, f := range fileCommands {
		env[f[0]] = s.handed(f[1])
	}
	if s.bare {
		env["HOME"] = s.layout.path("home")
	}
	if s.bare || s.job.named != "" {
		env["GITHUB_WORKSPACE"] = s.workspaceInside()
	}
	var wrong problem.List
	value := func(input string, p pair) (string, bool) {
		v, ok := p.given(s.job.environ)
		switch {
		case !ok:
			wrong = append(wrong, &problem.Problem{What: "input " + input, Why: "the job has no variable " + p.name, Fix: input + ": " + p.name + "=VALUE, or env: of the step"})
		case !utf8.ValidString(v):
			wrong, ok = append(wrong, &problem.Problem{What: "input " + input, Why: "the value of " + p.name + " is not UTF-8"}), false
		}
		return v, ok
	}
	for _, p := range s.Env {
		if isReserved(p.name) {
			wrong = append(wrong, &problem.Problem{What: "input env", Why: p.name + " is part of the job's trust, or of how the step hands over its outputs"})
			continue
		}
		if v, ok := value("env", p); ok {
			env[p.name] = v
		}
	}
	for _, p := range s.Secrets {
		v, ok := value("secrets", p)
		if !ok {
			continue
		}
		target := s.secret(p.name)
		if s.bare {
			err = errors.Join(err, os.WriteFile(target, []byte(v), 0o400))
			files = append(files, table{"source": target})
		} else {
			files = append(files, table{"type": "file", "target": target, "content": v, "mode": "0400"})
		}
		env[p.name+"_FILE"] = target
	}
	return env, files, errors.Join(err, wrong.Err())
}

// isReserved reports whether a variable must not be handed in as it is.
func isReserved(name string) bool {
	for _, f := range fileCommands {
		if name == f[0] {
			return true
		}
	}
	return strings.HasPrefix(name, "ACTIONS_") || name == "RUNNER_TEMP"
}

func (s *step) mounts() []table {
	if s.bare {
		return s.bareMounts()
	}
	list := []table{{"source": s.layout.path("snug"), "target": insideDir}}
	for _, f := range fileCommands {
		list = append(list, table{"source": s.layout.path(f[1]), "target": path.Join(insideDir, f[1]), "writable": true})
	}
	if s.job.tools != "" && !within(s.job.tools, "/opt") && !within(s.job.tools, s.job.workspace) {
		list = append(list, table{"source": s.job.tools, "optional": true})
	}
	list = append(list, s.caches()...)
	list = append(list, s.workspace()...)
	if temp := lookup(s.job.environ, "RUNNER_TEMP"); temp != "" && within(realPath(temp), s.job.workspace) {
		list = append(list, table{"type": "tmpfs", "target": realPath(temp)})
	}
	return list
}

// caches are directories of the job that a step reads, and writes to for itself
// alone: what it would leave there poisons nobody.
func (s *step) caches() []table {
	var list []table
	for _, dir := range s.cacheDirs() {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			list = append(list, table{"type": "overlay", "target": dir, "lower": []string{dir}, "writable": true})
		} else {
			list = append(list, table{"type": "tmpfs", "target": dir})
		}
	}
	return list
}

// cachesWrong refuses what would show more than a cache: what is kept from a step is in
// these directories.
func (s *step) cachesWrong() error {
	var list problem.List
	for i, dir := range s.cacheDirs()[len(kits[s.Profile].caches):] {
		for _, kept := range []string{s.job.workspace, s.job.home, realPath(s.job.temp)} {
			if within(kept, dir) || within(realPath(kept), realPath(dir)) {
				list = append(list, &problem.Problem{What: "input cache-dirs", Why: s.Caches[i] + " holds " + kept + ", which is more than a cache", Fix: "cache-dirs: ~/.cache/NAME"})
				break
			}
		}
	}
	return list.Err()
}

func (s *step) cacheDirs() []string {
	var list []string
	for _, dir := range slices.Concat(kits[s.Profile].caches, s.Caches) {
		if rest, ok := strings.CutPrefix(dir, "~"); ok && (rest == "" || rest[0] == '/') {
			dir = path.Join(s.job.home, rest)
		}
		if !path.IsAbs(dir) {
			dir = path.Join(s.job.workspace, dir)
		}
		list = append(list, dir)
	}
	return list
}

// workspace shows the workspace, without credentials.
func (s *step) workspace() []table {
	ws, clean := s.job.workspace, s.layout.path("clean")
	lower := []string{ws}
	if len(s.hidden.clean) > 0 {
		lower = []string{clean, ws}
	}
	var list []table
	switch {
	case s.Workspace == "overlay":
		list = append(list, table{"type": "overlay", "target": ws, "lower": lower, "writable": true, "upper": s.layout.path("upper"), "work": s.layout.path("work")})
	case s.Workspace == "ro" && len(lower) > 1:
		list = append(list, table{"type": "overlay", "target": ws, "lower": lower})
	case s.Workspace == "ro":
		list = append(list, table{"source": ws})
	default:
		list = append(list, table{"source": ws, "writable": true})
		list = append(list, s.guardGit(ws, clean)...)
	}
	if s.linksWorkspace() {
		list = append(list, table{"type": "symlink", "target": s.job.named, "source": ws})
	}
	for _, name := range s.hidden.masked {
		list = append(list, table{"type": "mask", "target": path.Join(ws, name)})
	}
	return list
}

// linksWorkspace reports whether a link has to lead to the workspace from where the
// runner names it: what is shown of the system has the runner's own.
func (s *step) linksWorkspace() bool {
	shown := func(top string) bool { return top != "" && within(s.job.named, top) }
	return s.job.named != "" && s.ours() && s.Rootfs == "host" &&
		!slices.ContainsFunc([]string{"/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/opt", "/snap", "/dev", "/proc", "/sys", s.job.tools, s.job.workspace}, shown)
}

// ours reports whether the profile is one of those that are made for steps.
func (s *step) ours() bool { return s.Profile == "ci" || strings.HasPrefix(s.Profile, "ci-") }

// guardGit keeps a step that writes to the workspace itself from .git: a hook
// that it left there would run in a later step.
func (s *step) guardGit(ws, clean string) []table {
	var list []table
	for _, dir := range s.hidden.git {
		list = append(list, table{"source": path.Join(ws, dir)})
	}
	for name := range s.hidden.clean {
		list = append(list, table{"source": path.Join(clean, name), "target": path.Join(ws, name)})
	}
	return list
}

// writeClean writes the configurations without credentials.
func (s *step) writeClean() error {
	for name, text := range s.hidden.clean {
		to := filepath.Join(s.layout.path("clean"), name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (s *step) network() table {
	switch {
	case s.Network == "host":
		return table{"mode": "host"}
	case s.Network == "none":
		return table{"mode": "none"}
	case s.Egress == "audit":
		return table{"mode": "private", "deny": alwaysDenied()}
	}
	return table{"mode": "private", "allow": s.allowed(), "deny": alwaysDenied()}
}

func (s *step) allowed() []string {
	if len(s.Hosts) > 0 {
		return s.Hosts
	}
	return append([]string{}, kits[s.Profile].hosts...)
}

// limits are those of the inputs. What nobody asked for is not added to a profile
// of somebody's own, which may want every limit to be held.
func (s *step) limits() table {
	t := table{"timeout": s.Timeout}
	if s.ours() {
		t["account"] = true
	}
	if s.PIDs != "" || t["account"] == true {
		t["pids"] = atoi(s.PIDs, defaultPIDs)
	}
	if s.Memory != "" {
		t["memory"] = s.Memory
	}
	if n, err := strconv.ParseFloat(s.CPUs, 64); err == nil {
		t["cpus"] = n
	}
	return t
}

func atoi(s, or string) int64 {
	if s == "" {
		s = or
	}
	n, _ := strconv.ParseFloat(s, 64)
	return int64(n)
}
