package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/profiles"
	"github.com/snug-sandbox/snug/spec"
	"github.com/snug-sandbox/snug/userns"
)

// view is what explain tells about a sandbox. Its JSON is for programs.
type view struct {
	Profile      string            `json:"profile"`
	Sources      []string          `json:"sources"`
	Command      []string          `json:"command"` // empty: a shell
	Shell        string            `json:"shell"`
	Workdir      string            `json:"workdir"`
	User         string            `json:"user"`
	UID          int               `json:"uid"`
	GID          int               `json:"gid"`
	Groups       []int             `json:"groups,omitempty"` // further ones
	Home         string            `json:"home"`
	Map          string            `json:"map"`                // how ids inside map to ids outside
	Hostname     string            `json:"hostname,omitempty"` // of a new uts namespace
	Root         viewRoot          `json:"root"`
	Mounts       []viewMount       `json:"mounts"`
	Hidden       []string          `json:"hidden"`   // made unreadable below /proc
	Readonly     []string          `json:"readonly"` // made read-only below /proc
	Namespaces   map[string]string `json:"namespaces"`
	Network      string            `json:"network"`
	Private      *privateView      `json:"private_network,omitempty"`
	Exposed      []string          `json:"exposed,omitempty"` // ports that the image says it listens on
	Environment  []string          `json:"environment"`       // names only: values may be secret
	Capabilities []string          `json:"capabilities"`
	NestedUserns bool              `json:"nested_userns"`
	Seccomp      string            `json:"seccomp"`
	Landlock     string            `json:"landlock"`
	Limits       map[string]string `json:"limits"`
	Delegation   *delegation       `json:"delegation,omitempty"` // of control groups, where limits ask for one
	Descriptors  []int             `json:"descriptors"`
	Terminal     bool              `json:"terminal"` // one of the sandbox's own
	Desktop      []viewDesktop     `json:"desktop,omitempty"`
	Reaches      []string          `json:"reaches"`
	Warnings     []string          `json:"warnings"`
	Notes        []string          `json:"notes"`
	Steps        []viewStep        `json:"steps,omitempty"`
	Security     *security         `json:"security,omitempty"`
}

// viewRoot is what lies under all mounts.
type viewRoot struct {
	What string `json:"what"`
	Mode string `json:"mode"`
}

// viewMount is one mount, in the order in which they are made.
type viewMount struct {
	Target  string `json:"target"`
	Type    string `json:"type"`
	Source  string `json:"source,omitempty"`
	Mode    string `json:"mode,omitempty"` // "ro" or "rw"; none for what is no mount
	Flags   string `json:"flags,omitempty"`
	From    string `json:"from"`              // the rule that decides: a line of a profile, an option, what is always there
	Over    string `json:"over,omitempty"`    // the rule for the same target that it wins over
	Missing bool   `json:"missing,omitempty"` // the source is not there
	Refused string `json:"refused,omitempty"` // why run will fail because of the source
	Left    bool   `json:"left_out,omitempty"`
	Risk    string `json:"risk,omitempty"`
	what    string
}

// viewStep is one step of the plan.
type viewStep struct {
	Step  int    `json:"step"`
	Actor string `json:"actor"`
	Label string `json:"label"`
	Call  string `json:"call"`
}

func stepsOf(p *plan.Plan) []viewStep {
	steps := make([]viewStep, len(p.Program.Steps))
	for i, call := range p.Program.FormatCalls() {
		steps[i] = viewStep{i, p.Program.Actor(i), p.Program.Steps[i].Label, call}
	}
	return steps
}

