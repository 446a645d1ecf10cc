package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/landlock"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/seccomp"
	"github.com/snug-sandbox/snug/spec"
)

// defense is what a sandbox holds against one thing that a command inside may
// try.
type defense struct {
	Attack string   `json:"attack"`
	Layers []string `json:"layers"` // each stops it by itself
	Weight int      `json:"weight"` // how much of the grade it is
	Open   string   `json:"open,omitempty"`
}

// exposure is how much of the defense's weight counts against the sandbox, in
// tenths: one layer is one mistake away from none.
func (d defense) exposure() int {
	switch len(d.Layers) {
	case 0:
		return 10 * d.Weight
	case 1:
		return 3 * d.Weight
	}
	return 0
}

// security is what explain --security tells.
type security struct {
	Exposure float64   `json:"exposure"` // 0 to 10; the less the better
	Grade    string    `json:"grade"`
	Defenses []defense `json:"defenses"`
}

// grades are words for an exposure below a bound, as systemd-analyze has them.
var grades = []struct {
	below float64
	word  string
}{{1, "SAFE"}, {2.5, "OK"}, {5, "MEDIUM"}, {7.5, "EXPOSED"}, {11, "UNSAFE"}}

// newSecurity judges a sandbox on the machine of the facts.
func newSecurity(v *view, r spec.Resolved, f host.Facts) *security {
	j := judge{v: v, s: r.Spec, held: heldWall(r, f)}
	sec := &security{Defenses: j.defenses()}
	sum, exposed := 0, 0
	for _, d := range sec.Defenses {
		sum, exposed = sum+10*d.Weight, exposed+d.exposure()
	}
	sec.Exposure = float64(100*exposed/sum) / 10
	for _, g := range grades {
		if sec.Exposure < g.below {
			sec.Grade = g.word
			break
		}
	}
	return sec
}

// heldWall is the part of Landlock's wall that this machine can hold.
func heldWall(r spec.Resolved, f host.Facts) landlock.Wall {
	if r.Spec.Security.Landlock == landlock.No {
		return landlock.Wall{}
	}
	held, _ := r.Spec.Wall(f, mounts.Context{}, spec.Streams{}).On(f.Landlock)
	return held
}

type judge struct {
	v    *view
	s    spec.Spec
	held landlock.Wall
}

// layers collects those that are there.
func layers(pairs ...any) []string {
	list := []string{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i].(bool) {
			list = append(list, pairs[i+1].(string))
		}
	}
	return list
}

func (j judge) fresh(name string) bool { return j.v.Namespaces[name] == namespaces.New }

func (j judge) defenses() []defense {
	s := j.s.Security
	filter, caps := !s.Seccomp.Off(), len(s.Capabilities) > 0
	base := filter && s.Seccomp.Base != seccomp.None && s.Seccomp.File == ""
	admin := s.Bits()&(1<<unix.CAP_SYS_ADMIN) != 0
	writes, risks := j.bound()
	limited := j.s.Limits
	stays := base && !s.NestedUserns && !admin // setns is refused
	bare := j.s.Namespaces.None
	noUnix, offline := bare && filter, bare && filter && j.s.Network.Mode != network.Host
	const noWay = "filter: no way into another namespace"
	return []defense{
		{"read files that are not shown", layers(!bare, "mounts: a root of its own", j.held.Files, "Landlock"), 10, ""},
		{"change files that are shown read-only", layers(!admin && !bare, "read-only mounts that it cannot change", j.held.Files, "Landlock"), 10, writes},
		{"talk to what is as good as being outside", layers(risks == "", "no such socket or device is shown", risks == "" && j.fresh("net"), "a network of its own", noUnix, "filter: no unix sockets"), 10, risks},
		{"signal or trace processes outside", layers(j.fresh("pid"), "pid namespace", j.held.Signals || j.held.Files, "Landlock (tracing, and signals where pids are shared)"), 8, ""},
		j.reach(stays, noWay, offline),
		{"reach abstract unix sockets", layers(j.fresh("net"), "network namespace", j.held.Sockets, "Landlock", j.fresh("net") && stays, noWay, noUnix, "filter: no unix sockets"), 5, ""},
		{"read the caller's secrets in the process that watches over it", layers(true, "it is closed to all others", true, "it has forgotten arguments and environment"), 6, ""},
		{"type into the caller's terminal", layers(true, "a session of its own", base, "filter: TIOCSTI, TIOCLINUX", j.v.Terminal, "a terminal of its own"), 6, ""},
		{"gain privileges by set-user-ID programs", layers(true, "no_new_privs", !bare, "nosuid mounts"), 8, ""},
		{"use capabilities", layers(!caps, "it has none, in no set", !caps && j.fresh("user"), "securebits are locked"), 7, strings.Join(s.Capabilities, " ")},
		{"mount, and undo masks", layers(!admin && !s.NestedUserns, "no capability for it", base && !admin && !s.NestedUserns, "filter: no call of the mount family"), 7, ""},
		{"make user namespaces, and reach more of the kernel", layers(!s.NestedUserns && !bare, "their number is limited to 0", filter && !s.NestedUserns, "filter: clone, clone3, unshare"), 7, ""},
		{"attack rarely used parts of the kernel", layers(base, "filter: bpf, io_uring, keyrings, perf, userfaultfd, modules, odd sockets", base && s.Seccomp.Base == seccomp.Strict, "filter: strict", base && !s.NestedUserns && !caps, "no user namespaces and no capabilities"), 9, ""},
		{"make 32-bit or x32 calls past the filter", layers(filter && !s.Seccomp.Compat, "filter: another architecture ends the process"), 4, ""},
		{"take keys from the caller's keyrings", layers(true, "a session keyring of its own", s.Seccomp.NoKeys(), "filter: no keyring calls"), 4, ""},
		{"have its memory written out by a core dump", layers(limited.NoCore(), "no core dumps, to programs either"), 2, ""},
		{"use up memory", layers(limited.Memory != 0, "cgroup", limited.Data != nil || limited.AS != nil, "rlimit"), 3, ""},
		{"use up processes", layers(limited.PIDs != 0, "cgroup", limited.Nproc != nil, "rlimit"), 3, ""},
		{"run for ever, or leave processes behind", layers(j.fresh("pid"), "they end with process 1", limited.Timeout != 0, "time limit"), 2, ""},
		{"make code while it runs", layers(s.MemoryDenyWriteExecute, "memory is never writable and executable", s.MemoryDenyWriteExecute, "for good"), 1, ""},
	}
}

