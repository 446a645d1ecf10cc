package main

import (
	"os"
	"os/exec"
	"path/filepath"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/spec"
)

// process is what exec.Cmd and snug.Cmd have in common.
type process interface {
	Start() error
	Wait() error
}

// contender makes a sandbox, ready to start, that runs program with stdin.
type contender func(stdin *os.File, program string) process

// command is `snug run` with a profile.
func (b *bench) command(profile string) contender {
	return func(stdin *os.File, program string) process {
		return external(stdin, filepath.Join(b.dir, "snug"), "run", "-p", profile, "--", program)
	}
}

// profile is the sandbox that all contenders build.
func (b *bench) profile() string { return filepath.Join(b.dir, "profile.toml") }

// library is the same sandbox as the profile, for callers of the Go package.
func (b *bench) library(stdin *os.File, program string) process {
	cmd := snug.Command(spec.Spec{
		Rootfs: mounts.Rootfs{Base: mounts.BaseHost},
		Mounts: []mounts.Mount{
			{Type: mounts.Tmpfs, Target: "/tmp"},
			{Type: mounts.Bind, Source: b.dir, Target: b.dir, Writable: true},
		},
	}, program)
	if stdin != nil {
		cmd.Stdin = stdin
	}
	return cmd
}

// bubblewrap is bwrap with the options for that sandbox, and more of them.
func (b *bench) bubblewrap(more ...string) contender { return b.options(b.bwrap, more...) }

// dropIn is Snug's program that takes bubblewrap's options, with the same.
func (b *bench) dropIn() contender { return b.options(filepath.Join(b.dir, "bwrap")) }

func (b *bench) options(bwrap string, more ...string) contender {
	return func(stdin *os.File, program string) process {
		args := []string{"--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev",
			"--tmpfs", "/tmp", "--bind", b.dir, b.dir}
		args = append(append(args, more...), program)
		return external(stdin, bwrap, args...)
	}
}

func external(stdin *os.File, name string, args ...string) process {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	if stdin != nil {
		cmd.Stdin = stdin
	}
	return cmd
}