// newView works out what to tell.
func newView(p *sandbox, r spec.Resolved) *view {
	s := r.Spec
	v := &view{
		Profile: s.Name, Sources: p.Sources, Command: list(s.Command.Args), Shell: r.Shell, Workdir: r.Workdir,
		User: r.User, UID: r.UID, GID: r.GID, Groups: s.Identity.Groups, Home: r.Home, Map: s.Identity.Map, Root: rootView(s.Rootfs), Network: s.Network.Mode, Exposed: s.Network.Exposed,
		Environment: names(r.Environ), Capabilities: list(s.Security.Capabilities), NestedUserns: s.Security.NestedUserns,
		Limits: limits(s.Limits), Descriptors: append([]int{0, 1, 2}, s.Command.FDs...), Terminal: r.Terminal, Notes: list(nil),
	}
	if v.Map == "" {
		v.Map = userns.MapSelf
	}
	if v.Network == "" {
		v.Network = network.None
	}
	v.Private = newPrivateView(s.Network)
	if s.Network.Join != "" {
		v.Network = joined
	}
	if s.Namespaces.UTS != namespaces.Share {
		v.Hostname = s.Namespaces.Name()
	}
	v.Namespaces = namespaceViews(s)
	v.Mounts = mountViews(r, rules{p.Origins(), p.added})
	if s.Namespaces.None {
		v.bare()
	} else {
		v.protected(s.Security.Unmask)
	}
	v.Reaches, v.Warnings = reaches(v), warnings(v)
	return v
}

func list(words []string) []string { return append([]string{}, words...) }

func names(environ []string) []string {
	list := make([]string, len(environ))
	for i, kv := range environ {
		list[i], _, _ = strings.Cut(kv, "=")
	}
	return list
}

func rootView(r mounts.Rootfs) viewRoot {
	v := plainRootView(r)
	switch {
	case r.Driver == mounts.DriverFuse:
		v.What += ", by fuse-overlayfs"
	case r.Driver == mounts.DriverCopy && r.Image != "":
		v.What = "a copy of " + strings.ReplaceAll(v.What, r.Upper, r.Copy)
	}
	return v
}

func plainRootView(r mounts.Rootfs) viewRoot {
	mode := map[bool]string{true: "rw", false: "ro"}
	switch {
	case r.Image != "" && r.Overlay == mounts.OverlayReadonly:
		return viewRoot{"the image " + r.Image + ", below a file system for new mount points", "ro"}
	case r.Image != "" && r.Overlay == mounts.OverlayKeep:
		return viewRoot{"the image " + r.Image + "; what is written is kept in " + r.Upper, "rw"}
	case r.Image != "":
		return viewRoot{"the image " + r.Image + "; what is written is gone at the end", "rw"}
	case r.Path != "" && r.Overlay == mounts.OverlayReadonly:
		return viewRoot{r.Path + " of the host, below a file system for new mount points", "ro"}
	case r.Path != "" && r.Overlay == mounts.OverlayDiscard:
		return viewRoot{r.Path + " of the host; what is written is gone at the end", "rw"}
	case r.Path != "" && r.Overlay == mounts.OverlayKeep:
		return viewRoot{r.Path + " of the host; what is written is kept in " + r.Upper, "rw"}
	case r.Path != "":
		return viewRoot{r.Path + " of the host", mode[r.Writable]}
	case r.Base == mounts.BaseHost:
		return viewRoot{"the whole tree of the host", "ro"}
	}
	return viewRoot{"empty", mode[r.Writable]}
}

func namespaceViews(s spec.Spec) map[string]string {
	c := s.Namespaces
	views := map[string]string{"mount": namespaces.New, "time": namespaces.Share}
	if c.None {
		views["mount"] = namespaces.Share
	}
	for name, value := range map[string]string{"user": c.User, "pid": c.PID, "net": c.Net, "ipc": c.IPC, "uts": c.UTS, "cgroup": c.Cgroup} {
		views[name] = namespaces.New
		if value == namespaces.Share {
			views[name] = namespaces.Share
		}
	}
	if c.NewTime() {
		views["time"] = namespaces.New
	}
	return views
}

