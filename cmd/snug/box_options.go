package main

import (
	"strings"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/seccomp"
)

// options returns the options of run and explain, in the order of the help;
// without those that do not occur on the command line.
func (b *box) options() []*kong.Flag {
	flags := group(nil, "Profile", b.profileOptions()...)
	flags = group(flags, "Files", b.fileOptions()...)
	flags = group(flags, "Environment", b.environmentOptions()...)
	flags = group(flags, "Identity", b.identityOptions()...)
	flags = group(flags, "Network and namespaces", append(b.namespaceOptions(), b.networkOptions()...)...)
	flags = group(flags, "Limits", b.limitOptions()...)
	return group(flags, "Process and terminal", b.processOptions()...)
}

func (b *box) profileOptions() []*kong.Flag {
	return []*kong.Flag{
		b.plain("profile/p", "NAME",
			"Profile by name or path; several add up, and the later one wins. Default: default.",
			func(v string) { b.profiles = append(b.profiles, v) }),
	}
}

func (b *box) fileOptions() []*kong.Flag {
	return []*kong.Flag{
		b.option("bind", "SRC[:DST]", `Show SRC of the host as DST, writable. Write \: for a colon in a path.`,
			bind(mounts.Mount{Type: mounts.Bind, Writable: true})),
		b.option("ro-bind", "SRC[:DST]", "Show SRC of the host as DST, read-only.",
			bind(mounts.Mount{Type: mounts.Bind})),
		b.option("dev-bind", "SRC[:DST]", "The same with device nodes that work, writable.",
			bind(mounts.Mount{Type: mounts.DevBind, Writable: true})),
		b.option("tmpfs", "DST", "A private, empty file system in memory.", tmpfs),
		b.option("mask", "DST", "Make a path unreadable.", mask),
		b.option("symlink", "TEXT:DST", "A symbolic link at DST that points to TEXT.", symlink),
		b.option("rootfs", "DIR", "A directory of the host as the root, such as an unpacked image.", rootfs),
		b.option("image", "REF", "An image of the store as the root; it is pulled when it is missing (--pull). What is written is gone at the end.", useImage),
		b.option("keep", "NAME", "Keep what is written on top of --image under this name, and go on from there next time.", func(c *changing, v string) error {
			c.Rootfs.Name = v
			return images.CheckName(v)
		}),
		b.choice("overlay", "none|readonly|discard|keep",
			"Lay a file system over --rootfs or --image: what is written to it is refused (default), thrown away at the end (default of an image), or kept in --upper. Without one (none), everything that is mounted needs its place in DIR.",
			overlay),
		b.choice("overlay-driver", "kernel|fuse|copy", "What does that: the kernel's overlayfs, fuse-overlayfs, or (of --image) a copy. Default: the first that works.",
			func(c *changing, v string) { c.Rootfs.Driver = v }),
		b.option("upper", "DIR", "Where --overlay keep keeps what is written.", func(c *changing, v string) (err error) {
			c.Rootfs.Upper, err = hostPath(v, c.home)
			return err
		}),
	}
}

func (b *box) environmentOptions() []*kong.Flag {
	return []*kong.Flag{
		b.option("env/e", "NAME=VALUE", "Set a variable.", setEnv),
		b.option("keep-env", "NAME", "Pass a variable on; NAME* passes all that begin so.", keepEnv),
		b.option("unset-env", "NAME", "Leave a variable out; NAME* leaves out all that begin so.", unsetEnv),
		b.toggle("inherit-env", "Start from the whole environment, secrets and all.",
			func(c *changing) *bool { return &c.Env.Inherit }),
	}
}

func (b *box) identityOptions() []*kong.Flag {
	return []*kong.Flag{
		b.mapOption(),
		b.option("uid", "ID", "User id inside.", id(func(c *changing, n *int) { c.Identity.UID = n })),
		b.option("gid", "ID", "Group id inside.", id(func(c *changing, n *int) { c.Identity.GID = n })),
		b.option("group-add", "ID", "A further group inside, of --map range.", id(func(c *changing, n *int) { c.Identity.Groups = append(c.Identity.Groups, *n) })),
		b.option("cap", "NAME", "Grant a capability over the sandbox's own namespaces, or all with ALL.", capability),
		b.option("seccomp", filters, "Filter of system calls; or the file of one as Docker has them, ./FILE.json.", setSeccomp),
		b.toggle("log-denials", "Tell at the end which system calls and paths were refused, and to whom; --report has it too. It slows opening of files down.",
			func(c *changing) *bool { return &c.Security.Seccomp.LogDenials }),
		b.choice("landlock", "auto|no|require", "A second wall around files, where the kernel has it.",
			func(c *changing, v string) { c.Security.Landlock = v }),
		b.toggle("nested-userns", "Allow further user namespaces, which browsers and a nested Snug need.",
			func(c *changing) *bool { return &c.Security.NestedUserns }),
	}
}

