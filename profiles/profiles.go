// Package profiles turns profiles, which are TOML, into a spec.Spec:
//
//	p, err := profiles.Load(profiles.Default(), "build")
//	if err != nil {
//		return err // a problem.List: every mistake with its file:line:column
//	}
//	snug.Command(p.Spec, "make")
//
// A profile is found by name in ./.snug, in $XDG_CONFIG_HOME/snug/profiles, in
// /etc/snug/profiles and among the built-ins default, strict, shell and build,
// or it is given as a path. Several may be given, and a profile may extend
// others: later values win, and lists add up.
//
// # Limits
//
// Reading a profile looks at the environment and at the files that its
// conditions name, and at nothing else; it never runs or changes anything. What
// the machine can do is not looked at: that is the work of compiling the Spec.
package profiles

import (
	"os"
	"path"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/spec"
)

// Inputs is everything that Load may look at beside the profiles themselves,
// so that the same Inputs give the same Spec on every machine.
type Inputs struct {
	// Dir is the caller's working directory, absolute: ${PWD}, and where
	// relative paths given to Load start. Empty: it has no path, because it was
	// deleted or lies outside of the root directory.
	Dir string
	// Home is the caller's home directory, absolute: ${HOME} and ~/.
	Home string
	// UID is the caller's user id: ${UID}.
	UID int
	// Env looks up a variable of the caller's environment. Nil: it is empty.
	Env func(name string) (string, bool)
	// Exists reports whether the host has a file at path; it follows symbolic
	// links. Nil: nothing exists.
	Exists func(path string) bool
	// Real returns path without symbolic links on the way, as far as it exists.
	// Nil: path has none.
	Real func(path string) string
	// Root is what the root will be whatever the profiles say, for the condition
	// root: "path" or "image", as the command line has it. Empty: the profiles'.
	Root string
	// Paths are the directories where a profile is looked up by name, in order.
	// The built-ins come after them.
	Paths []Place
}

// Place is a directory that holds profiles.
type Place struct {
	Name string // how a listing names it: "project", "user" or "system"
	Dir  string // absolute
}

// projectPlace is the Name of the place inside the working directory, which
// somebody else may have written.
const projectPlace = "project"

// Profile is one or several profiles, resolved.
type Profile struct {
	// Spec is the sandbox that they describe.
	Spec spec.Spec
	// Sources are the files that were read, in the order in which they apply;
	// a built-in one is called "built-in:default".
	Sources []string

	in    Inputs
	files []*file
}

// Default returns the Inputs of this process. It reads no directories.
func Default() Inputs {
	// What Gather cannot find out is empty, and an error only where a profile
	// asks for it.
	facts, _ := host.Gather(host.Want{})
	in := Inputs{
		Dir: facts.Workdir, Home: facts.Home, UID: facts.UID,
		Env: os.LookupEnv, Exists: exists, Real: realPath,
	}
	if in.Dir != "" {
		in.Paths = append(in.Paths, Place{projectPlace, path.Join(in.Dir, ".snug")})
	}
	if config, ok := in.xdg("XDG_CONFIG_HOME"); ok {
		in.Paths = append(in.Paths, Place{"user", path.Join(config, "snug/profiles")})
	}
	in.Paths = append(in.Paths, Place{"system", "/etc/snug/profiles"})
	return in
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// Load reads the named profiles and resolves them into one, as if one profile
// extended them all in this order. A name that holds a slash or ends in .toml
// is a path. Errors are a problem.List that holds every mistake of all files,
// each with a *Mistake for errors.As.
//
// No name at all means "default", but not one in the working directory: whoever
// enters a checkout and asks for a sandbox has not agreed to the sandbox that
// the checkout brings along.
func Load(in Inputs, names ...string) (*Profile, error) {
	l := &loader{in: &in, unnamed: len(names) == 0}
	if l.unnamed {
		names = []string{"default"}
	}
	for _, name := range names {
		l.open(name)
	}
	p := &Profile{in: in, files: l.files}
	l.apply(&p.Spec, nil)
	if l.mistakes == nil {
		l.judge(&p.Spec)
	}
	if l.mistakes != nil {
		return nil, l.problems()
	}
	p.Spec.Name = specName(names)
	for _, f := range l.files {
		p.Sources = append(p.Sources, f.name)
	}
	return p, nil
}

// specName joins several names as the command line would repeat them.
func specName(names []string) string {
	all := names[0]
	for _, name := range names[1:] {
		all += "+" + name
	}
	return all
}

// Check reads one profile, and what it extends, and reports all mistakes at
// once. The path may also be a profile's name.
func Check(in Inputs, path string) error {
	_, err := Load(in, path)
	return err
}
