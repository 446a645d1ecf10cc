package snug_test

import (
	"bytes"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/program"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/userns"
)

const allNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// newest is a host where mounts are made on what is not attached yet.
func newest(f *host.Facts) { f.Kernel = host.Version{Major: 6, Minor: 15} }

// openings are the programs that the child may begin with while a Spec is compiled.
func openings(t *testing.T, s snug.Spec, f host.Facts, identified bool) (list []*program.Program) {
	t.Helper()
	io := snug.Streams{Handshake: true, Enterable: true, Opened: allNamespaces, Identified: identified, Begin: func(p *program.Program, _ uint64) {
		list = append(list, &program.Program{Steps: slices.Clone(p.Steps), Data: bytes.Clone(p.Data), Relocs: slices.Clone(p.Relocs)})
	}}
	if _, err := snug.Compile(s, f, io); err != nil {
		t.Fatal(err)
	}
	return list
}

// A child that has begun in the usual way is given up where its program begins in
// another: that costs a third of a start.
func TestWhatIsToldOfIDsHolds(t *testing.T) {
	f := fakeHost(newest)
	seven := 7
	layers := mounts.Rootfs{Image: "some", Layers: []string{"/layer"}, Overlay: mounts.OverlayDiscard}
	single := &images.Image{}
	named := &images.Image{}
	named.Config.Config.User = "node"
	apart := []string{"process 1", "shared processes", "a shared network"} // no child is made ahead for these
	for name, c := range map[string]struct {
		change func(*snug.Spec)
		image  *images.Image
		usual  bool
	}{
		"default":   {func(*snug.Spec) {}, nil, true},
		"root":      {func(s *snug.Spec) { s.Identity.Map = userns.MapRoot }, nil, true},
		"other ids": {func(s *snug.Spec) { s.Identity.UID, s.Identity.GID = &seven, &seven }, nil, true},
		"a root":    {func(s *snug.Spec) { s.Rootfs = mounts.Rootfs{Path: "/tree"} }, nil, true},
		"the host":  {func(s *snug.Spec) { s.Rootfs = mounts.Rootfs{Base: mounts.BaseHost} }, nil, true},
		"the whole host": {func(s *snug.Spec) {
			s.Mounts = append(s.Mounts, mounts.Mount{Type: mounts.Bind, Source: "/", Target: "/host"})
		}, nil, true},
		"no /proc, no /dev": {func(s *snug.Spec) { s.Rootfs.Base = mounts.BaseEmpty }, nil, true},
		"more of /proc":     {func(s *snug.Spec) { s.Security.Unmask = []string{"ALL"} }, nil, true},
		"less of /proc":     {func(s *snug.Spec) { s.Security.HidePID = "invisible" }, nil, true},
		"a host's name":     {func(s *snug.Spec) { s.Namespaces.Hostname = "other" }, nil, false},
		"nested":            {func(s *snug.Spec) { s.Security.NestedUserns = true }, nil, false},
		"no filter":         {func(s *snug.Spec) { s.Security.Seccomp.Base = "none" }, nil, false},
		"capabilities":      {func(s *snug.Spec) { s.Security.Capabilities = []string{"CAP_SYS_ADMIN"} }, nil, false},
		"process 1":         {func(s *snug.Spec) { s.Command.PID1 = true }, nil, false},
		"killed last":       {func(s *snug.Spec) { s.Command.OOMScoreAdj = &seven }, nil, false},
		"shared processes":  {func(s *snug.Spec) { s.Namespaces.PID = namespaces.Share }, nil, false},
		"a shared network":  {func(s *snug.Spec) { s.Network.Mode = network.Host }, nil, false},
		"a network":         {func(s *snug.Spec) { s.Network.Mode = network.Private }, nil, false},
		"an image":          {func(s *snug.Spec) { s.Rootfs = layers }, single, false}, // it is not unpacked
		"a user":            {func(s *snug.Spec) { s.Rootfs = layers }, named, false},
	} {
		s := goldenSpecs(t, f)["default"]
		c.change(&s)
		users, groups, usual := s.Maps(c.image, f.UID, f.GID)
		if usual != c.usual {
			t.Errorf("%s: usual %v", name, usual)
		}
		if c.image != nil {
			continue
		}
		list := openings(t, s, f, usual)
		if len(list) == 0 {
			t.Fatalf("%s does not begin", name)
		}
		last := list[len(list)-1]
		if all, before := child.OpensAs(last, users, groups); before == slices.Contains(apart, name) || usual && !all {
			t.Errorf("%s: begins as before there are ids %v, as when there are %v", name, before, all)
		}
		if all, _ := child.OpensAs(last, users, groups+"1"); all {
			t.Errorf("%s: with other ids it begins in the same way", name)
		}
	}
}

// A child that has begun goes on with nothing but what it began with.
func TestAnotherOpeningIsNone(t *testing.T) {
	f := fakeHost(newest)
	list := openings(t, goldenSpecs(t, f)["default"], f, true)
	users, groups := userns.Line(f.UID, f.UID), userns.Line(f.GID, f.GID)
	opens := func(p *program.Program) bool {
		all, _ := child.OpensAs(p, users, groups)
		return all
	}
	last := list[len(list)-1]
	step := func(change func(*program.Step)) *program.Program {
		p := &program.Program{Steps: slices.Clone(last.Steps), Data: last.Data, Relocs: last.Relocs}
		for i := range p.Steps {
			if p.Steps[i].Call.Name == "fsopen" {
				p.Steps[i].Args = slices.Clone(p.Steps[i].Args)
				change(&p.Steps[i])
				break
			}
		}
		return p
	}
	data := func(text string) *program.Program {
		p := &program.Program{Steps: last.Steps, Data: bytes.Clone(last.Data), Relocs: last.Relocs}
		p.Data[bytes.Index(p.Data, []byte(text))]++
		return p
	}
	for name, c := range map[string]struct {
		p     *program.Program
		opens bool
	}{
		"as it is":         {last, true},
		"another label":    {step(func(s *program.Step) { s.Label, s.From = "label", "from" }), true},
		"another call":     {step(func(s *program.Step) { s.Call.Nr++ }), false},
		"another argument": {step(func(s *program.Step) { s.Args[1].Value++ }), false},
		"another text":     {step(func(s *program.Step) { s.Args[0].Value++ }), false},
		"another register": {step(func(s *program.Step) { s.Out-- }), false},
		"another way":      {step(func(s *program.Step) { s.Then = len(last.Steps) - 1 }), false},
		"an errno is fine": {step(func(s *program.Step) { s.Accept[0] = 1 }), false},
		"a result kept":    {step(func(s *program.Step) { s.Store = 8 }), false},
		"other data":       {data("tmpfs\x00"), false},
		"other ids":        {data(users), false},
		"fewer steps":      {list[1], false},
		"a pointer":        {&program.Program{Steps: last.Steps, Data: last.Data, Relocs: []program.Reloc{{At: 8}}}, false},
	} {
		if got := opens(c.p); got != c.opens {
			t.Errorf("%s: %v", name, got)
		}
	}
}
