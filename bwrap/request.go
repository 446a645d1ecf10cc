// Package bwrap takes the command line of bubblewrap 0.11.1 (bwrap(1)) and
// translates it: options in, a sandbox's Spec out. Programs that call bwrap run
// on Snug's engine without a change.
package bwrap

// Version is the version of bubblewrap that this package behaves like. Options that
// came later, up to 0.13.1, are taken, too.
const Version = "0.11.1"

// Request is a command line, taken apart. What it says of file systems is in
// Operations, in the order given.
type Request struct {
	Help, Version bool // print that and end

	Args  []string // the command and its arguments
	Argv0 string   // --argv0: what the command sees as its own name; empty: Args[0]

	// Environ is the command's environment but for PWD: the caller's, changed by
	// --setenv, --unsetenv and --clearenv in order.
	Environ []string
	Chdir   *string // --chdir

	User, UserTry                 bool // --unshare-user, --unshare-user-try
	IPC, PID, Net, UTS            bool
	Cgroup, CgroupTry             bool
	UserFD, User2FD, PIDFD        *int // --userns, --userns2, --pidns
	UID, GID                      *int
	Hostname                      *string
	DisableUserns, UsernsDisabled bool // --disable-userns, --assert-userns-disabled
	NewSession, DieWithParent     bool
	AsPID1                        bool
	Capabilities                  []Capability // --cap-add and --cap-drop in order
	Seccomp                       *int         // --seccomp FD
	AddSeccomp                    []int        // --add-seccomp-fd FD, in order
	SyncFDs                       []int        // --sync-fd, in order
	BlockFD, UsernsBlockFD        *int
	InfoFD, StatusFD              *int // --info-fd, --json-status-fd
	LockFiles                     []string
	ExecLabel, FileLabel          string
	LevelPrefix                   bool

	Operations []Operation
	origins    []int // for each mount of the Spec, the operation that it comes from

	// Warnings are lines to be printed before anything else happens, an error
	// among them.
	Warnings []string
}

// Capability is one --cap-add or --cap-drop.
type Capability struct {
	Add bool
	All bool
	Nr  int // number of the capability, where All is not set
}

// Kind is what an Operation does.
type Kind int

// Kinds of an Operation, each for the option of its name.
const (
	Bind Kind = iota // --bind and --bind-try
	ROBind
	DevBind
	BindFD   // --bind-fd
	ROBindFD // --ro-bind-fd
	RemountRO
	Overlay    // --overlay
	TmpOverlay // --tmp-overlay
	ROOverlay  // --ro-overlay
	Proc
	Dev
	Tmpfs
	Mqueue
	Dir
	File       // --file
	BindData   // --bind-data
	ROBindData // --ro-bind-data
	Symlink
	Chmod
)

// Operation is one step of building the file system.
type Operation struct {
	Kind   Kind
	Option string // as it was written, "--ro-bind-try"

	Source string // path of a bind or --overlay's RWSRC; text of a symbolic link
	Dest   string // absolute, in the new root
	FD     int    // of a bind by descriptor, or of data
	Work   string // --overlay's WORKDIR

	// Layers are an overlay's directories, the lowest first (--overlay-src).
	Layers []string

	Try   bool  // leave it out when the source does not exist
	Perms *int  // --perms, or of --chmod
	Size  int64 // --size in bytes, 0: none
}
