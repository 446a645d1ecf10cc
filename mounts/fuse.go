package mounts

import (
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/program"
)

// fuseNumber is the descriptor that the child opens /dev/fuse as: the kernel wants
// its number as text, which has to be known beforehand.
const fuseNumber = 200

// makeFuse makes a detached mount that fuse-overlayfs(1) serves from outside of
// the sandbox, in the sandbox's user namespace: it sees the layers and the upper
// directory with the ids that the sandbox sees. The child makes the mount, the
// parent starts the server with the child's descriptor of /dev/fuse, and the
// server ends with the mount.
func (b *builder) makeFuse(label string, m Mount) (program.Reg, error) {
	server, err := b.fuseServer(label, m)
	if err != nil {
		return 0, err
	}
	const cmsgLen = 16 + 4 // struct cmsghdr with one descriptor
	control := b.Space(24)
	b.SetWord(control, 0, cmsgLen)
	b.SetWord(control, 8, unix.SOL_SOCKET|unix.SCM_RIGHTS<<32)
	opened := b.Do(label+": open /dev/fuse", plan.Openat, plan.Cwd, b.Text("/dev/fuse"), plan.Bits(unix.O_RDWR|unix.O_CLOEXEC, &plan.OpenFlags), plan.Num(0)).Help(fuseHelp).Keep("device")
	device := b.Do(label, plan.Fcntl, plan.Reg(opened), plan.Num(unix.F_DUPFD_CLOEXEC), plan.Num(fuseNumber)).Store(at(control, 16)).Keep("fuse")
	b.Close(opened)
	fd := b.mountFuse(label)
	b.BarrierWith(plan.Action{Label: "start fuse-overlayfs", Serve: true, Command: server}, control, cmsgLen)
	b.Close(device)
	return fd, nil
}

// mountFuse makes the mount. Any process of the sandbox may use it, as far as the
// permissions of its files allow, which the kernel checks.
func (b *builder) mountFuse(label string) program.Reg {
	fs := b.Do(label, plan.Fsopen, b.Text("fuse"), plan.Num(unix.FSOPEN_CLOEXEC)).Help(fuseHelp).Keep("fs")
	set := func(key, value string) {
		kind, at := uint64(unix.FSCONFIG_SET_STRING), b.Text(value)
		if value == "" {
			kind, at = unix.FSCONFIG_SET_FLAG, plan.Num(0)
		}
		b.Do(label, plan.Fsconfig, plan.Reg(fs), plan.Num(kind), b.Text(key), at, plan.Num(0)).Help(fuseHelp)
	}
	for _, option := range [][2]string{
		{"source", "fuse-overlayfs"}, {"fd", strconv.Itoa(fuseNumber)}, {"rootmode", "40000"}, {"user_id", strconv.Itoa(b.context.MountUID)}, {"group_id", strconv.Itoa(b.context.MountGID)},
		{"allow_other", ""}, {"default_permissions", ""},
	} {
		set(option[0], option[1])
	}
	b.Do(label, plan.Fsconfig, plan.Reg(fs), plan.Num(unix.FSCONFIG_CMD_CREATE), plan.Num(0), plan.Num(0), plan.Num(0)).Help(fuseHelp)
	fd := b.Do(label, plan.Fsmount, plan.Reg(fs), plan.Num(unix.FSMOUNT_CLOEXEC), plan.Bits(unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, &plan.MountAttrs)).Help(fuseHelp).Keep("tree")
	b.Close(fs)
	return fd
}

// fuseServer is the command line of the server. What is thrown away at the end is
// in a directory that the parent makes, and that goes with the server: files in it
// may belong to ids that the caller has in the user namespace only.
func (b *builder) fuseServer(label string, m Mount) ([]string, error) {
	for name, path := range map[string]string{"fuse-overlayfs": b.facts.FuseOverlayfs, "nsenter": b.facts.Nsenter} {
		if path == "" {
			return nil, &problem.Problem{What: label, Why: name + " is not installed", Fix: "install it, or leave out rootfs.driver"}
		}
	}
	b.Settle = true // the server has to be through
	words := []string{b.facts.Nsenter, "--preserve-credentials", "--user=/proc/{pid}/ns/user", "--"}
	upper, work := m.Upper, m.Work
	if upper == "" {
		upper, work = plan.Scratch+"/upper", plan.Scratch+"/work"
		words = append(words, "/bin/sh", "-c", `mkdir "$0/upper" "$0/work" && "$@"; chmod -R u+rwX "$0"; rm -rf "$0"`, plan.Scratch)
	} else {
		if work == "" {
			work = strings.TrimRight(upper, "/") + ".work"
		}
		for _, dir := range []string{upper, work} {
			b.Do(label, plan.Mkdirat, plan.Cwd, b.Text(dir), plan.Octal(0o755)).Accept(syscall.EEXIST)
		}
	}
	for _, dir := range append([]string{upper, work}, m.Lower...) {
		if strings.ContainsAny(dir, `,:\`) {
			return nil, &problem.Problem{What: label, Why: "fuse-overlayfs takes no comma, colon or backslash in the name " + strconv.Quote(dir), Fix: "use another directory (XDG_DATA_HOME for the store of images)"}
		}
	}
	options := "lowerdir=" + strings.Join(m.Lower, ":") + ",upperdir=" + upper + ",workdir=" + work
	return append(words, b.facts.FuseOverlayfs, "-f", "-o", options, "/dev/fd/"+strconv.Itoa(plan.FirstFile)), nil
}
