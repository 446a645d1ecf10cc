package profiles

import (
	"github.com/snug-sandbox/snug/cgroups"
	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/landlock"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/seccomp"
	"github.com/snug-sandbox/snug/spec"
	"github.com/snug-sandbox/snug/userns"
)

// The tables below are the schema: which key stands in which table, where its
// value goes, and what a value must look like beyond its Go type. Reading,
// merging, showing and the JSON Schema all walk them. They are written out,
// rather than read from the struct tags, because reflection over them would
// cost every start; TestKeysAreTheStructTagsOfSpec holds the two together.
// They hold nothing that needs an initialiser at run time.

// key is one key of a table whose values live in a T.
type key[T any] struct {
	name string
	at   func(*T) any // a pointer to where the value goes
	rule rule
	in   mountTypes // for mounts: the types that take this key
}

// rule is what a value must be, beyond its type.
type rule struct {
	text     text     // how a string is read
	enum     []string // the words there are; empty: any text
	word     wordRule // what else a string must be
	min, max int64    // bounds of a number; both zero: from zero up
	times    bool     // a limit is a time, in microseconds
	signed   bool     // a span of time may be negative
	nul      bool     // NUL bytes are fine
	replaces bool     // a later profile's list replaces, instead of adding
	later    bool     // some of its values are reserved
	some     bool     // a list that is given and empty is a mistake: it would mean all
	yes, no  string   // the words that true and false stand for; "": they stand for none
}

// wordRule says what was expected of a string that it refuses, and the nearest
// right one where there is one; "" when s is fine.
type wordRule func(s string) (want, near string)

// noun is what a value of this rule is called in messages.
func (r *rule) noun() string {
	switch {
	case r.enum != nil:
		return choice(r.enum)
	case r.text == hostPath:
		return "a path"
	case r.text == insidePath:
		return "an absolute path"
	}
	return "a string"
}

// text is how a string is read.
type text uint8

const (
	plain      text = iota // as it stands; a variable is a mistake
	value                  // variables are replaced
	hostPath               // a path of the host: variables, ~/, relative to the profile
	insidePath             // an absolute path inside: variables, ~/
	linkText               // what a symbolic link says: variables, ~/, relative or not
)

// table is one table of a profile.
type table struct {
	name string
	keys []key[spec.Spec]
}

// keyList is what finding the nearest key needs of a table.
func (t *table) keyList() []string {
	names := make([]string, len(t.keys))
	for i := range t.keys {
		names[i] = t.keys[i].name
	}
	return names
}

var (
	newOrShare   = []string{namespaces.New, namespaces.Share}
	mapWords     = []string{userns.MapSelf, userns.MapRoot, userns.MapRange}
	modeWords    = []string{network.None, network.Host, network.Private}
	baseWords    = []string{mounts.BaseSystem, mounts.BaseHost, mounts.BaseEmpty}
	layerWords   = []string{"none", mounts.OverlayReadonly, mounts.OverlayDiscard, mounts.OverlayKeep}
	ttyWords     = []string{"auto", "yes", "no"}
	spreadWords  = []string{"private", "slave"}
	oomWords     = []string{cgroups.OOMProcess, cgroups.OOMGroup}
	enforceWords = []string{cgroups.Strict, cgroups.BestEffort}
	filterWords  = []string{seccomp.Default, seccomp.Strict, seccomp.None}
	wallWords    = []string{landlock.Auto, landlock.No, landlock.Require}
	driverWords  = []string{mounts.DriverKernel, mounts.DriverFuse, mounts.DriverCopy}
	hideWords    = []string{mounts.HideOff, mounts.HideNoAccess, mounts.HideInvisible, mounts.HidePtraceable}
	subsetWords  = []string{mounts.SubsetAll, mounts.SubsetPID}
	procWords    = []string{"none", mounts.Bind}
)

