package plan

import (
	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/program"
)

func bit(v uint64, name string) program.BitName {
	return program.BitName{Mask: v, Value: v, Name: name}
}

// Names of the flags that plans use, for printing.
var (
	CloneFlags = program.BitNames{Names: []program.BitName{
		bit(unix.CLONE_NEWUSER, "CLONE_NEWUSER"), bit(unix.CLONE_NEWNS, "CLONE_NEWNS"), bit(unix.CLONE_NEWPID, "CLONE_NEWPID"),
		bit(unix.CLONE_NEWNET, "CLONE_NEWNET"), bit(unix.CLONE_NEWIPC, "CLONE_NEWIPC"), bit(unix.CLONE_NEWUTS, "CLONE_NEWUTS"),
		bit(unix.CLONE_NEWCGROUP, "CLONE_NEWCGROUP"), bit(unix.CLONE_VM, "CLONE_VM"), bit(unix.CLONE_VFORK, "CLONE_VFORK"),
		bit(unix.CLONE_PARENT, "CLONE_PARENT"),
		{Mask: 0xff, Value: uint64(unix.SIGCHLD), Name: "SIGCHLD"},
	}}
	UnshareFlags = program.BitNames{Names: []program.BitName{
		bit(unix.CLONE_NEWTIME, "CLONE_NEWTIME"), bit(unix.CLONE_NEWUSER, "CLONE_NEWUSER"), bit(unix.CLONE_NEWPID, "CLONE_NEWPID"),
		bit(unix.CLONE_NEWCGROUP, "CLONE_NEWCGROUP"),
	}}
	OpenFlags = program.BitNames{Zero: "O_RDONLY", Names: []program.BitName{
		bit(unix.O_PATH, "O_PATH"), bit(unix.O_WRONLY, "O_WRONLY"), bit(unix.O_RDWR, "O_RDWR"), bit(unix.O_CREAT, "O_CREAT"),
		bit(unix.O_EXCL, "O_EXCL"), bit(unix.O_DIRECTORY, "O_DIRECTORY"), bit(unix.O_CLOEXEC, "O_CLOEXEC"),
		bit(unix.O_NOFOLLOW, "O_NOFOLLOW"), bit(unix.O_NOCTTY, "O_NOCTTY"),
	}}
	TreeFlags = program.BitNames{Names: []program.BitName{
		bit(unix.OPEN_TREE_CLONE, "OPEN_TREE_CLONE"), bit(unix.AT_RECURSIVE, "AT_RECURSIVE"), bit(unix.AT_NO_AUTOMOUNT, "AT_NO_AUTOMOUNT"),
		bit(unix.AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"), bit(unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"), bit(unix.OPEN_TREE_CLOEXEC, "OPEN_TREE_CLOEXEC"),
	}}
	MoveFlags = program.BitNames{Names: []program.BitName{
		bit(unix.MOVE_MOUNT_F_EMPTY_PATH, "MOVE_MOUNT_F_EMPTY_PATH"), bit(unix.MOVE_MOUNT_T_EMPTY_PATH, "MOVE_MOUNT_T_EMPTY_PATH"),
	}}
	MountAttrs = program.BitNames{Names: []program.BitName{
		bit(unix.MOUNT_ATTR_RDONLY, "MOUNT_ATTR_RDONLY"), bit(unix.MOUNT_ATTR_NOSUID, "MOUNT_ATTR_NOSUID"),
		bit(unix.MOUNT_ATTR_NODEV, "MOUNT_ATTR_NODEV"), bit(unix.MOUNT_ATTR_NOEXEC, "MOUNT_ATTR_NOEXEC"),
	}}
	AtFlags = program.BitNames{Names: []program.BitName{
		bit(unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"), bit(unix.AT_RECURSIVE, "AT_RECURSIVE"), bit(unix.AT_REMOVEDIR, "AT_REMOVEDIR"),
	}}
	UmountFlags = program.BitNames{Names: []program.BitName{bit(unix.MNT_DETACH, "MNT_DETACH")}}
	CloseFlags  = program.BitNames{Names: []program.BitName{bit(unix.CLOSE_RANGE_CLOEXEC, "CLOSE_RANGE_CLOEXEC")}}
)
