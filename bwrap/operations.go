package bwrap

import (
	"slices"
	"strings"
)

// operation queues a step of building the file system.
func (p *parser) operation(name string, v []string) error {
	op := Operation{Option: name, Dest: v[len(v)-1]}
	var base string
	base, op.Try = strings.CutSuffix(name, "-try")
	if err := op.read(base, v); err != nil {
		return err
	}
	if err := p.modify(&op); err != nil {
		return err
	}
	if err := notEmpty(name, v...); err != nil {
		return err
	}
	if err := notEmpty("--overlay-src", op.Layers...); err != nil {
		return err
	}
	if !strings.HasPrefix(op.Dest, "/") {
		op.Dest = "/" + op.Dest // of the new root
	}
	p.request.Operations = append(p.request.Operations, op)
	return nil
}

// read takes the option's values but for the destination.
func (op *Operation) read(name string, v []string) (err error) {
	op.Kind = kindOf(name)
	switch op.Kind {
	case Bind, ROBind, DevBind, Symlink:
		op.Source = v[0]
	case BindFD, ROBindFD, File, BindData, ROBindData:
		op.FD, err = natural(v[0], "fd")
	case Overlay:
		op.Source, op.Work = v[0], v[1]
	case Chmod:
		op.Perms, err = octal(name, v[0])
	}
	return err
}

func kindOf(name string) Kind {
	switch name {
	case "--bind":
		return Bind
	case "--ro-bind":
		return ROBind
	case "--dev-bind":
		return DevBind
	case "--bind-fd":
		return BindFD
	case "--ro-bind-fd":
		return ROBindFD
	case "--remount-ro":
		return RemountRO
	case "--overlay":
		return Overlay
	case "--tmp-overlay":
		return TmpOverlay
	case "--ro-overlay":
		return ROOverlay
	case "--proc":
		return Proc
	case "--dev":
		return Dev
	case "--tmpfs":
		return Tmpfs
	case "--mqueue":
		return Mqueue
	case "--dir":
		return Dir
	case "--file":
		return File
	case "--bind-data":
		return BindData
	case "--ro-bind-data":
		return ROBindData
	case "--symlink":
		return Symlink
	}
	return Chmod
}

// modify gives op what the modifiers before it say.
func (p *parser) modify(op *Operation) error {
	switch op.Kind {
	case Tmpfs:
		op.Perms, op.Size, p.perms, p.size = p.perms, p.size, nil, 0
	case Dir, File, BindData, ROBindData:
		op.Perms, p.perms = p.perms, nil
	case Overlay, TmpOverlay, ROOverlay:
		return p.overlay(op)
	}
	return nil
}

func (p *parser) overlay(op *Operation) error {
	switch {
	case op.Kind == ROOverlay && len(p.layers) < 2:
		return message("--ro-overlay requires at least two --overlay-src")
	case len(p.layers) == 0:
		return message(op.Option + " requires at least one --overlay-src")
	}
	op.Layers, p.layers = p.layers, nil
	return nil
}

// notEmpty refuses an option with a path that is empty, which would be the root.
// No value of such an option may be: what is not a path is a number.
func notEmpty(name string, values ...string) error {
	if slices.Contains(values, "") {
		return message(name + " does not take an empty path argument")
	}
	return nil
}

const overlaySrcUnused = "--overlay-src must be followed by another --overlay-src or one of --overlay, --tmp-overlay, or --ro-overlay"

// unused reports a modifier that the option after it does not take. At the end
// of the command line, where there is none, bubblewrap lets all but
// --overlay-src pass.
func (p *parser) unused(name string) error {
	modifier := name == "--perms" || name == "--size"
	switch {
	case p.perms != nil && !modifier:
		return message("--perms must be followed by an option that creates a file")
	case p.size != 0 && !modifier:
		return message("--size must be followed by --tmpfs")
	case len(p.layers) > 0 && name != "--overlay-src":
		return message(overlaySrcUnused)
	}
	return nil
}
