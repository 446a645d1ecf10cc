package host

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Want says which facts Gather looks up beyond those that cost next to nothing.
// Every run pays for what is asked here, so ask only for what the Spec uses.
type Want struct {
	// SubIDs asks for the caller's ranges in /etc/subuid and /etc/subgid, the
	// helpers newuidmap and newgidmap and, where one of them is missing, the
	// distribution.
	SubIDs bool
	// Fuse asks for fuse-overlayfs and nsenter.
	Fuse bool
	// RootLinks asks which system directories of / are symbolic links.
	RootLinks bool
	// RootEtc is a directory whose etc/passwd and etc/group are wanted.
	RootEtc string
	// Landlock asks which version of Landlock there is.
	Landlock bool
	// SeccompFile is a file with a filter of system calls, whose content is wanted.
	SeccompFile string
	// Cgroup asks for a cgroup v2 subtree that the caller may write.
	Cgroup bool
	// Resolver asks how the host looks names up.
	Resolver bool
	// Devices are paths, devices and numbers of devices whose block device is
	// asked for.
	Devices []string
}

// Gather looks at the machine and the caller. What is merely missing is left
// empty in the Facts; an error means that something is there and cannot be
// trusted or read.
func Gather(want Want) (Facts, error) {
	f, err := gatherCaller()
	if err != nil {
		return f, err
	}
	if want.RootLinks {
		f.RootLinks = rootLinks("/")
	}
	if want.SubIDs {
		if err := f.gatherSubIDs("/"); err != nil {
			return f, err
		}
		if len(f.SubUIDs) == 0 || len(f.SubGIDs) == 0 || f.Newuidmap == "" || f.Newgidmap == "" {
			f.Distro = ReadDistro("/")
		}
	}
	if want.Fuse {
		f.FuseOverlayfs, f.Nsenter = findHelper("/", "fuse-overlayfs"), findHelper("/", "nsenter")
	}
	if want.RootEtc != "" {
		if f.RootEtc, err = rootEtc(want.RootEtc); err != nil {
			return f, err
		}
	}
	if want.Landlock {
		f.Landlock = landlockVersion()
	}
	if want.SeccompFile != "" {
		if f.SeccompFile, err = smallFile("filter of system calls", want.SeccompFile); err != nil {
			return f, err
		}
	}
	if want.Cgroup {
		f.gatherCgroup("/", os.Getenv("SNUG_CGROUP"))
	}
	if want.Resolver {
		f.Resolver = resolver("/")
	}
	for _, name := range want.Devices {
		if f.Devices == nil {
			f.Devices = map[string]Device{}
		}
		f.Devices[name] = blockDevice("/", name)
	}
	return f, nil
}

// gatherCaller is the part that every run pays for: seven system calls, and no
// file is read when HOME and USER are set.
func gatherCaller() (Facts, error) {
	f := Facts{UID: os.Geteuid(), GID: os.Getegid(), Environ: os.Environ()}
	var err error
	if f.Kernel, err = kernelVersion(); err != nil {
		return f, err
	}
	if f.Groups, err = unix.Getgroups(); err != nil {
		return f, fmt.Errorf("read the caller's groups: %w", err)
	}
	f.Workdir = workdir()
	f.User, f.Home = identity(os.Getenv, "/", f.UID)
	return f, nil
}

// landlockVersion is 0 too where a filter or the kernel's command line keeps
// Landlock from us.
func landlockVersion() int {
	n, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(n)
}

func kernelVersion() (Version, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return Version{}, fmt.Errorf("ask for the kernel's version: %w", err)
	}
	return ParseVersion(unix.ByteSliceToString(name.Release[:])), nil
}

// ParseVersion reads the two leading numbers of a kernel release such as
// "6.8.0-45-generic". A part that is missing is 0.
func ParseVersion(release string) Version {
	major, rest := leadingNumber(release)
	if rest == "" || rest[0] != '.' {
		return Version{Major: major}
	}
	minor, _ := leadingNumber(rest[1:])
	return Version{Major: major, Minor: minor}
}

// leadingNumber stops at six digits: no version has more, and the sum cannot
// overflow.
func leadingNumber(s string) (int, string) {
	n, i := 0, 0
	for i < len(s) && i < 6 && s[i] >= '0' && s[i] <= '9' {
		n = n*10 + int(s[i]-'0')
		i++
	}
	return n, s[i:]
}

// String returns "6.8".
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }
