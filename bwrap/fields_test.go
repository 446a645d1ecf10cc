package bwrap

import (
	"reflect"
	"strings"
	"testing"
)

// Each option fills in its own field and no other.
func TestFields(t *testing.T) {
	five := new(5)
	for line, want := range map[string]Request{
		"--argv0 x":                             {Argv0: "x"},
		"--level-prefix":                        {LevelPrefix: true},
		"--unshare-all":                         {UserTry: true, IPC: true, PID: true, Net: true, UTS: true, CgroupTry: true},
		"--unshare-user":                        {User: true},
		"--unshare-user-try":                    {UserTry: true},
		"--unshare-ipc":                         {IPC: true},
		"--unshare-pid":                         {PID: true},
		"--unshare-net":                         {Net: true},
		"--unshare-uts":                         {UTS: true},
		"--unshare-cgroup":                      {Cgroup: true},
		"--unshare-cgroup-try":                  {CgroupTry: true},
		"--userns 5":                            {UserFD: five},
		"--userns2 5":                           {User2FD: five},
		"--pidns 5":                             {PIDFD: five},
		"--assert-userns-disabled":              {UsernsDisabled: true},
		"--uid 5":                               {UID: five},
		"--gid 5":                               {GID: five},
		"--chdir x":                             {Chdir: new("x")},
		"--lock-file x":                         {LockFiles: []string{"x"}},
		"--sync-fd 5":                           {SyncFDs: []int{5}},
		"--block-fd 5":                          {BlockFD: five},
		"--info-fd 5":                           {InfoFD: five},
		"--json-status-fd 5":                    {StatusFD: five},
		"--seccomp 5":                           {Seccomp: five},
		"--exec-label x":                        {ExecLabel: "x"},
		"--file-label x":                        {FileLabel: "x"},
		"--new-session":                         {NewSession: true},
		"--die-with-parent":                     {DieWithParent: true},
		"--add-seccomp-fd 5 --add-seccomp-fd 6": {AddSeccomp: []int{5, 6}},
		"--lock-file x --lock-file y":           {LockFiles: []string{"x", "y"}},
		"--unshare-pid --as-pid-1":              {PID: true, AsPID1: true},
		"--unshare-uts --hostname x":            {UTS: true, Hostname: new("x")},
		"--unshare-user --disable-userns":       {User: true, DisableUserns: true},
		"--unshare-user --info-fd 5 --userns-block-fd 5": {User: true, InfoFD: five, UsernsBlockFD: five},
		"--cap-add ALL --cap-drop cap_kill":              {Capabilities: []Capability{{Add: true, All: true}, {Nr: 5}}},
	} {
		want.Args = []string{"cmd"}
		r, err := Parse(append(words(line), "cmd"), nil, Caller{UID: 1000, SELinux: true})
		if err != nil || !reflect.DeepEqual(*r, want) {
			t.Errorf("%s: %v\n%s\nwant\n%s", line, err, dump(r), dump(&want))
		}
	}
}

func TestOperations(t *testing.T) {
	for line, want := range map[string]Operation{
		"--bind a /b":          {Kind: Bind, Source: "a", Dest: "/b"},
		"--bind-try a /b":      {Kind: Bind, Source: "a", Dest: "/b", Try: true},
		"--ro-bind a /b":       {Kind: ROBind, Source: "a", Dest: "/b"},
		"--ro-bind-try a /b":   {Kind: ROBind, Source: "a", Dest: "/b", Try: true},
		"--dev-bind a /b":      {Kind: DevBind, Source: "a", Dest: "/b"},
		"--dev-bind-try a /b":  {Kind: DevBind, Source: "a", Dest: "/b", Try: true},
		"--bind-fd 5 /b":       {Kind: BindFD, FD: 5, Dest: "/b"},
		"--ro-bind-fd 5 /b":    {Kind: ROBindFD, FD: 5, Dest: "/b"},
		"--remount-ro /b":      {Kind: RemountRO, Dest: "/b"},
		"--proc /b":            {Kind: Proc, Dest: "/b"},
		"--dev /b":             {Kind: Dev, Dest: "/b"},
		"--tmpfs /b":           {Kind: Tmpfs, Dest: "/b"},
		"--mqueue /b":          {Kind: Mqueue, Dest: "/b"},
		"--dir /b":             {Kind: Dir, Dest: "/b"},
		"--file 5 /b":          {Kind: File, FD: 5, Dest: "/b"},
		"--bind-data 5 /b":     {Kind: BindData, FD: 5, Dest: "/b"},
		"--ro-bind-data 5 /b":  {Kind: ROBindData, FD: 5, Dest: "/b"},
		"--symlink a /b":       {Kind: Symlink, Source: "a", Dest: "/b"},
		"--chmod 7 /b":         {Kind: Chmod, Perms: new(7), Dest: "/b"},
		"--overlay rw work /b": {Kind: Overlay, Source: "rw", Work: "work", Dest: "/b", Layers: []string{"l", "m"}},
		"--tmp-overlay /b":     {Kind: TmpOverlay, Dest: "/b", Layers: []string{"l", "m"}},
		"--ro-overlay /b":      {Kind: ROOverlay, Dest: "/b", Layers: []string{"l", "m"}},
	} {
		args := words(line)
		want.Option = args[0]
		if want.Layers != nil {
			args = append(words("--overlay-src l --overlay-src m"), args...)
		}
		r, err := Parse(append(args, "cmd"), nil, plain(""))
		if err != nil || len(r.Operations) != 1 || !reflect.DeepEqual(r.Operations[0], want) {
			t.Errorf("%s: %+v, %v", line, r.Operations, err)
		}
	}
}