// filters are the words that --seccomp knows.
const filters = seccomp.Default + "|" + seccomp.Strict + "|" + seccomp.None

// setSeccomp replaces the profile's filter.
func setSeccomp(c *changing, v string) error {
	config := seccomp.Config{Base: v, LogDenials: c.Security.Seccomp.LogDenials}
	if strings.Contains(v, "/") || strings.HasSuffix(v, ".json") {
		path, err := hostPath(v, c.home)
		config.Base, config.File = "", path
		c.Security.Seccomp = config
		return err
	}
	c.Security.Seccomp = config
	return oneOf("seccomp", v, choices(filters))
}

// mapOption returns --map. It is applied before all others: a profile's own
// uid and gid belong to the profile's map, while --uid and --gid belong to this.
func (b *box) mapOption() *kong.Flag {
	f := b.choice("map", "self|root|range", "Be yourself inside, or root, or root with a range of further ids.",
		func(c *changing, v string) {
			c.Identity.Map, c.Identity.UID, c.Identity.GID, c.Identity.Groups = v, nil, nil, nil
		})
	if f == nil {
		return nil
	}
	record := f.Mapper.(textMapper).set
	f.Mapper = textMapper{func(v string) error {
		err := record(v)
		last := len(b.changes) - 1
		b.changes = append([]change{b.changes[last]}, b.changes[:last]...)
		return err
	}}
	return f
}

func (b *box) quietOption() *kong.Flag {
	if !b.occurs("quiet/q") {
		return nil
	}
	return mark("quiet/q", "Do not tell what could not be had and was done without.", &b.quiet)
}

func (b *box) namespaceOptions() []*kong.Flag {
	return []*kong.Flag{
		b.choice("net", "none|host|private", "Network: only a loopback of its own, the host's, or one of its own that reaches out.", setNetwork),
		b.option("share", "NS,...", "Share these namespaces with the host: user, pid, net, ipc, uts, cgroup, time.", share),
		b.option("unshare", "NS,...", "Make these namespaces new, or all.", unshare),
		b.namespacesOption(),
		b.choice("display", "wayland|x11|none", "What a desktop program shows its windows on, whatever the profile says: Wayland only, X11 only, or nothing.", display),
		b.choice("home", "private|ephemeral|overlay", "Home of a desktop program, whatever the profile says: its own and kept, empty and gone at the end, or yours with what is written gone at the end.",
			func(c *changing, v string) { c.Desktop.Home = v }),
		b.option("hostname", "NAME", "Host name inside.", func(c *changing, v string) error {
			c.Namespaces.Hostname = v
			return asInProfiles("namespaces.hostname", v)
		}),
	}
}

// namespacesOption returns --no-namespaces.
func (b *box) namespacesOption() *kong.Flag {
	if !b.occurs("namespaces") {
		return nil
	}
	return toggle("namespaces", "Without, Landlock and the filter hold what they can, on hosts that forbid user namespaces; the run tells what is not held.", func(on bool) {
		b.changes = append(b.changes, change{option: "no-namespaces", make: func(c *changing, _ string) error {
			c.Namespaces.None = !on
			return nil
		}})
	})
}

func (b *box) processOptions() []*kong.Flag {
	return []*kong.Flag{
		b.option("workdir/w", "DIR", "Working directory inside.", workdir),
		b.option("entrypoint", "PROGRAM", "What runs with the command's words as its arguments, instead of an image's own; \"\" is nothing.", func(c *changing, v string) error {
			c.Command.Entrypoint = []string{v}
			return nil
		}),
		b.choice("tty", "auto|yes|no", "A terminal of its own: when used interactively, always, or never.",
			func(c *changing, v string) { c.Terminal.TTY = v }),
		b.option("fd", "N", "Pass descriptor N on under the same number.", passDescriptor),
		b.toggle("linger", "Wait for every process of the sandbox, not only for the command.",
			func(c *changing) *bool { return &c.Command.Linger }),
		b.toggle("pid1", "Run the command as process 1, without a reaper above it.",
			func(c *changing) *bool { return &c.Command.PID1 }),
		b.plain("report", "FILE", "Write what happened to FILE (- is standard output), as JSON, also when the sandbox could not be made. What a private network was used for is told as lines for a profile, too.",
			func(v string) { b.report, b.reports = v, true }),
		b.quietOption(),
	}
}
