package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/profiles"
)

// asInProfiles holds a word to the rule of a profile's key.
func asInProfiles(key, word string) error {
	if want := profiles.Expected(key, word); want != "" {
		return badValue("%q is not %s", word, want)
	}
	return nil
}

func id(set func(*changing, *int)) func(*changing, string) error {
	return func(c *changing, v string) error {
		// The highest id, 2^32-1, means "none" to the kernel.
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil || n == 1<<32-1 {
			return badValue("%q is not an id from 0 to 4294967294", v)
		}
		number := int(n)
		set(c, &number)
		return nil
	}
}

// capability adds a capability under its full name: "net_raw" is CAP_NET_RAW.
func capability(c *changing, v string) error {
	for _, name := range strings.Split(v, ",") {
		name = strings.ToUpper(strings.TrimSpace(name))
		if name == "" {
			return badValueTry("--cap NET_BIND_SERVICE", "%q holds no name", v)
		}
		if name != "ALL" && !strings.HasPrefix(name, "CAP_") {
			name = "CAP_" + name
		}
		c.Security.Capabilities = append(c.Security.Capabilities, name)
	}
	return nil
}

func setEnv(c *changing, v string) error {
	name, value, ok := strings.Cut(v, "=")
	switch {
	case v == "":
		return badValueTry("--env NAME=VALUE", "is empty")
	case !ok:
		return badValueTry("--env "+v+"=VALUE, or --keep-env "+v, "%q has no value", v)
	case name == "":
		return badValueTry("--env NAME=VALUE", "%q has no name", v)
	}
	if c.Env.Set == nil {
		c.Env.Set = map[string]string{}
	}
	c.Env.Set[name] = value
	return nil
}

func keepEnv(c *changing, v string) error {
	if err := envName(v); err != nil {
		return err
	}
	delete(c.Env.Set, v) // else the profile's value would win over the caller's
	c.Env.Unset = without(c.Env.Unset, v)
	c.Env.Keep = append(c.Env.Keep, v)
	if value, ok := os.LookupEnv(v); ok && leftOut(c.Env.Unset, v) {
		return setEnv(c, v+"="+value) // else a pattern of the profile's would win
	}
	return nil
}

// leftOut reports whether one of the patterns takes in name.
func leftOut(patterns []string, name string) bool {
	for _, p := range patterns {
		if prefix, ok := strings.CutSuffix(p, "*"); ok && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func unsetEnv(c *changing, v string) error {
	if err := envName(v); err != nil {
		return err
	}
	for name := range c.Env.Set {
		prefix, pattern := strings.CutSuffix(v, "*")
		if name == v || pattern && strings.HasPrefix(name, prefix) {
			delete(c.Env.Set, name)
		}
	}
	c.Env.Keep = without(c.Env.Keep, v)
	c.Env.Unset = append(c.Env.Unset, v)
	return nil
}

func envName(v string) error {
	if strings.Contains(v, "=") {
		return badValueTry("--env NAME=VALUE sets a value", "%q is not the name of a variable", v)
	}
	return asInProfiles("env.keep", v)
}

// without returns list less one word, in memory of its own.
func without(list []string, word string) []string {
	var kept []string
	for _, w := range list {
		if w != word {
			kept = append(kept, w)
		}
	}
	return kept
}

// setNetwork sets the mode, and lets the namespace follow from it.
func setNetwork(c *changing, mode string) {
	c.Network.Mode, c.Network.Join, c.Namespaces.Net = mode, "", ""
	if mode != network.Private {
		c.Network = network.Config{Mode: mode} // rules of the profile's are for another network
	}
}

func share(c *changing, v string) error {
	return eachNamespace(v, func(name string) error {
		if name == "net" {
			setNetwork(c, network.Host)
			return nil
		}
		return setNamespace(c, name, namespaces.Share)
	})
}

func unshare(c *changing, v string) error {
	if v == "all" {
		v = strings.Join(namespaceNames[:6], ",")
	}
	return eachNamespace(v, func(name string) error {
		if name == "net" {
			if c.Network.Mode == network.Host || c.Namespaces.Net == namespaces.Share {
				setNetwork(c, network.None)
			}
			return nil
		}
		return setNamespace(c, name, namespaces.New)
	})
}

// eachNamespace calls do for the names in a comma-separated list.
func eachNamespace(list string, do func(string) error) error {
	for _, name := range strings.Split(list, ",") {
		if err := do(strings.ToLower(strings.TrimSpace(name))); err != nil {
			return err
		}
	}
	return nil
}

// namespaceNames are the namespaces that can be new or shared. "all" is the
// first six: a new time namespace is of no use without an offset.
var namespaceNames = [...]string{"user", "pid", "net", "ipc", "uts", "cgroup", "time"}

func setNamespace(c *changing, name, to string) error {
	switch name {
	case "user":
		c.Namespaces.User = to
	case "pid":
		c.Namespaces.PID = to
	case "ipc":
		c.Namespaces.IPC = to
	case "uts":
		c.Namespaces.UTS = to
	case "cgroup":
		c.Namespaces.Cgroup = to
	case "time":
		c.Namespaces.Time = to
	case "mnt", "mount":
		return badValue("the mount namespace is always new")
	default:
		names := namespaceNames[:]
		return badValueTry(nearest(name, names), "%q is not one of %s", name, strings.Join(names, ", "))
	}
	return nil
}

func passDescriptor(c *changing, v string) error {
	n, err := strconv.ParseUint(v, 10, 31)
	if err != nil {
		return badValueTry("--fd 3, with 3<FILE in the shell", "%q is not the number of a descriptor", v)
	}
	if n <= 2 {
		return badValue("descriptors 0, 1 and 2 are always passed on")
	}
	for _, fd := range c.Command.FDs {
		if fd == int(n) {
			return nil
		}
	}
	c.Command.FDs = append(c.Command.FDs, int(n))
	return nil
}

// display chooses between what a profile opens, and makes up for what it does
// not.
func display(c *changing, v string) {
	d := &c.Desktop
	if v != "wayland" {
		d.Wayland = desktop.None
	} else if d.Wayland == "" || d.Wayland == desktop.None {
		d.Wayland = desktop.Auto
	}
	if v != "x11" {
		d.X11 = desktop.None
	} else if d.X11 == "" || d.X11 == desktop.None {
		d.X11 = desktop.Fallback
	}
}
