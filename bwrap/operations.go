package bwrap

import (
	"strconv"
	"strings"
)

// operation queues a step of building the file system.
func (p *parser) operation(name string, v []string) error {
	op := Operation{Option: name}
	base, try := strings.CutSuffix(name, "-try")
	op.Try = try
	if err := op.read(base, v); err != nil {
		return err
	}
	switch op.Kind {
	case Overlay, TmpOverlay:
		if len(p.layers) == 0 {
			return message(name + " requires at least one --overlay-src")
		}
	case ROOverlay:
		if len(p.layers) < 2 {
			return message("--ro-overlay requires at least two --overlay-src")
		}
	}
	if err := p.modify(&op); err != nil {
		return err
	}
	p.request.Operations = append(p.request.Operations, op)
	return nil
}

// read takes the option's values.
func (op *Operation) read(name string, v []string) (err error) {
	op.Dest = v[len(v)-1]
	switch name {
	case "--bind", "--ro-bind", "--dev-bind":
		op.Kind = map[string]Kind{"--bind": Bind, "--ro-bind": ROBind, "--dev-bind": DevBind}[name]
		op.Source = v[0]
	case "--bind-fd", "--ro-bind-fd", "--file", "--bind-data", "--ro-bind-data":
		op.Kind = map[string]Kind{"--bind-fd": BindFD, "--ro-bind-fd": ROBindFD, "--file": File, "--bind-data": BindData, "--ro-bind-data": ROBindData}[name]
		op.FD, err = descriptor(v[0])
	case "--symlink":
		op.Kind, op.Source = Symlink, v[0]
	case "--overlay":
		op.Kind, op.Source, op.Work = Overlay, v[0], v[1]
	case "--tmp-overlay":
		op.Kind = TmpOverlay
	case "--ro-overlay":
		op.Kind = ROOverlay
	case "--remount-ro":
		op.Kind = RemountRO
	case "--proc":
		op.Kind = Proc
	case "--dev":
		op.Kind = Dev
	case "--tmpfs":
		op.Kind = Tmpfs
	case "--mqueue":
		op.Kind = Mqueue
	case "--dir":
		op.Kind = Dir
	case "--chmod":
		perms, bad := strconv.ParseUint(trim(v[0]), 8, 32)
		if bad != nil || perms > 0o7777 {
			return message("--chmod takes an octal argument <= 07777")
		}
		n := int(perms)
		op.Kind, op.Perms = Chmod, &n
	}
	return err
}

// modify gives op what the modifiers before it say. One that does not belong to
// it is a mistake.
func (p *parser) modify(op *Operation) error {
	switch op.Kind {
	case Tmpfs, Dir, File, BindData, ROBindData:
		if p.perms != nil {
			op.Perms, p.perms = p.perms, nil
		}
	}
	switch op.Kind {
	case Tmpfs:
		op.Size, p.size = p.size, 0
	case Overlay, TmpOverlay, ROOverlay:
		op.Layers, p.layers = p.layers, nil
	}
	return p.unused(op.Option, false)
}

// unused reports a modifier that is followed by the wrong option.
func (p *parser) unused(name string, layer bool) error {
	switch {
	case p.perms != nil && name != "--size" && name != "--perms":
		return message("--perms must be followed by an option that creates a file")
	case p.size != 0 && name != "--perms" && name != "--size":
		return message("--size must be followed by --tmpfs")
	case len(p.layers) > 0 && !layer:
		return message("--overlay-src must be followed by another --overlay-src or one of --overlay, --tmp-overlay, or --ro-overlay")
	}
	return nil
}
