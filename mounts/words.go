package mounts

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

const (
	attrSize    = 32 // struct mount_attr
	openHowSize = 24 // struct open_how
)

// attr is the address of a struct mount_attr.
func (b *builder) attr(set, clear, propagation uint64) program.Arg {
	key := [3]uint64{set, clear, propagation}
	a, known := b.attrs[key]
	if !known {
		a = b.Words(set, clear, propagation, 0)
		b.attrs[key] = a
	}
	a.Form, a.Bits = program.Struct, nil
	return a
}

// how is the address of a struct open_how.
func (b *builder) how(flags, resolve uint64) program.Arg {
	key := [3]uint64{flags, resolve, 1 << 63}
	a, known := b.attrs[key]
	if !known {
		a = b.Words(flags|unix.O_CLOEXEC, 0, resolve)
		b.attrs[key] = a
	}
	return a
}

func atFlags(v uint64) program.Arg   { return plan.Bits(v, &plan.AtFlags) }
func moveFlags(v uint64) program.Arg { return plan.Bits(v, &plan.MoveFlags) }
func treeFlags(v uint64) program.Arg { return plan.Bits(v, &plan.TreeFlags) }

const (
	foreignOwner  = "the directory that it would be made in belongs to a user or a group that the sandbox has no id for"
	foreignRemedy = "make it there beforehand, or give the tree to yourself (chown -R), or unpack it as an image: snug image import DIR"
)

// What refusals mean.
var (
	sourceHelp = &program.Help{Errno: syscall.ENOENT, Why: "the source does not exist", Fix: "create it, or set optional = true for the mount",
		Next: &program.Help{Errno: syscall.EACCES, Why: "the source cannot be reached with the caller's permissions",
			Next: &program.Help{Errno: syscall.ENOTDIR, Why: "a part of the source's path is not a directory",
				Next: &program.Help{Errno: syscall.EINVAL, Why: "the kernel does not let this file system be bound (MS_UNBINDABLE)"}}}}
	targetHelp = &program.Help{Errno: syscall.ENOENT, Why: "the target does not exist, and nothing is created in the host's tree",
		Fix: "choose a target that exists there, or put a tmpfs, or an overlay of the directory (type = \"overlay\", writable = true), above it",
		Next: &program.Help{Errno: syscall.ELOOP, Why: "the target leads through too many, or through magic, symbolic links",
			Next: &program.Help{Errno: syscall.ENOTDIR, Why: "a part of the target's path is not a directory",
				Next: &program.Help{Errno: syscall.EXDEV, Why: "the target's path leads through another mount"}}}}
	madeHelp = &program.Help{Errno: syscall.EACCES, Why: foreignOwner, Fix: foreignRemedy, Next: &program.Help{Errno: syscall.EOVERFLOW, Why: foreignOwner, Fix: foreignRemedy}}
	moveHelp = &program.Help{Errno: syscall.ENOTDIR, Why: "one of source and target is a directory, the other is not",
		Next: &program.Help{Errno: syscall.ENOSPC, Why: "there are too many mounts (/proc/sys/fs/mount-max)",
			Next: &program.Help{Errno: syscall.EINVAL, Why: "one of source and target is a directory, the other is not, or the kernel does not let a mount go there"}}}
	attrHelp = &program.Help{Errno: syscall.EPERM, Why: "the caller may not change these flags of the mount, which it does not own",
		Next: &program.Help{Errno: syscall.ENOSYS, Why: "mount_setattr(2) is missing", Fix: "boot Linux 5.12 or newer"}}
	pivotHelp = &program.Help{Errno: syscall.EINVAL, Why: "the caller's root is not the root of a mount, as in a chroot",
		Fix: "start from outside of the chroot, or make its directory a mount: mount --bind DIR DIR"}
	ownerHelp = &program.Help{Errno: syscall.EINVAL, Why: "the sandbox has no such user or group id", Fix: "choose ids that are in its map (/proc/self/uid_map)"}
	procHelp  = &program.Help{Errno: syscall.EPERM, Why: "the kernel gives no fresh procfs where the outer /proc is partly hidden or read-only, as in a container",
		Fix: "set fallback = \"bind\" for the proc mount, or run the container with its /proc unmasked (--security-opt systempaths=unconfined, podman: unmask=ALL)"}
	overlayHelp = &program.Help{Errno: syscall.EPERM, Why: "this kernel gives no overlayfs to a user namespace", Fix: "boot Linux 5.11 or newer",
		Next: &program.Help{Errno: syscall.ELOOP, Why: "overlay directories may not lie inside of each other",
			Next: &program.Help{Errno: syscall.ENODEV, Why: "this kernel has no overlayfs", Fix: "modprobe overlay",
				Next: &program.Help{Errno: syscall.EINVAL, Why: "overlayfs refuses these directories: upper and work must be on one file system that has extended attributes and is no overlay itself, and nothing may be mounted in a lower directory"}}}}
	fuseHelp = &program.Help{Errno: syscall.EACCES, Why: "/dev/fuse is not for this user", Fix: "sudo chmod 666 /dev/fuse, as udev does it elsewhere",
		Next: &program.Help{Errno: syscall.ENOENT, Why: "there is no /dev/fuse", Fix: "sudo modprobe fuse",
			Next: &program.Help{Errno: syscall.ENODEV, Why: "this kernel has no FUSE", Fix: "sudo modprobe fuse",
				Next: &program.Help{Errno: syscall.EPERM, Why: "the kernel gives no FUSE to a user namespace", Fix: "boot Linux 4.18 or newer"}}}}
	mqueueHelp = &program.Help{Errno: syscall.EPERM, Why: "message queues need an ipc namespace of the sandbox's own", Fix: "leave namespaces.ipc at \"new\""}
)

func at(a program.Arg, offset uint64) program.Arg {
	a.Value += offset
	return a
}