// What newer builds of bubblewrap say: 0.11 of options that 0.8.0 lacks, 0.13.1 of more than one --sync-fd.
func TestSaidByNewer(t *testing.T) {
	for line, want := range map[string]string{
		"--argv0":                                           "bwrap: --argv0 takes one argument",
		"--argv0 '' --argv0 b":                              "bwrap: --argv0 used multiple times",
		"--level-prefix --nonsense":                         "<3>bwrap: Unknown option --nonsense",
		"--overlay-src":                                     "bwrap: " + overlaySrcUnused,
		"--overlay-src / true":                              "bwrap: " + overlaySrcUnused,
		"--overlay-src / --":                                "bwrap: " + overlaySrcUnused,
		"--overlay-src / --perms 7":                         "bwrap: " + overlaySrcUnused,
		"--overlay-src / --nonsense":                        "bwrap: Unknown option --nonsense",
		"--overlay-src / --overlay a b":                     "bwrap: --overlay takes three arguments",
		"--overlay-src / --tmp-overlay":                     "bwrap: --tmp-overlay takes an argument",
		"--ro-overlay":                                      "bwrap: --ro-overlay takes an argument",
		"--perms 7 --overlay-src /":                         "bwrap: --perms must be followed by an option that creates a file",
		"--size 7 --overlay-src /":                          "bwrap: --size must be followed by --tmpfs",
		"--userns-block-fd 0 --overlay-src / true":          "bwrap: " + overlaySrcUnused,
		"--overlay-src / --tmp-overlay /x --tmp-overlay /y": "bwrap: --tmp-overlay requires at least one --overlay-src",
		"--sync-fd 1 --sync-fd 2":                           "usage: bwrap [OPTIONS...] [--] COMMAND [ARGS...]",
	} {
		if got := said(unescape(line)); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

// An empty path is refused, as by bubblewrap from 0.13 on: up to then it was the root.
func TestEmptyPaths(t *testing.T) {
	for _, line := range []string{
		"--bind '' /x", "--bind / ''", "--bind-try '' /x", "--ro-bind '' /x", "--ro-bind-try / ''", "--dev-bind '' ''", "--dev-bind-try '' /x",
		"--bind-fd 0 ''", "--ro-bind-fd 0 ''", "--remount-ro ''", "--proc ''", "--dev ''", "--tmpfs ''", "--perms 7 --size 5 --tmpfs ''", "--mqueue ''", "--dir ''",
		"--file 0 ''", "--bind-data 0 ''", "--ro-bind-data 0 ''", "--symlink '' /x", "--symlink a ''", "--chmod 755 ''", "--lock-file ''", "--chdir ''",
		"--overlay-src / --overlay '' /w /x", "--overlay-src / --overlay /a '' /x", "--overlay-src / --overlay /a /w ''", "--overlay-src / --tmp-overlay ''",
		"--overlay-src / --overlay-src / --ro-overlay ''",
	} {
		args := unescape(line)
		option := args[0]
		for _, arg := range args {
			if strings.HasPrefix(arg, "--") {
				option = arg
			}
		}
		if got, want := said(append(args, "true")), "bwrap: "+option+" does not take an empty path argument"; got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	for line, want := range map[string]string{
		"--overlay-src '' --tmp-overlay /x":                 "bwrap: --overlay-src does not take an empty path argument",
		"--overlay-src '' true":                             "bwrap: " + overlaySrcUnused,
		"--overlay-src / --overlay-src '' --ro-overlay /x":  "bwrap: --overlay-src does not take an empty path argument",
		"--overlay-src '' --overlay-src / --tmp-overlay ''": "bwrap: --tmp-overlay does not take an empty path argument",
		"--bind-fd x ''":                                    "bwrap: Invalid fd: x",
		"--chmod x ''":                                      "bwrap: --chmod takes an octal argument <= 07777",
		"--chdir / --chdir ''":                              "bwrap: Only the last --chdir option will take effect\nbwrap: --chdir does not take an empty path argument",
		"--tmp-overlay ''":                                  "bwrap: --tmp-overlay requires at least one --overlay-src",
		"--argv0 '' --hostname '' --unshare-uts true":       "",
	} {
		if got := said(unescape(line)); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}
