package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/running"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/spec"
)

type runVerb struct {
	box
	name        string
	named       bool // --name was given
	stats, json bool
	reached     []error // what is to be said of the limits
	pull        string
	image       *images.Image  // that it runs from
	lock        *running.Lock  // of a name that was taken already
	record      running.Record // what it was started with
	notes       []string
	log         string // of what is said on the session bus; "": none is kept
}

func runNode(args []string) *kong.Node {
	v := &runVerb{}
	v.args = args
	n := node("run", "Run a command in a sandbox", runDetail, v)
	name := v.plain("name", "NAME", "Name of the sandbox while it runs, for ps, exec and others. Default: the profile's with a number.",
		func(name string) { v.name, v.named = name, true })
	more := group(group(nil, "Profile", name), "Files", v.pullOption())
	v.describe(n, group(more, "Statistics", v.statsOptions()...)...)
	return n
}

const runDetail = `
The sandbox is what the profile describes; options change what it says. Without
a profile, the system's directories are there read-only, /tmp and the home
directory are private and empty, the current directory is there to write to
(unless it is the home directory or above it), and there is no network.

The exit code is the command's; 128+N when signal N ended it; 124 at the time
limit; 125 when Snug failed, 126 when the command cannot be executed, 127 when
it is not there.

  snug run -- ls -la                            look around
  snug run -p build -- make -j4                 a profile of your own, or a built-in
  snug run -p strict --ro-bind . -w "$PWD" -- ./prog   nothing but this directory, read-only
  snug run --net host -- curl example.org       with the host's network
  snug run --memory 2GiB --timeout 10m -- make  with limits
  snug run --stats -- make                      and what it used
  snug run --rootfs ./alpine --map root         a shell in another root
  snug run --image debian:12 -- apt-get --version   a command of an image
`

func (v *runVerb) do(std streams) error {
	var report report
	if v.reports {
		var err error
		if report, err = newReport(v.report); err != nil {
			return err
		}
	}
	result, err := v.run(std)
	if result == nil {
		result = unstarted(err)
	}
	v.tell(std, result, err)
	if err := report.write(result, err); err != nil {
		return err
	}
	return &endedError{result.Code()}
}

// unstarted is the result of a run that never came to a sandbox: it failed, or a
// signal ended the helper that had its image come.
func unstarted(err error) *snug.Result {
	result := &snug.Result{Reached: "profile", Cause: snug.CauseSetup, ExitCode: -1, Notes: []string{}}
	var ended *endedError
	if errors.As(err, &ended) && ended.code > 128 {
		result.Cause, result.Signal = snug.CauseCancel, syscall.Signal(ended.code-128)
	}
	return result
}

// tell says what happened on standard error.
func (v *runVerb) tell(std streams, result *snug.Result, err error) {
	if v.json {
		json.NewEncoder(std.err).Encode(content(result, err))
		return
	}
	if !v.quiet {
		for _, note := range result.Notes {
			fmt.Fprintf(std.err, "snug: note: %s\n", problem.Printable(note))
		}
	}
	tellDenials(std.err, result.Denials)
	if v.reports && result.Network != nil && result.Network.Profile != "" {
		fmt.Fprintf(std.err, "snug: what it reached and what was refused, for a profile:\n%s", problem.Printable(result.Network.Profile))
	}
	if err != nil {
		problem.Print(std.err, err)
	}
	for _, limit := range v.reached {
		problem.Print(std.err, limit)
	}
	if v.stats && result.Reached == "run" {
		writeStats(std.err, result)
	}
}

