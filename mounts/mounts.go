// Package mounts is the sandbox's file system: what it shows of the host, what
// is its own, and in which order that is put together.
package mounts

import (
	"strings"

	"github.com/snug-sandbox/snug/internal/units"
)

// Values of Rootfs.Base.
const (
	BaseSystem = "system" // the host's system directories, read-only, on an empty root
	BaseHost   = "host"   // the host's whole tree, read-only
	BaseEmpty  = "empty"  // an empty directory: nothing but what [[mounts]] adds
)

// Values of Rootfs.Overlay.
const (
	OverlayNone     = ""         // the root is shown as it is
	OverlayReadonly = "readonly" // read-only, with new mount points where they are needed
	OverlayDiscard  = "discard"  // writable; what is written is gone at the end
	OverlayKeep     = "keep"     // writable; what is written is kept in Upper
)

// Values of Rootfs.Driver.
const (
	DriverAuto   = ""       // the kernel's overlayfs; where that is refused, one of the others
	DriverKernel = "kernel" // overlayfs
	DriverFuse   = "fuse"   // fuse-overlayfs(1)
	DriverCopy   = "copy"   // a copy of all files
)

// Rootfs is the table [rootfs]: what lies under everything else.
type Rootfs struct {
	// Base is "system" (default): /usr, /bin, /sbin, /lib*, /etc, /opt and
	// their like of the host, read-only; "host": the host's whole tree,
	// read-only; or "empty". On all but "empty" the usual file systems are
	// mounted: /proc, /dev, and private /tmp, /var/tmp and /run.
	Base string `toml:"base"`

	// Path is a directory to use as root instead of a base, such as an
	// unpacked image or a debootstrap tree.
	Path string `toml:"path"`

	// Image is an image of the store to use as root: a name, or a digest. It is
	// pulled or imported with "snug image". Its own /tmp, /var/tmp and /run are
	// used, and made where it has none. /tmp and /var/tmp are private and empty
	// where what is written is kept, and all three where nothing can be written.
	Image string `toml:"image"`

	// Name keeps what is written under Overlay "keep" in the store, under this
	// name, instead of in Upper. The next sandbox of the name goes on from there.
	Name string `toml:"name"`

	// Layers are the directories of Image, the topmost first, once it was looked
	// up.
	Layers []string `toml:"-"`

	// Overlay puts an overlayfs over Path or Image: "readonly", "discard"
	// (writable, what is written is gone at the end; the default of an image) or
	// "keep" (writable, kept in Upper or under Name).
	Overlay string `toml:"overlay"`

	// Upper is the directory that keeps what is written under Overlay "keep".
	Upper string `toml:"upper"`

	// Temporary says that Upper is removed at the end.
	Temporary bool `toml:"-"`

	// Work is overlayfs's work directory, on the same file system as Upper.
	// Default: Upper with ".work" appended.
	Work string `toml:"work"`

	// Driver is what lays Overlay over the root: "kernel" (overlayfs), "fuse"
	// (fuse-overlayfs, which has to be installed, and /dev/fuse), or "copy" (of
	// an image only: all its files are copied, or share their blocks where the
	// file system can do that). Default: "kernel", and where the kernel refuses
	// that the first of the others that works, which a note says.
	Driver string `toml:"driver"`

	// Copy is the directory that Image was copied to, for this sandbox alone.
	Copy string `toml:"-"`

	// Etc are the permissions of /etc of Image, where that is a directory like
	// any other (host.LayerDirectory) and what is written is thrown away: what is
	// put into it is written, too, then. Nil: it is mounted on top.
	Etc *units.FileMode `toml:"-"`

	// Writable leaves the root writable: the tmpfs of the bases "system" and
	// "empty", or the directory Path itself. Default false.
	Writable bool `toml:"writable"`

	// KeepEtc leaves passwd, group, hosts, hostname, resolv.conf and
	// nsswitch.conf in /etc of Path as they are. Default: they are replaced
	// inside by files that fit the sandbox. Of an image only hosts, hostname and
	// resolv.conf are replaced.
	KeepEtc bool `toml:"keep_etc"`
}

// HasTree reports whether the root is a directory or an image, not a base.
func (r Rootfs) HasTree() bool { return r.Path != "" || r.Image != "" }

// lower are the directories that the root is made of, the topmost first.
func (r Rootfs) lower() []string {
	if r.Path != "" {
		return []string{r.Path}
	}
	return r.Layers
}

// tree names what the root is made of.
func (r Rootfs) tree() string {
	if r.Path != "" {
		return r.Path
	}
	return "the image " + r.Image
}

// Types of a Mount.
const (
	Bind    = "bind"     // a file or directory of the host
	DevBind = "dev-bind" // the same, with device nodes that work
	Tmpfs   = "tmpfs"    // a private file system in memory
	Proc    = "proc"     // procfs of the sandbox's pid namespace
	Dev     = "dev"      // a minimal /dev
	Mqueue  = "mqueue"   // POSIX message queues of the sandbox's ipc namespace
	Overlay = "overlay"  // several directories as one
	Symlink = "symlink"  // a symbolic link
	Dir     = "dir"      // a directory
	File    = "file"     // a file with the given content
	Mask    = "mask"     // a path made unreadable
	Remount = "remount"  // other flags for a mount that is there
)

