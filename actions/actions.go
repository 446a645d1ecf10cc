// Package actions runs one step of a GitHub Actions job in a sandbox: the logic
// behind "snug actions run", which the action in actions/run calls, and "snug
// actions shell", which makes any "run:" step a sandboxed one.
//
//	code := actions.Run(inputs, actions.Process{Environ: os.Environ(), Out: os.Stdout, Snug: "/usr/local/bin/snug"})
//
// A step is handed the workspace and what its inputs name, and nothing of the
// job's trust. What it hands back is filtered: outputs by their names, its own
// words so that the runner takes none for a command, files by patterns.
//
// The sandbox itself is made by the program snug beside this one, from a
// profile that is written here and handed over in memory. So it is the path of
// snug alone that a host has to allow user namespaces for.
//
// # Limits
//
// With the workspace "rw" the step writes to it directly; only .git is kept from
// it. An output, a persisted file or a summary is the step's own word: later
// steps that trust it trust the step.
package actions
