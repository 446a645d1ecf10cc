// Package host knows this machine: who calls, what the kernel is and allows,
// which tools there are. It only reads, and gives what it read as values, so
// that everything computed from them can be tested for any machine on any
// machine.
package host

// Facts is what compiling a sandbox needs to know about the machine and the
// caller. Gather fills it; tests write it by hand.
type Facts struct {
	Kernel Version // uname(2)
	UID    int     // effective user id of the caller
	GID    int     // effective group id of the caller
	Groups []int   // supplementary groups

	User    string   // login name, as the environment or /etc/passwd has it
	Home    string   // home directory, absolute
	Workdir string   // the caller's working directory, absolute
	Environ []string // the caller's environment, "K=V"

	// ArgumentPages is the address and the size of the memory where the kernel
	// put the arguments and the environment of this process, 0 when not known.
	ArgumentPages [2]uint64

	// Program is what is mapped of this program's file, where a command must be kept
	// from the file by more than Landlock.
	Program ProgramPages
	// OpenFiles is the soft and the hard limit of open files that this process was
	// started with, 0 when not known.
	OpenFiles [2]uint64

	// RootLinks are those of the system directories in / (bin, sbin, lib, …)
	// that are symbolic links, with their text: "/bin" → "usr/bin".
	RootLinks map[string]string

	// SubUIDs and SubGIDs are the caller's ranges in /etc/subuid and
	// /etc/subgid. Read only when a range is asked for.
	SubUIDs, SubGIDs []IDRange
	// SubIDLogin is the caller's name in these tables: that of /etc/passwd for
	// UID, whatever the environment says. Empty when there is none.
	SubIDLogin string
	// FreeSubIDs is a range that nobody has in either table, for the advice to
	// add one.
	FreeSubIDs IDRange
	// NoSubIDFile are those of the two tables that do not exist.
	NoSubIDFile []string
	// Newuidmap and Newgidmap are the paths of the helpers, empty when missing.
	Newuidmap, Newgidmap string
	// FuseOverlayfs and Nsenter are the paths of fuse-overlayfs(1) and
	// nsenter(1), empty when missing. Read when a root is to be made with them.
	FuseOverlayfs, Nsenter string
	// Distro says which distribution this is, for the words of a remedy. Read
	// when a range is asked for and something that it needs is missing.
	Distro Distro

	// RootEtc holds the files of /etc of the sandbox's own root directory that
	// a synthetic one starts from: "passwd", "group". Absent: not there.
	RootEtc map[string]string

	// Landlock is the version of Landlock's interface that the kernel has
	// (landlock(7)), 0 for none.
	Landlock int

	// SeccompFile is the content of the filter that the Spec names.
	SeccompFile []byte

	// CgroupDir is the directory of a cgroup v2 subtree that the caller may
	// write, empty when there is none; CgroupWhy then says why.
	CgroupDir string
	CgroupWhy string
	// CgroupManaged says that the caller's group is below a user's systemd, which
	// may not have left it to the caller though its files can be written.
	CgroupManaged bool
	// CgroupControllers are the controllers that CgroupDir has: "memory", "pids".
	CgroupControllers []string
	// CgroupFrom says in words how the caller came by CgroupDir.
	CgroupFrom string
	// Memory is the size of the machine's memory in bytes. Read with the cgroup.
	Memory int64
	// Resolver is how the host looks names up. Read where the sandbox has a network
	// of its own that reaches out.
	Resolver Resolver
	// Devices are the block devices of the paths that were asked for.
	Devices map[string]Device
}

// IDRange is one line of /etc/subuid or /etc/subgid: Count ids from Start up.
type IDRange struct {
	Start, Count int
}

// Last returns the highest id of r.
func (r IDRange) Last() int64 { return int64(r.Start) + int64(r.Count) - 1 }

// Version is a kernel version.
type Version struct {
	Major, Minor int
}

// AtLeast reports whether v is major.minor or newer.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// ProgramPages are pages of memory by address, size and protection: those that the
// first process of a sandbox goes on with, and those that it does without.
type ProgramPages struct{ Keep, Drop [][3]uint64 }