// Mount is one entry of [[mounts]]. Of two entries the one with the more
// specific target wins; of two with the same target the later one.
type Mount struct {
	// Type is one of bind (default), dev-bind, tmpfs, proc, dev, mqueue,
	// overlay, symlink, dir, file, mask and remount.
	Type string `toml:"type"`

	// Source is the host's path for bind and dev-bind; the link's text for symlink.
	Source string `toml:"source"`

	// Target is the absolute path inside. Default for bind and dev-bind: Source.
	// Symbolic links on the way are followed inside the sandbox's root, never
	// out of it.
	Target string `toml:"target"`

	// Writable makes a bind, dev-bind, overlay or remount writable. They are
	// read-only by default, with everything mounted below them; a tmpfs is
	// writable whatever this says.
	Writable bool `toml:"writable"`

	// ReadOnly makes a tmpfs read-only once the sandbox is built.
	ReadOnly bool `toml:"read_only"`

	// Noexec forbids to execute files of this mount.
	Noexec bool `toml:"noexec"`

	// Optional skips the entry when its source does not exist.
	Optional bool `toml:"optional"`

	// Size is a tmpfs's size limit, and that of its number of files: one for each
	// 4 KiB, at least 1024. Default: half of the memory (tmpfs(5)).
	Size units.Bytes `toml:"size"`

	// Mode is the permission of a tmpfs (default 0755, and 1777 at /tmp,
	// /var/tmp and /dev/shm), dir (0755) or file (0644).
	Mode *units.FileMode `toml:"mode"`

	// Content is what a file holds.
	Content string `toml:"content"`

	// Lower are an overlay's read-only directories, the topmost first.
	Lower []string `toml:"lower"`

	// Upper is the directory that keeps what is written to an overlay. With
	// Writable but no Upper the writes are gone at the end.
	Upper string `toml:"upper"`

	// Work is the overlay's work directory, on Upper's file system. Default:
	// Upper with ".work" appended.
	Work string `toml:"work"`

	// Propagation is "private" (default) or "slave": a slave also shows what
	// the host mounts below Source later on, which is then not read-only
	// (mount_namespaces(7)).
	Propagation string `toml:"propagation"`

	// Parents is the permission of directories that have to be made above the
	// target of an entry of an ordered Table. Default 0755.
	Parents *units.FileMode `toml:"-"`

	// Same is the file that Source has to lead to, where it was named by a
	// descriptor, or looked at before.
	Same *FileID `toml:"-"`

	// Kind is what the source of a bind is, where somebody looked before. One that
	// has become another kind since is an error.
	Kind Kind `toml:"-"`

	// Fallback is what proc becomes where the kernel refuses a fresh procfs,
	// as it does inside most containers: "bind" shows the outer /proc, with
	// the processes outside; "none" (default) is an error.
	Fallback string `toml:"fallback"`
}

// Kind says what a bind mount goes onto.
type Kind uint8

const (
	Unseen    Kind = iota // the kernel finds out
	Directory             // onto a directory
	Other                 // onto a file
)

// Masking is the part of the table [security] that mounts carry.
type Masking struct {
	// Unmask are paths below /proc that are usually hidden or read-only and
	// shall not be, or "ALL". MaskedPaths and ReadonlyPaths list them.
	Unmask []string `toml:"unmask"`

	// HidePID is what /proc shows of processes that the command may not trace
	// (proc(5), hidepid=, Linux 5.8): "off" (default) shows them as any, "noaccess"
	// their numbers only, "invisible" nothing of those of other users, "ptraceable"
	// nothing of any. Process 1 of the sandbox is one of them.
	HidePID string `toml:"hidepid"`

	// ProcSubset is "all" (default), or "pid": /proc has the processes and nothing
	// else (proc(5), subset=, Linux 5.8). Programs that look up the machine's
	// memory, CPUs or mounts there do not find them.
	ProcSubset string `toml:"proc_subset"`
}

// Values of Masking.HidePID and Masking.ProcSubset.
const (
	HideOff        = "off"
	HideNoAccess   = "noaccess"
	HideInvisible  = "invisible"
	HidePtraceable = "ptraceable"

	SubsetAll = "all"
	SubsetPID = "pid"
)

// procOptions are the parameters of procfs.
func (m Masking) procOptions() (list []option) {
	if m.HidePID != "" && m.HidePID != HideOff {
		list = append(list, option{"hidepid", m.HidePID})
	}
	if m.ProcSubset == SubsetPID {
		list = append(list, option{"subset", SubsetPID})
	}
	return list
}

// Proc says what m takes away from /proc; "" when nothing.
func (m Masking) Proc() string {
	text := ""
	for _, o := range m.procOptions() {
		text += ", " + o.key + "=" + o.value
	}
	return strings.TrimPrefix(text, ", ")
}

// Table is everything of a Spec that becomes mounts.
type Table struct {
	Rootfs  Rootfs
	Mounts  []Mount
	Masking Masking

	// Ordered keeps the mounts in the order given, so that a later one hides
	// an earlier one, instead of sorting them by target, and acts on the host's
	// directories where they are shown writable.
	Ordered bool
}
