package mounts

import "slices"

// ProcPath is a path below /proc that a sandbox does not get as it is.
type ProcPath struct {
	Path string // relative to /proc
	Dir  bool   // it is a directory
	Why  string
}

// MaskedPaths are hidden, as OCI runtimes do it: they leak what the kernel or
// the machine does outside of the sandbox. File permissions alone do not hold
// where the caller is root outside.
var MaskedPaths = [...]ProcPath{
	{"acpi", true, "switches hardware"},
	{"asound", true, "shows what the sound devices play"},
	{"interrupts", false, "times the keyboard and the disk (side channel)"},
	{"kcore", false, "the kernel's memory"},
	{"keys", false, "keys of all of the user's processes"},
	{"latency_stats", false, "kernel internals"},
	{"sched_debug", false, "names of the host's processes"},
	{"scsi", true, "removes disks when written"},
	{"timer_list", false, "names and addresses of the host's timers"},
	{"timer_stats", false, "names of the host's processes"},
}

// ReadonlyPaths are shown but cannot be written, as OCI runtimes do it: what is
// written there changes the machine, not the sandbox.
var ReadonlyPaths = [...]ProcPath{
	{"bus", true, "configures devices"},
	{"fs", true, "configures file systems"},
	{"irq", true, "configures interrupts"},
	{"sys", true, "sysctls, with the names of programs that the kernel starts as root"},
	{"sysrq-trigger", false, "reboots the machine"},
}

// lifted reports whether unmask takes p's protection away.
func lifted(unmask []string, p string) bool {
	return slices.Contains(unmask, "ALL") || slices.Contains(unmask, "/proc/"+p)
}
