// Package spec is one sandbox as plain data, fully resolved: nothing in it is
// left to look up in a profile. Its fields have the names of the profile's
// tables and keys.
package spec

import (
	"github.com/snug-sandbox/snug/cgroups"
	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/landlock"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/process"
	"github.com/snug-sandbox/snug/seccomp"
	"github.com/snug-sandbox/snug/userns"
)

// Spec is everything that a sandbox is. The zero value is a usable sandbox:
// every namespace new, the host's system directories read-only, private /tmp,
// /var/tmp and /run, no network, no capabilities.
type Spec struct {
	// Name says which profile this is, for messages and reports.
	Name string `toml:"-"`
	// Description is one sentence about the profile.
	Description string `toml:"description"`

	Command    process.Command   `toml:"command"`    // what to run
	Env        process.Env       `toml:"env"`        // its environment
	Identity   userns.Config     `toml:"identity"`   // who it is
	Rootfs     mounts.Rootfs     `toml:"rootfs"`     // what lies under everything
	Mounts     []mounts.Mount    `toml:"mounts"`     // what lies on top
	Namespaces namespaces.Config `toml:"namespaces"` // what it shares with the caller
	Network    network.Config    `toml:"network"`    // what it can reach
	Limits     Limits            `toml:"limits"`     // what it may use up
	Security   Security          `toml:"security"`   // what it may do
	Desktop    desktop.Config    `toml:"desktop"`    // what of the caller's desktop it reaches
	Terminal   process.Terminal  `toml:"terminal"`   // what it talks to

	// OrderedMounts mounts in the order given instead of by target; a later
	// mount hides an earlier one, as with bubblewrap's options. What is made in
	// a directory that an earlier one shows writable is made on the host.
	OrderedMounts bool `toml:"-"`

	// Inherit leaves the command what any child process has of its parent; nil:
	// it gets nothing but what the tables say.
	Inherit *process.Inherit `toml:"-"`
}

// Limits is the table [limits].
type Limits struct {
	cgroups.Config
	process.Limits
}

// Security is the table [security]. no_new_privs is always set and cannot be
// switched off.
type Security struct {
	userns.Privileges
	mounts.Masking
	landlock.Config
	process.Hardening

	// Seccomp is the filter of system calls (seccomp(2)): "default", "strict",
	// "none", or a table. The default refuses what ordinary programs never need,
	// and what 32-bit and x32 programs ask for.
	Seccomp seccomp.Config `toml:"seccomp"`

	// Filters are seccomp programs, arrays of struct sock_filter, loaded in order
	// right before execve (seccomp(2)), after that of Seccomp.
	Filters [][]byte `toml:"-"`
}