// protected lists what of /proc is hidden or read-only, when there is one.
func (v *view) protected(unmask []string) {
	v.Hidden, v.Readonly = []string{}, []string{}
	if !slices.ContainsFunc(v.Mounts, func(m viewMount) bool { return m.Type == mounts.Proc }) {
		return
	}
	lifted := func(path string) bool { return slices.Contains(unmask, "ALL") || slices.Contains(unmask, path) }
	for _, p := range mounts.MaskedPaths {
		if path := "/proc/" + p.Path; !lifted(path) {
			v.Hidden = append(v.Hidden, path)
		}
	}
	for _, p := range mounts.ReadonlyPaths {
		if path := "/proc/" + p.Path; !lifted(path) {
			v.Readonly = append(v.Readonly, path)
		}
	}
}

// bare tells what of the mounts is there without namespaces.
func (v *view) bare() {
	v.Hidden, v.Readonly = []string{}, []string{}
	if v.Root.What == "empty" {
		v.Root.What = "the host's, closed but for what is shown here"
	}
	for i := range v.Mounts {
		m := &v.Mounts[i]
		switch m.Type {
		case mounts.Tmpfs:
			m.Mode, m.Flags, m.what = "", "", "closed: nothing private without namespaces"
		case mounts.Proc:
			m.Mode, m.what = "ro", "the host's"
		case mounts.Dev:
			m.what = strings.Join(mounts.DeviceNodes(), " ")
		}
	}
}

// rules knows what the rules of a Spec are called.
type rules struct {
	origins map[string]profiles.Origin
	options map[int]string
}

// name returns the place of a rule: a profile's line, an option, or what it is
// when nobody asked for it.
func (r rules) name(rule string) string {
	if at, ok := r.origins[rule]; ok {
		return fmt.Sprintf("%s:%d", at.File, at.Line)
	}
	index, isMount := strings.CutPrefix(rule, "mounts[")
	i, _ := strconv.Atoi(strings.TrimSuffix(index, "]"))
	switch {
	case isMount && r.options[i] == "":
		return "the image"
	case isMount:
		return r.options[i]
	case rule == "rootfs":
		return "the system's directories"
	}
	return "always there"
}

// mountViews tells each mount with the rule that it comes from.
func mountViews(r spec.Resolved, rules rules) []viewMount {
	views := make([]viewMount, 0, len(r.Shown))
	for _, m := range r.Shown {
		view := viewMount{Target: m.Target, Type: m.Type, Source: m.Source, From: rules.name(m.From), Risk: m.Risk()}
		if isMount(m.Type) {
			view.Flags = m.Flags()
			view.Mode = view.Flags[:2]
		}
		if (m.Type == mounts.Bind || m.Type == mounts.DevBind) && (m.Optional || !strings.HasPrefix(view.From, "desktop.")) {
			view.Missing, view.Refused = lookAt(m.Source)
			if view.Left = view.Missing && m.Optional; view.Left {
				view.Refused = ""
			}
		}
		if view.Left && !strings.HasPrefix(m.From, "mounts[") {
			continue // nobody asked for it
		}
		view.what = whatMount(m)
		if m.Type == mounts.Proc && r.Spec.Namespaces.PID == namespaces.Share {
			view.what = "the host's processes"
		}
		if limits := r.Spec.Security.Masking.Proc(); m.Type == mounts.Proc && limits != "" {
			view.what += ", with " + limits
		}
		view.Over = overruled(r, m, rules)
		views = append(views, view)
	}
	return views
}

// lookAt says whether a source is missing, and what speaks against mounting it.
func lookAt(source string) (missing bool, refused string) {
	_, err := os.Stat(source)
	switch {
	case err == nil:
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return true, "does not exist"
	case errors.Is(err, unix.EACCES):
		if dir := closedDir(source); dir != "" {
			return false, "cannot be reached: you have no permission for " + dir
		}
	default:
		if e := new(fs.PathError); errors.As(err, &e) {
			err = e.Err
		}
		return false, "cannot be reached: " + err.Error()
	}
	return false, ""
}

// closedDir is the directory on the way to path that does not let the caller
// pass; "" when it is the caller's own, because the sandbox has the power over
// those while it is built.
func closedDir(path string) string {
	for i := 1; i < len(path); i++ {
		dir := path[:i]
		if path[i] != '/' || unix.Access(dir, unix.X_OK) != unix.EACCES {
			continue
		}
		var st unix.Stat_t
		if unix.Stat(dir, &st) == nil && int(st.Uid) == os.Geteuid() && int(st.Gid) == os.Getegid() {
			return ""
		}
		return dir
	}
	return path
}