// reach is about the network: its namespace, or the rules of one that reaches out.
func (j judge) reach(stays bool, noWay string, offline bool) defense {
	const what = "reach services on the network and on localhost"
	c := j.s.Network
	if c.Mode != network.Private && c.Join == "" {
		return defense{what, layers(j.fresh("net"), "network namespace", j.fresh("net") && stays, noWay, offline, "filter: no sockets", j.held.TCP, "Landlock: no TCP"), 6, ""}
	}
	wide := ""
	switch {
	case c.Join != "":
		wide = "what the sandbox " + c.Join + " reaches"
	case len(c.Allow) == 0:
		wide = "the network, but for the host's loopback"
	}
	if c.HostLoopback {
		wide = "what listens on the host's loopback"
	}
	return defense{what, layers(len(c.Allow) > 0 && wide == "", "the rules of its network, which its helper outside holds", j.fresh("net") && stays, noWay), 6, wide}
}

// bound says what of the host can be written to, and what is marked as a risk.
func (j judge) bound() (writes, risks string) {
	var w, r []string
	for _, m := range j.v.Mounts {
		if m.Mode == "rw" && (m.Type == mounts.Bind || m.Type == mounts.DevBind) && !m.Left {
			w = append(w, m.Source)
		}
		if m.Risk != "" {
			r = append(r, m.Source)
		}
	}
	if w != nil {
		writes = "writable: " + strings.Join(w, " ")
	}
	return writes, strings.Join(r, " ")
}

// write tells the judgment to a person, the worst first.
func (sec *security) write(t teller) {
	list := slices.Clone(sec.Defenses)
	slices.SortStableFunc(list, func(a, b defense) int { return b.exposure() - a.exposure() })
	t.line("  %-60s %s", "THE COMMAND MAY TRY TO", "WHAT STOPS IT")
	for _, d := range list {
		mark, what := "+", strings.Join(d.Layers, "; ")
		switch len(d.Layers) {
		case 0:
			mark, what = "-", "nothing"
		case 1:
			mark = "o"
		}
		if d.Open != "" {
			what += " (" + d.Open + ")"
		}
		t.line("%s %-60s %s", mark, d.Attack, what)
	}
	t.line("")
	t.line("Exposure %s of 10: %s", strconv.FormatFloat(sec.Exposure, 'f', 1, 64), sec.Grade)
	t.line("+ two layers or more, o one, - none. The kernel itself is shared, whatever stands here: see SECURITY.md.")
}

// filterText says what the filter of system calls is.
func filterText(c seccomp.Config) string {
	if c.Off() {
		return "no filter"
	}
	text := c.Base
	switch {
	case c.File != "":
		text = c.File
	case text == "":
		text = seccomp.Default
	}
	text += " filter"
	for _, part := range []struct {
		word  string
		rules []string
	}{{"denied too", c.Deny}, {"allowed too", c.Allow}, {"logged", c.Log}} {
		if len(part.rules) > 0 {
			text += fmt.Sprintf("; %s: %s", part.word, strings.Join(part.rules, " "))
		}
	}
	if c.Compat {
		text += "; 32-bit programs run"
	}
	if c.LogDenials {
		text += "; what is refused is told at the end"
	}
	return text
}

// wallText says what Landlock holds on this machine, and what it does not.
func wallText(r spec.Resolved, f host.Facts) string {
	if r.Spec.Security.Landlock == landlock.No {
		return "off"
	}
	wanted := r.Spec.Wall(f, mounts.Context{}, spec.Streams{})
	held, lacks := wanted.On(f.Landlock)
	var parts []string
	for _, p := range []struct {
		on   bool
		name string
	}{{held.Files, "files as the mounts have them"}, {held.Signals, "no signals to processes outside"}, {held.Sockets, "no abstract sockets of processes outside"}, {held.TCP, "no TCP"}} {
		if p.on {
			parts = append(parts, p.name)
		}
	}
	text := strings.Join(parts, ", ")
	if text == "" {
		text = "holds nothing"
	}
	if !wanted.Files {
		text += "; files are left to the mounts, because it would forbid the mounts that the profile allows"
	}
	if f.Landlock == 0 {
		return text + "; this kernel has none"
	}
	if len(lacks) > 0 {
		text += "; version " + strconv.Itoa(f.Landlock) + " of this kernel cannot hold: " + strings.Join(lacks, ", ")
	}
	return text
}

// endedByFilter is told when the command itself ended so.
var endedByFilter = &problem.Problem{
	What: "SIGSYS", Why: "the filter of system calls ended the command: it made a call of another architecture, as 32-bit programs do, or one that a rule kills for",
	Fix: "for 32-bit programs: seccomp = { compat = true } in [security]",
}
