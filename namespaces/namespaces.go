// Package namespaces says which namespaces of the kernel are new for the
// sandbox and which it shares with the caller, with the names and clock
// offsets that a new one carries. The user namespace's ids are package
// userns's, the network's inside is package network's.
package namespaces

import "github.com/snug-sandbox/snug/internal/units"

// Values of the fields of Config that choose a namespace.
const (
	New   = "new"
	Share = "share"
)

// Config is the table [namespaces] (namespaces(7)). Each field is "new"
// (default, but for time) or "share". The mount namespace is always new, unless
// there is none at all.
type Config struct {
	// None makes no namespace at all, whatever the other keys say: for hosts that
	// forbid user namespaces. Landlock keeps the command to the files that the
	// mounts show at their own places, and the filter of system calls to no
	// sockets but those of the network mode. What neither can hold is refused, or
	// told in a note.
	None bool `toml:"none"`

	// User is the user namespace. "share" works for a caller with
	// CAP_SYS_ADMIN only.
	User string `toml:"user"`
	// PID is the pid namespace. "share" lets the command see and signal the
	// caller's processes.
	PID string `toml:"pid"`
	// Net is the network namespace. Default: new, unless [network] mode is "host".
	Net string `toml:"net"`
	// IPC is the namespace of System V IPC and POSIX message queues.
	IPC string `toml:"ipc"`
	// UTS is the namespace of host and domain name.
	UTS string `toml:"uts"`
	// Cgroup is the namespace of the control group root.
	Cgroup string `toml:"cgroup"`
	// Time is the namespace of the monotonic and boot-time clocks. Default
	// "share"; new when one of the offsets is given (time_namespaces(7)).
	Time string `toml:"time"`

	// Hostname is the host name in a new uts namespace, at most 64 bytes.
	// Default "snug".
	Hostname string `toml:"hostname"`
	// Domainname is the NIS domain name in a new uts namespace, at most 64
	// bytes. Default "(none)".
	Domainname string `toml:"domainname"`

	// MonotonicOffset is added to CLOCK_MONOTONIC inside.
	MonotonicOffset units.Duration `toml:"monotonic_offset"`
	// BoottimeOffset is added to CLOCK_BOOTTIME (the uptime) inside.
	BoottimeOffset units.Duration `toml:"boottime_offset"`

	// Join are existing namespaces to enter.
	Join Join `toml:"-"`
	// KeepName leaves a new uts namespace without a Hostname the caller's name.
	KeepName bool `toml:"-"`
}