// tables are all tables but [[mounts]], in the order in which they are shown.
var tables = []table{
	{"command", []key[spec.Spec]{
		{name: "args", at: func(s *spec.Spec) any { return &s.Command.Args }, rule: rule{text: value, replaces: true}},
		{name: "entrypoint", at: func(s *spec.Spec) any { return &s.Command.Entrypoint }, rule: rule{text: value, replaces: true}},
		{name: "argv0", at: func(s *spec.Spec) any { return &s.Command.Argv0 }, rule: rule{text: value, word: notEmpty}},
		{name: "workdir", at: func(s *spec.Spec) any { return &s.Command.Workdir }, rule: rule{text: insidePath}},
		{name: "pid1", at: func(s *spec.Spec) any { return &s.Command.PID1 }},
		{name: "linger", at: func(s *spec.Spec) any { return &s.Command.Linger }},
		{name: "stop_signal", at: func(s *spec.Spec) any { return &s.Command.StopSignal }, rule: rule{text: value}},
		{name: "umask", at: func(s *spec.Spec) any { return &s.Command.Umask }, rule: rule{max: 0o777}},
		{name: "nice", at: func(s *spec.Spec) any { return &s.Command.Nice }, rule: rule{min: -20, max: 19}},
		{name: "oom_score_adj", at: func(s *spec.Spec) any { return &s.Command.OOMScoreAdj }, rule: rule{min: -1000, max: 1000}},
		{name: "fds", at: func(s *spec.Spec) any { return &s.Command.FDs }, rule: rule{min: 3, max: 1048575}},
	}},
	{"env", []key[spec.Spec]{
		{name: "inherit", at: func(s *spec.Spec) any { return &s.Env.Inherit }},
		{name: "keep", at: func(s *spec.Spec) any { return &s.Env.Keep }, rule: rule{word: envPattern}},
		{name: "unset", at: func(s *spec.Spec) any { return &s.Env.Unset }, rule: rule{word: envPattern}},
		{name: "set", at: func(s *spec.Spec) any { return &s.Env.Set }, rule: rule{text: value}},
	}},
	{"identity", []key[spec.Spec]{
		{name: "map", at: func(s *spec.Spec) any { return &s.Identity.Map }, rule: rule{enum: mapWords}},
		{name: "uid", at: func(s *spec.Spec) any { return &s.Identity.UID }, rule: rule{max: maxID}},
		{name: "gid", at: func(s *spec.Spec) any { return &s.Identity.GID }, rule: rule{max: maxID}},
		{name: "groups", at: func(s *spec.Spec) any { return &s.Identity.Groups }, rule: rule{max: maxID}},
		{name: "user", at: func(s *spec.Spec) any { return &s.Identity.User }, rule: rule{text: value, word: loginName}},
		{name: "home", at: func(s *spec.Spec) any { return &s.Identity.Home }, rule: rule{text: insidePath, word: passwdField}},
		{name: "shell", at: func(s *spec.Spec) any { return &s.Identity.Shell }, rule: rule{text: insidePath, word: passwdField}},
	}},
	{"rootfs", []key[spec.Spec]{
		{name: "base", at: func(s *spec.Spec) any { return &s.Rootfs.Base }, rule: rule{enum: baseWords}},
		{name: "path", at: func(s *spec.Spec) any { return &s.Rootfs.Path }, rule: rule{text: hostPath}},
		{name: "image", at: func(s *spec.Spec) any { return &s.Rootfs.Image }, rule: rule{text: value}},
		{name: "name", at: func(s *spec.Spec) any { return &s.Rootfs.Name }, rule: rule{text: value}},
		{name: "overlay", at: func(s *spec.Spec) any { return &s.Rootfs.Overlay }, rule: rule{enum: layerWords}},
		{name: "upper", at: func(s *spec.Spec) any { return &s.Rootfs.Upper }, rule: rule{text: hostPath}},
		{name: "work", at: func(s *spec.Spec) any { return &s.Rootfs.Work }, rule: rule{text: hostPath}},
		{name: "driver", at: func(s *spec.Spec) any { return &s.Rootfs.Driver }, rule: rule{enum: driverWords}},
		{name: "writable", at: func(s *spec.Spec) any { return &s.Rootfs.Writable }},
		{name: "keep_etc", at: func(s *spec.Spec) any { return &s.Rootfs.KeepEtc }},
	}},
	{"namespaces", []key[spec.Spec]{
		{name: "none", at: func(s *spec.Spec) any { return &s.Namespaces.None }},
		{name: "user", at: func(s *spec.Spec) any { return &s.Namespaces.User }, rule: rule{enum: newOrShare}},
		{name: "pid", at: func(s *spec.Spec) any { return &s.Namespaces.PID }, rule: rule{enum: newOrShare}},
		{name: "net", at: func(s *spec.Spec) any { return &s.Namespaces.Net }, rule: rule{enum: newOrShare}},
		{name: "ipc", at: func(s *spec.Spec) any { return &s.Namespaces.IPC }, rule: rule{enum: newOrShare}},
		{name: "uts", at: func(s *spec.Spec) any { return &s.Namespaces.UTS }, rule: rule{enum: newOrShare}},
		{name: "cgroup", at: func(s *spec.Spec) any { return &s.Namespaces.Cgroup }, rule: rule{enum: newOrShare}},
		{name: "time", at: func(s *spec.Spec) any { return &s.Namespaces.Time }, rule: rule{enum: newOrShare}},
		{name: "hostname", at: func(s *spec.Spec) any { return &s.Namespaces.Hostname }, rule: rule{text: value, word: hostName}},
		{name: "domainname", at: func(s *spec.Spec) any { return &s.Namespaces.Domainname }, rule: rule{text: value, word: domainName}},
		{name: "monotonic_offset", at: func(s *spec.Spec) any { return &s.Namespaces.MonotonicOffset }, rule: rule{signed: true}},
		{name: "boottime_offset", at: func(s *spec.Spec) any { return &s.Namespaces.BoottimeOffset }, rule: rule{signed: true}},
	}},
	{"network", []key[spec.Spec]{
		{name: "mode", at: func(s *spec.Spec) any { return &s.Network.Mode }, rule: rule{enum: modeWords}},
		{name: "join", at: func(s *spec.Spec) any { return &s.Network.Join }, rule: rule{text: value, word: notEmpty}},
		{name: "driver", at: func(s *spec.Spec) any { return &s.Network.Driver }, rule: rule{enum: network.Drivers}},
		{name: "allow", at: func(s *spec.Spec) any { return &s.Network.Allow }, rule: rule{text: value, word: egressRule, some: true}},
		{name: "deny", at: func(s *spec.Spec) any { return &s.Network.Deny }, rule: rule{text: value, word: egressRule}},
		{name: "allow_ech", at: func(s *spec.Spec) any { return &s.Network.AllowECH }},
		{name: "publish", at: func(s *spec.Spec) any { return &s.Network.Publish }, rule: rule{text: value, word: publication}},
		{name: "publish_all", at: func(s *spec.Spec) any { return &s.Network.PublishAll }},
		{name: "host_loopback", at: func(s *spec.Spec) any { return &s.Network.HostLoopback }},
		{name: "dns", at: func(s *spec.Spec) any { return &s.Network.DNS }, rule: rule{text: value, word: nameServer}},
		{name: "mtu", at: func(s *spec.Spec) any { return &s.Network.MTU }, rule: rule{min: leastMTU, max: mostMTU}},
		{name: "bandwidth", at: func(s *spec.Spec) any { return &s.Network.Bandwidth }},
		{name: "required", at: func(s *spec.Spec) any { return &s.Network.Required }},
	}},
	{"limits", []key[spec.Spec]{
		{name: "memory", at: func(s *spec.Spec) any { return &s.Limits.Memory }},
		{name: "memory_high", at: func(s *spec.Spec) any { return &s.Limits.MemoryHigh }},
		{name: "memory_swap", at: func(s *spec.Spec) any { return &s.Limits.MemorySwap }},
		{name: "oom", at: func(s *spec.Spec) any { return &s.Limits.OOM }, rule: rule{enum: oomWords}},
		{name: "cpus", at: func(s *spec.Spec) any { return &s.Limits.CPUs }},
		{name: "cpu_weight", at: func(s *spec.Spec) any { return &s.Limits.CPUWeight }, rule: rule{min: 1, max: 10000}},
		{name: "cpuset", at: func(s *spec.Spec) any { return &s.Limits.CPUSet }, rule: rule{word: cpuSet}},
		{name: "pids", at: func(s *spec.Spec) any { return &s.Limits.PIDs }},
		{name: "io", at: func(s *spec.Spec) any { return &s.Limits.IO }},
		{name: "io_weight", at: func(s *spec.Spec) any { return &s.Limits.IOWeight }, rule: rule{min: 1, max: 10000}},
		{name: "hugetlb", at: func(s *spec.Spec) any { return &s.Limits.Hugetlb }},
		{name: "account", at: func(s *spec.Spec) any { return &s.Limits.Account }},
		{name: "enforce", at: func(s *spec.Spec) any { return &s.Limits.Enforce }, rule: rule{enum: enforceWords}},
		{name: "timeout", at: func(s *spec.Spec) any { return &s.Limits.Timeout }},
		{name: "grace", at: func(s *spec.Spec) any { return &s.Limits.Grace }},
		{name: "cpu_time", at: func(s *spec.Spec) any { return &s.Limits.CPUTime }},
		{name: "nofile", at: func(s *spec.Spec) any { return &s.Limits.Nofile }},
		{name: "core", at: func(s *spec.Spec) any { return &s.Limits.Core }},
		{name: "fsize", at: func(s *spec.Spec) any { return &s.Limits.Fsize }},
		{name: "stack", at: func(s *spec.Spec) any { return &s.Limits.Stack }},
		{name: "data", at: func(s *spec.Spec) any { return &s.Limits.Data }},
		{name: "as", at: func(s *spec.Spec) any { return &s.Limits.AS }},
		{name: "memlock", at: func(s *spec.Spec) any { return &s.Limits.Memlock }},
		{name: "nproc", at: func(s *spec.Spec) any { return &s.Limits.Nproc }},
		{name: "msgqueue", at: func(s *spec.Spec) any { return &s.Limits.Msgqueue }},
		{name: "sigpending", at: func(s *spec.Spec) any { return &s.Limits.Sigpending }},
		{name: "rtprio", at: func(s *spec.Spec) any { return &s.Limits.Rtprio }, rule: rule{max: 99}},
		{name: "rttime", at: func(s *spec.Spec) any { return &s.Limits.Rttime }, rule: rule{times: true}},
		{name: "nice", at: func(s *spec.Spec) any { return &s.Limits.Nice }, rule: rule{max: 40}},
	}},
	{"security", []key[spec.Spec]{
		{name: "capabilities", at: func(s *spec.Spec) any { return &s.Security.Capabilities }, rule: rule{word: capability}},
		{name: "nested_userns", at: func(s *spec.Spec) any { return &s.Security.NestedUserns }},
		{name: "seccomp", at: func(s *spec.Spec) any { return &s.Security.Seccomp }, rule: rule{enum: filterWords}},
		{name: "landlock", at: func(s *spec.Spec) any { return &s.Security.Landlock }, rule: rule{enum: wallWords}},
		{name: "memory_deny_write_execute", at: func(s *spec.Spec) any { return &s.Security.MemoryDenyWriteExecute }},
		{name: "core_scheduling", at: func(s *spec.Spec) any { return &s.Security.CoreScheduling }},
		{name: "hidepid", at: func(s *spec.Spec) any { return &s.Security.HidePID }, rule: rule{enum: hideWords}},
		{name: "proc_subset", at: func(s *spec.Spec) any { return &s.Security.ProcSubset }, rule: rule{enum: subsetWords}},
		{name: "unmask", at: func(s *spec.Spec) any { return &s.Security.Unmask }, rule: rule{word: procPath}},
	}},
	{"desktop", []key[spec.Spec]{
		{name: "app_id", at: func(s *spec.Spec) any { return &s.Desktop.AppID }, rule: rule{text: value, word: appID}},
		{name: "home", at: func(s *spec.Spec) any { return &s.Desktop.Home }, rule: rule{enum: desktop.HomeWords, no: desktop.None}},
		{name: "downloads", at: func(s *spec.Spec) any { return &s.Desktop.Downloads }, rule: rule{enum: desktop.DownloadWords, no: desktop.None}},
		{name: "wayland", at: func(s *spec.Spec) any { return &s.Desktop.Wayland }, rule: rule{enum: desktop.WaylandWords, yes: desktop.Auto, no: desktop.None}},
		{name: "x11", at: func(s *spec.Spec) any { return &s.Desktop.X11 }, rule: rule{enum: desktop.X11Words, no: desktop.None}},
		{name: "gpu", at: func(s *spec.Spec) any { return &s.Desktop.GPU }},
		{name: "audio", at: func(s *spec.Spec) any { return &s.Desktop.Audio }, rule: rule{enum: desktop.AudioWords, yes: desktop.Auto, no: desktop.None}},
		{name: "record", at: func(s *spec.Spec) any { return &s.Desktop.Record }},
		{name: "dbus", at: func(s *spec.Spec) any { return &s.Desktop.DBus }},
		{name: "portals", at: func(s *spec.Spec) any { return &s.Desktop.Portals }, rule: rule{word: portal, yes: "all", no: desktop.None}},
		{name: "notifications", at: func(s *spec.Spec) any { return &s.Desktop.Notifications }},
		{name: "tray", at: func(s *spec.Spec) any { return &s.Desktop.Tray }},
		{name: "mpris", at: func(s *spec.Spec) any { return &s.Desktop.MPRIS }, rule: rule{text: value, word: playerName, yes: desktop.Auto, no: desktop.None}},
		{name: "keyring", at: func(s *spec.Spec) any { return &s.Desktop.Keyring }, rule: rule{enum: desktop.KeyringWords, yes: desktop.Portal, no: desktop.None}},
		{name: "a11y", at: func(s *spec.Spec) any { return &s.Desktop.A11y }},
		{name: "input_method", at: func(s *spec.Spec) any { return &s.Desktop.InputMethod }, rule: rule{enum: desktop.InputWords, yes: desktop.Auto, no: desktop.None}},
		{name: "camera", at: func(s *spec.Spec) any { return &s.Desktop.Camera }, rule: rule{enum: desktop.CameraWords, yes: desktop.Portal, no: desktop.None}},
		{name: "joystick", at: func(s *spec.Spec) any { return &s.Desktop.Joystick }},
		{name: "printing", at: func(s *spec.Spec) any { return &s.Desktop.Printing }, rule: rule{enum: desktop.PrintingWords, yes: desktop.Portal, no: desktop.None}},
		{name: "open_links", at: func(s *spec.Spec) any { return &s.Desktop.OpenLinks }},
		{name: "fonts", at: func(s *spec.Spec) any { return &s.Desktop.Fonts }},
		{name: "theme", at: func(s *spec.Spec) any { return &s.Desktop.Theme }},
		{name: "locale", at: func(s *spec.Spec) any { return &s.Desktop.Locale }},
	}},
	{"terminal", []key[spec.Spec]{
		{name: "tty", at: func(s *spec.Spec) any { return &s.Terminal.TTY }, rule: rule{enum: ttyWords}},
	}},
}

