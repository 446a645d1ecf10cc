package main

import (
	"path/filepath"
	"strings"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
)

// bind returns what adds a mount of a host's path.
func bind(m mounts.Mount) func(*changing, string) error {
	return func(c *changing, v string) error {
		words, err := splitPair(v)
		if err != nil {
			return err
		}
		m := m
		if m.Source, err = hostPath(words[0], c.home); err != nil {
			return err
		}
		m.Target = m.Source
		if len(words) == 2 {
			if m.Target, err = c.insidePath(words[1]); err != nil {
				return asMode(err, words)
			}
		}
		c.Mounts = append(c.Mounts, m)
		return nil
	}
}

// asMode adds what was meant to an error about the target of a bind: docker's
// modes.
func asMode(err error, words []string) error {
	bad, ok := err.(*valueError)
	if ok && (words[1] == "ro" || words[1] == "rw") {
		bad.fix = map[string]string{"ro": "--ro-bind ", "rw": "--bind "}[words[1]] + shellWord(words[0])
	}
	return err
}

// tmpfs adds a private file system: DST, or DST:size=64MiB,mode=0700.
func tmpfs(c *changing, v string) error {
	words, err := splitPair(v)
	if err != nil {
		return err
	}
	m := mounts.Mount{Type: mounts.Tmpfs}
	if m.Target, err = c.insidePath(words[0]); err != nil {
		return err
	}
	if len(words) == 2 {
		if err := tmpfsOptions(&m, words[1]); err != nil {
			return err
		}
	}
	c.Mounts = append(c.Mounts, m)
	return nil
}

func tmpfsOptions(m *mounts.Mount, list string) (err error) {
	for _, word := range strings.Split(list, ",") {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "size":
			if m.Size, err = units.ParseBytes(value); err == nil && m.Size == 0 {
				err = badValueTry("--tmpfs DST, for the kernel's own limit: half of the memory", "a file system of %q bytes has no room", value)
			}
		case "mode":
			var mode units.FileMode
			mode, err = units.ParseFileMode(value)
			m.Mode = &mode
		default:
			err = badValueTry("--tmpfs DST:size=64MiB,mode=0700", "%q is neither size= nor mode=", word)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func mask(c *changing, v string) error {
	target, err := c.insidePath(unescape(v))
	if err != nil {
		return err
	}
	c.Mounts = append(c.Mounts, mounts.Mount{Type: mounts.Mask, Target: target})
	return nil
}

func symlink(c *changing, v string) error {
	words, err := splitPair(v)
	if err != nil {
		return err
	}
	if len(words) != 2 || words[0] == "" {
		return badValueTry("--symlink usr/bin:/bin", "%q is not TEXT:DST", v)
	}
	target, err := c.insidePath(words[1])
	if err != nil {
		return err
	}
	c.Mounts = append(c.Mounts, mounts.Mount{Type: mounts.Symlink, Source: words[0], Target: target})
	return nil
}

// rootfs puts a directory in the place of the profile's root.
func rootfs(c *changing, v string) error {
	dir, err := hostPath(v, c.home)
	if err != nil {
		return err
	}
	r := &c.Rootfs
	r.Path, r.Base, r.Image, r.Name = dir, "", "", ""
	// An unpacked image rarely has the home and the current directory that a
	// profile mounts, and nothing may be created in it. The host's own root has
	// them, and other file systems below it, which an overlay would not show.
	if r.Overlay == mounts.OverlayNone && !c.layered && !r.Writable && dir != "/" {
		r.Overlay = mounts.OverlayReadonly
	}
	return nil
}

// useImage puts an image in the place of the profile's root.
func useImage(c *changing, v string) error {
	r := &c.Rootfs
	r.Image, r.Base, r.Path, r.Writable = v, "", "", false
	if _, err := images.Normal(v); err != nil && !strings.HasPrefix(v, "sha256:") {
		return badValueTry("--image debian:12", "%q is not the name of an image", v)
	}
	return nil
}

// overlay says what becomes of writes to the root.
func overlay(c *changing, v string) {
	c.layered = true
	c.Rootfs.Overlay = v
	if v == "none" {
		c.Rootfs.Overlay = mounts.OverlayNone
	}
}

func workdir(c *changing, v string) error {
	dir, err := c.insidePath(v)
	if bad, ok := err.(*valueError); ok && v != "" {
		if abs, absErr := filepath.Abs(v); absErr == nil {
			bad.fix = "--workdir " + shellWord(abs) + ", if you mean this directory"
		}
	}
	c.Command.Workdir = dir
	return err
}

// hostPath returns a path of the host as an absolute one; relative paths start
// at the current directory, "~" is the caller's home.
func hostPath(path, home string) (string, error) {
	switch {
	case path == "":
		return "", badValue("the host's path is empty")
	case path == "~" || strings.HasPrefix(path, "~/"):
		if home == "" {
			return "", badValue("%q needs $HOME, which is not set", path)
		}
		path = home + path[1:]
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", badValue("%q is relative and the current directory is gone: %v", path, err)
	}
	return abs, nil
}

// insidePath returns a path inside the sandbox, cleaned. It has to be absolute:
// inside, there is no current directory yet. A shell replaces a "~" at the
// beginning of a word only, and not that of SRC:~/DST.
func (c *changing) insidePath(path string) (string, error) {
	switch {
	case path == "":
		return "", badValue("the path inside is empty")
	case c.home != "" && (path == "~" || strings.HasPrefix(path, "~/")):
		return filepath.Clean(c.home + path[1:]), nil
	case path[0] != '/':
		return "", badValue("the path inside, %q, does not begin with /", path)
	}
	return filepath.Clean(path), nil
}

// splitPair splits at the colon that is not escaped. There may be one or none.
func splitPair(v string) ([]string, error) {
	var words []string
	start := 0
	for i := 0; i < len(v); i++ {
		switch {
		case v[i] == '\\' && i+1 < len(v):
			i++
		case v[i] == ':':
			words = append(words, unescape(v[start:i]))
			start = i + 1
		}
	}
	words = append(words, unescape(v[start:]))
	if len(words) > 2 {
		return nil, badValueTry(tooManyColons(words), "%q has more than one colon", v)
	}
	return words, nil
}

// tooManyColons guesses what was meant: docker's modes, or a colon in a name.
func tooManyColons(words []string) string {
	pair := words[0] + ":" + words[1]
	switch words[2] {
	case "ro":
		return "--ro-bind " + pair
	case "rw":
		return "--bind " + pair
	}
	return `\: for a colon that belongs to a path`
}

// unescape replaces \: and \\ by what they stand for. Other backslashes are
// part of the name.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && (s[i+1] == ':' || s[i+1] == '\\') {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