func isMount(typ string) bool {
	return typ != mounts.Symlink && typ != mounts.Dir && typ != mounts.File && typ != mounts.Mask
}

// overruled returns the rule for the same target that would count without m.
func overruled(r spec.Resolved, m mounts.Resolved, rules rules) string {
	over := ""
	for i, other := range r.Spec.Mounts {
		rule := "mounts[" + strconv.Itoa(i) + "]"
		if rule == m.From {
			break
		}
		if other.Target == m.Target || other.Target == "" && other.Source == m.Target {
			over = rules.name(rule)
		}
	}
	return over
}

// whatMount says what is mounted, in words.
func whatMount(m mounts.Resolved) string {
	switch m.Type {
	case mounts.Bind:
		return m.Source + " of the host"
	case mounts.DevBind:
		return m.Source + " of the host, with devices"
	case mounts.Tmpfs:
		if m.Size != 0 {
			return "private and empty, in memory, at most " + m.Size.String()
		}
		return "private and empty, in memory"
	case mounts.Proc:
		return "the sandbox's processes"
	case mounts.Dev:
		return "a minimal /dev"
	case mounts.Mqueue:
		return "message queues of its own"
	case mounts.Overlay:
		return overlayView(m.Mount)
	case mounts.Symlink:
		return "link to " + m.Source
	case mounts.Dir:
		return "a directory"
	case mounts.File:
		return fmt.Sprintf("a file of %d bytes", len(m.Content))
	case mounts.Mask:
		return "made unreadable"
	case mounts.Remount:
		return "what is there, with other flags"
	}
	return m.Type
}

func overlayView(m mounts.Mount) string {
	text := strings.Join(m.Lower, " over ") + " of the host"
	switch {
	case m.Upper != "":
		return text + "; what is written is kept in " + m.Upper
	case m.Writable:
		return text + "; what is written is gone at the end"
	}
	return text
}

// reaches lists what of the host the command can change or talk to.
func reaches(v *view) []string {
	list := []string{}
	for _, m := range v.Mounts {
		if m.Mode == "rw" && (m.Type == mounts.Bind || m.Type == mounts.DevBind) && !m.Left {
			list = append(list, "writes to "+m.Source)
		}
	}
	if v.Namespaces["net"] == namespaces.Share && v.Network == network.Host {
		list = append(list, "the host's network, with services that listen on localhost only, and abstract sockets")
	}
	if p := v.Private; p != nil && p.Join == "" {
		to := "the network outside"
		if len(p.Allow) > 0 {
			to = strings.Join(p.Allow, ", ") + " on the network outside"
		}
		list = append(list, to)
		if p.HostLoopback {
			list = append(list, "services that listen on the host's loopback only")
		}
	}
	if v.Namespaces["mount"] == namespaces.Share {
		return list // the notes tell the rest
	}
	for name, what := range map[string]string{
		"pid": "sees and signals the caller's processes", "ipc": "the caller's shared memory and message queues",
		"user": "acts with the caller's own privileges",
	} {
		if v.Namespaces[name] == namespaces.Share {
			list = append(list, what)
		}
	}
	slices.Sort(list)
	return list
}

// warnings lists what gives away more than it looks like, and what is missing.
func warnings(v *view) []string {
	list := []string{}
	if v.Namespaces["user"] == namespaces.Share && v.Namespaces["mount"] == namespaces.New {
		list = append(list, "the user namespace is shared: run works for a caller with CAP_SYS_ADMIN only")
	}
	for _, m := range v.Mounts {
		if m.Risk != "" {
			list = append(list, m.Source+": "+m.Risk+" ("+m.From+")")
		}
		if m.Refused != "" {
			list = append(list, m.Source+" "+m.Refused+": run will fail ("+m.From+")")
		}
	}
	return list
}