// maxID is the greatest user or group id; the one above it means "no change"
// to the kernel (chown(2)).
const maxID = 1<<32 - 2

// mountTypes is a set of types of a mount.
type mountTypes uint16

const (
	inBind mountTypes = 1 << iota
	inDevBind
	inTmpfs
	inProc
	inDev
	inMqueue
	inOverlay
	inSymlink
	inDir
	inFile
	inMask
	inRemount

	inAll = 1<<iota - 1
)

// mountType is one word of the key type.
type mountType struct {
	name string
	bit  mountTypes
	need []string // the keys that it cannot be without
}

var mountTypeTable = []mountType{
	{mounts.Bind, inBind, nil},
	{mounts.DevBind, inDevBind, nil},
	{mounts.Tmpfs, inTmpfs, []string{"target"}},
	{mounts.Proc, inProc, []string{"target"}},
	{mounts.Dev, inDev, []string{"target"}},
	{mounts.Mqueue, inMqueue, []string{"target"}},
	{mounts.Overlay, inOverlay, []string{"target", "lower"}},
	{mounts.Symlink, inSymlink, []string{"target", "source"}},
	{mounts.Dir, inDir, []string{"target"}},
	{mounts.File, inFile, []string{"target"}},
	{mounts.Mask, inMask, []string{"target"}},
	{mounts.Remount, inRemount, []string{"target"}},
}

