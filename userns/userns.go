// Package userns is the sandbox's identity: how ids inside map to ids outside,
// and which capabilities the command holds over its own user namespace.
package userns

// How Config.Map names the ways to map ids.
const (
	MapSelf  = "self"  // the caller's own ids, inside as outside
	MapRoot  = "root"  // the caller is root inside, and nobody outside gains anything
	MapRange = "range" // root inside is the caller; ids from 1 up come from /etc/subuid and /etc/subgid
)

// Config is the table [identity].
type Config struct {
	// Map is "self" (default), "root" or "range" (user_namespaces(7)). A range
	// needs newuidmap(1), newgidmap(1) and entries for the caller in
	// /etc/subuid and /etc/subgid.
	Map string `toml:"map"`

	// UID is the user id of the command inside, where it differs from what Map
	// gives it.
	UID *int `toml:"uid"`

	// GID is the group id of the command inside, where it differs from what
	// Map gives it.
	GID *int `toml:"gid"`

	// Groups are the supplementary group ids of the command (setgroups(2)), which
	// takes the Map "range". Default: the caller's, which show as nobody's; a list
	// without any is none. The user of an image is also in those of its /etc/group.
	Groups []int `toml:"groups"`

	// Block has somebody outside map the ids: none is mapped here, and what
	// follows waits until a byte can be read from this descriptor of the caller.
	Block *int `toml:"-"`

	// User is the login name inside: USER, LOGNAME and the entry in a
	// synthetic /etc/passwd. Default: the caller's, or root for uid 0.
	User string `toml:"user"`

	// Home is the home directory inside (HOME). Default: the caller's, or
	// /root for uid 0.
	Home string `toml:"home"`

	// Shell is the login shell inside (SHELL). Default /bin/sh.
	Shell string `toml:"shell"`
}

// Privileges is the part of the table [security] that user namespaces carry.
type Privileges struct {
	// Capabilities are the capabilities that the command holds inside its
	// user namespace, such as "CAP_NET_BIND_SERVICE" (capabilities(7)), or
	// "ALL". Default none. They give nothing outside the sandbox's own
	// namespaces, but with CAP_SYS_ADMIN the command can make its read-only
	// binds writable.
	Capabilities []string `toml:"capabilities"`

	// NestedUserns lets the command create further user namespaces. Programs
	// with a sandbox of their own (browsers, a nested Snug) need it. Default
	// false: /proc/sys/user/max_user_namespaces is 0 inside.
	NestedUserns bool `toml:"nested_userns"`

	// KeepAll leaves all capabilities as they are.
	KeepAll bool `toml:"-"`
	// AssertNoNested refuses to run where the command could create a user
	// namespace.
	AssertNoNested bool `toml:"-"`
}
