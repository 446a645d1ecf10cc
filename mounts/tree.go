package mounts

import (
	"path"
	"strings"
	"syscall"

	"github.com/snug-sandbox/snug/internal/program"
)

// node is a file of the new root that the plan itself makes, so that what a
// target's path leads to is known before anything runs. Inside a mount that is
// not the plan's own only the kernel knows.
type node struct {
	children map[string]*node
	link     string // text of a symbolic link
	file     bool
	mount    *mounted
	maybe    bool // an optional entry made it, or it is not there
}

// mounted is the mount whose root a node is.
type mounted struct {
	own     bool        // a file system of the plan's own: all of its content is known
	creates bool        // not known, but directories may be made in it: an overlay
	at      string      // where it is, absolute
	dir     program.Reg // a descriptor above it, with nothing unknown in between
	dirAt   string      // where that descriptor is
}

// relative is p, which is in m, as seen from m.dir.
func (m *mounted) relative(p string) string {
	return relative(strings.TrimPrefix(p, m.dirAt))
}

// place is where a target leads to.
type place struct {
	path    string   // without symbolic links as far as known, absolute
	missing []string // names below path that have to be made first; empty when it exists
	in      *mounted // the mount that holds it
	at      *node    // the node of path
	unknown bool     // only the kernel can tell what path leads to
}

// isFile is the error of a path that leads through a file.
type isFile string

func (f isFile) Error() string { return string(f) + " is a file" }

func (isFile) Unwrap() error { return syscall.ENOTDIR }

func newTree(root *mounted) *node { return &node{mount: root} }

// find walks target through what is known. It follows the plan's own symbolic
// links inside the new root, as the kernel would.
func (root *node) find(target string) (place, error) {
	names := split(target)
	cur, in := root, root.mount
	at := "/"
	maybe := false
	for links := 0; len(names) > 0; {
		name := names[0]
		if name == ".." {
			at = path.Dir(at)
			cur, in = root.known(at)
			names = names[1:]
			continue
		}
		child := cur.children[name]
		if child == nil && !in.own {
			break
		}
		if child == nil {
			return place{path: at, missing: names, in: in, at: cur}, nil
		}
		if child.maybe {
			maybe = true
			break
		}
		if child.link != "" {
			if links++; links > 40 {
				return place{}, syscall.ELOOP
			}
			names = append(split(child.link), names[1:]...)
			if strings.HasPrefix(child.link, "/") {
				cur, in, at = root, root.mount, "/"
			}
			continue
		}
		if child.file && len(names) > 1 {
			return place{}, isFile(path.Join(at, name))
		}
		at, cur, names = path.Join(at, name), child, names[1:]
		if child.mount != nil {
			in = child.mount
		}
	}
	for _, name := range names {
		at, cur = path.Join(at, name), cur.add(name)
	}
	return place{path: at, in: in, at: cur, unknown: maybe || !in.own && cur.mount == nil}, nil
}

// known returns the node at a path that find has walked, and its mount.
func (root *node) known(at string) (*node, *mounted) {
	cur, in := root, root.mount
	for _, name := range split(at) {
		child := cur.children[name]
		if child == nil {
			break
		}
		if cur = child; cur.mount != nil {
			in = cur.mount
		}
	}
	return cur, in
}

func (n *node) add(name string) *node {
	if n.children == nil {
		n.children = make(map[string]*node)
	}
	child := n.children[name]
	if child == nil {
		child = &node{}
		n.children[name] = child
	}
	return child
}

// cover makes m the mount at n: what was below is hidden.
func (n *node) cover(m *mounted) { n.mount, n.children, n.link, n.file = m, nil, "", false }

func split(p string) []string {
	var names []string
	for _, name := range strings.Split(p, "/") {
		if name != "" && name != "." {
			names = append(names, name)
		}
	}
	return names
}