// run runs the command. The result is nil when it never came to a sandbox.
func (v *runVerb) run(std streams) (*snug.Result, error) {
	s, err := v.load()
	if err != nil {
		return nil, err
	}
	v.record.Options, v.record.Sources = v.given(), s.files()
	defer func() {
		if v.image != nil {
			v.image.Close()
		}
	}()
	if err := v.provide(s, std); err != nil {
		return nil, s.blame(err)
	}
	if users, groups, usual := s.Spec.Maps(v.image, os.Geteuid(), os.Getegid()); usual {
		child.Identify(users, groups)
	}
	if l, err := v.runs(s); l != nil || err != nil {
		return v.join(l, s, std, err)
	}
	defer func() { v.lock.Release() }()
	name, err := v.runName(s.Spec)
	if err == nil && v.named {
		err = v.reserve(name, std)
	}
	if err != nil {
		return nil, err
	}
	session, err := v.open(s, std)
	if err != nil {
		return nil, s.blame(err)
	}
	defer session.close()
	files, err := descriptors(&s.Spec)
	if err != nil {
		return nil, err
	}
	s.Spec.Limits.Count = v.stats || v.json
	cmd := &snug.Cmd{Spec: s.Spec, Image: v.image, Stdin: std.in, Stdout: std.out, Stderr: std.err, Files: files}
	cmd.Delegate = func() error { return moveToScope(scopeName(s.Spec), "") }
	if name := s.Spec.Network.Join; name != "" {
		l, err := findLive(name)
		if err == nil {
			err = cmd.JoinNetwork(l.instance)
		}
		if err != nil {
			return nil, s.blame(joinProblem(err))
		}
	}
	if !v.quiet && !v.json {
		cmd.Refused = func(c network.Contact) { tellRefused(std.err, c) }
	}
	var unfit error
	cmd.Planned = func() error {
		if unfit = v.settled(std); unfit == nil {
			unfit = v.reserve(name, std)
		}
		return unfit
	}
	v.publishes(cmd, std)
	session.follow(cmd)
	result, err := v.start(s, cmd, std)
	if unfit != nil {
		return nil, s.blame(unfit)
	}
	if result != nil && result.Reached == "compile" {
		// The plan may have been made of what is damaged.
		if damaged := v.settled(std); damaged != nil {
			return nil, s.blame(damaged)
		}
	}
	if result != nil {
		result.Notes = append(append([]string{}, v.notes...), result.Notes...)
		v.reached = reached(s.Spec, result)
		if result.Cause == snug.CauseNetwork {
			v.reached = append(v.reached, &problem.Problem{What: "network.required", Why: "the network's helper ended, and the run with it", Fix: "look for the out-of-memory killer in the kernel's log, and run it again"})
		}
		if result.Signal == unix.SIGSYS && !s.Spec.Security.Seccomp.Off() {
			v.reached = append(v.reached, endedByFilter)
		}
		if note := held(s.Spec, result); note != "" {
			result.Notes = append(result.Notes, note)
		}
	}
	return result, s.blame(err)
}

// joinProblem puts the key in front of what is wrong with the sandbox to join.
func joinProblem(err error) error {
	var p *problem.Problem
	if errors.As(err, &p) && p.What != "network.join" {
		return &problem.Problem{What: "network.join", Why: p.What + ": " + p.Why, Fix: p.Fix, Err: p.Err}
	}
	return err
}

// tellRefused says whom the sandbox was refused, as it happens.
func tellRefused(w *os.File, c network.Contact) {
	by := ""
	if c.Program != "" {
		by = " by " + c.Program
	}
	end := "\n"
	if isTerminal(w) {
		end = "\r\n" // it may be raw, for a terminal of the sandbox's own
	}
	fmt.Fprintf(w, "snug: refused: %s%s: %s%s", oneLine(c.String()), oneLine(by), c.Why, end)
}

// descriptors returns the caller's files that the Spec asks to pass on.
func descriptors(s *spec.Spec) (map[int]*os.File, error) {
	files := map[int]*os.File{}
	for _, fd := range s.Command.FDs {
		// What the caller left open survived execve, so it cannot be
		// close-on-exec: those that are belong to this program's runtime.
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			return nil, &problem.Problem{
				What: fmt.Sprintf("--fd %d", fd), Why: "this descriptor is not open",
				Fix: fmt.Sprintf("%d<FILE or %d>FILE at the end of the command line", fd, fd), Err: err,
			}
		}
		files[fd] = os.NewFile(uintptr(fd), fmt.Sprintf("/dev/fd/%d", fd))
	}
	return files, nil
}