var typeWords = []string{
	mounts.Bind, mounts.DevBind, mounts.Tmpfs, mounts.Proc, mounts.Dev, mounts.Mqueue,
	mounts.Overlay, mounts.Symlink, mounts.Dir, mounts.File, mounts.Mask, mounts.Remount,
}

// mountKeys are the keys of one entry of [[mounts]] that become part of the
// Spec. The keys when and remove are read apart.
var mountKeys = []key[mounts.Mount]{
	{name: "type", at: func(m *mounts.Mount) any { return &m.Type }, rule: rule{enum: typeWords}, in: inAll},
	{name: "source", at: func(m *mounts.Mount) any { return &m.Source }, rule: rule{text: hostPath}, in: inBind | inDevBind | inSymlink},
	{name: "target", at: func(m *mounts.Mount) any { return &m.Target }, rule: rule{text: insidePath}, in: inAll},
	{name: "writable", at: func(m *mounts.Mount) any { return &m.Writable }, in: inBind | inDevBind | inTmpfs | inOverlay | inRemount},
	{name: "read_only", at: func(m *mounts.Mount) any { return &m.ReadOnly }, in: inTmpfs},
	{name: "noexec", at: func(m *mounts.Mount) any { return &m.Noexec }, in: inBind | inDevBind | inTmpfs | inOverlay | inRemount},
	{name: "optional", at: func(m *mounts.Mount) any { return &m.Optional }, in: inBind | inDevBind},
	{name: "size", at: func(m *mounts.Mount) any { return &m.Size }, rule: rule{min: 1}, in: inTmpfs},
	{name: "mode", at: func(m *mounts.Mount) any { return &m.Mode }, rule: rule{max: 0o7777}, in: inTmpfs | inDir | inFile},
	{name: "content", at: func(m *mounts.Mount) any { return &m.Content }, rule: rule{text: value, nul: true}, in: inFile},
	{name: "lower", at: func(m *mounts.Mount) any { return &m.Lower }, rule: rule{text: hostPath, replaces: true}, in: inOverlay},
	{name: "upper", at: func(m *mounts.Mount) any { return &m.Upper }, rule: rule{text: hostPath}, in: inOverlay},
	{name: "work", at: func(m *mounts.Mount) any { return &m.Work }, rule: rule{text: hostPath}, in: inOverlay},
	{name: "propagation", at: func(m *mounts.Mount) any { return &m.Propagation }, rule: rule{enum: spreadWords}, in: inBind | inDevBind},
	{name: "fallback", at: func(m *mounts.Mount) any { return &m.Fallback }, rule: rule{enum: procWords}, in: inProc},
}
