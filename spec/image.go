package spec

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/userns"
)

// Image is the image that a Spec's root is made of. It, and what is kept on top
// of it, stays for this sandbox until it is closed.
type Image struct {
	*images.Image
	kept *images.Kept
}

// Close lets go of the image. It may be nil.
func (i *Image) Close() error {
	if i == nil {
		return nil
	}
	if i.kept != nil {
		i.kept.Close()
	}
	return i.Image.Close()
}

// UseImage looks up the image of s.Rootfs in a store, and fills in what s leaves
// to it: its layers, the command, the environment, the working directory, the
// user. What s says itself is left. Without an image nothing happens.
func (s Spec) UseImage(store *images.Store, caller []string) (Spec, *Image, error) {
	if s.Rootfs.Image == "" || s.Rootfs.Layers != nil {
		return s, nil, nil
	}
	if err := s.Validate(); err != nil {
		return s, nil, err
	}
	image, err := store.Use(s.Rootfs.Image)
	if err != nil {
		return s, nil, err
	}
	if err := image.Settled(); err != nil {
		image.Close()
		return s, nil, err
	}
	return s.OnImage(store, image, caller)
}

// OnImage is UseImage with the image of s.Rootfs, which is settled. It belongs to
// what is returned, and is closed where that is an error.
func (s Spec) OnImage(store *images.Store, image *images.Image, caller []string) (Spec, *Image, error) {
	used := &Image{Image: image}
	if err := s.onImage(store, used, caller); err != nil {
		used.Close()
		return s, nil, err
	}
	return s, used, nil
}

func (s *Spec) onImage(store *images.Store, i *Image, caller []string) error {
	ids := ChooseIDs(s.Identity.Map, i.Image)
	if s.Rootfs.Name != "" {
		if err := s.keep(store, i, &ids); err != nil {
			return err
		}
	}
	if !i.Has(ids) {
		return &problem.Problem{What: "image " + i.Ref, Why: "its layers are not unpacked for the ids " + string(ids), Fix: "snug image convert --ids " + string(ids) + " " + i.Ref}
	}
	var err error
	if s.Rootfs.Layers, err = i.Layers(ids); err != nil {
		return err
	}
	if s.Rootfs.Overlay == mounts.OverlayNone {
		s.Rootfs.Overlay = mounts.OverlayDiscard
	}
	if s.Identity.Map == "" {
		// Nobody said who the command is: as the image has it.
		s.Identity.Map = map[images.IDs]string{images.Single: userns.MapRoot, images.Range: userns.MapRange}[ids]
	}
	if s.Rootfs.Overlay == mounts.OverlayDiscard {
		if perm, ok := host.LayerDirectory(s.Rootfs.Layers, "etc"); ok {
			s.Rootfs.Etc = (*units.FileMode)(&perm)
		}
	}
	c := i.Config.Config
	if err := s.user(c.User, i); err != nil {
		return err
	}
	if s.Security.Capabilities == nil && ids == images.Range && s.Identity.UID == nil {
		s.Security.Capabilities = slices.Clone(rootCapabilities)
	}
	s.command(c)
	s.Network.Exposed = exposed(c.ExposedPorts)
	if err := s.publish(i); err != nil {
		return err
	}
	s.Env = s.Env.WithDefaults(caller, c.Env)
	s.places(c)
	return nil
}

// rootCapabilities are what root of an image holds over the files and the ids of
// the image, so that its package manager works. None of them is about mounts,
// networks or the kernel.
var rootCapabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE",
	"CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

// ChooseIDs returns how the files of an image have to be owned for a map of
// ids; without a map, as the image is unpacked.
func ChooseIDs(idMap string, i *images.Image) images.IDs {
	if idMap == userns.MapRange || idMap == "" && i.Has(images.Range) {
		return images.Range
	}
	return images.Single
}

// keep has what is written stay under a name.
func (s *Spec) keep(store *images.Store, i *Image, ids *images.IDs) error {
	base := i.Image
	if s.Rootfs.Driver == mounts.DriverCopy {
		base = nil // it was copied before, or it is an overlay's
	}
	kept, err := store.Keep(s.Rootfs.Name, base, *ids)
	if err != nil {
		return err
	}
	i.kept = kept
	if kept.Base != i.Digest {
		return &problem.Problem{What: "rootfs.name", Why: "what is kept as " + kept.Name + " belongs to another image, " + kept.Base + " (" + kept.Ref + ")",
			Fix: "choose another name, or use that image: " + kept.Base}
	}
	if kept.IDs != *ids {
		if s.Identity.Map != "" {
			return &problem.Problem{What: "identity.map", Why: "what is kept as " + kept.Name + " has the ids " + string(kept.IDs), Fix: "leave out identity.map"}
		}
		*ids = kept.IDs
	}
	s.Rootfs.Overlay = mounts.OverlayKeep
	return s.useKept(kept)
}

// useKept has the root be what is kept, by what it was made with.
func (s *Spec) useKept(kept *images.Kept) error {
	r := &s.Rootfs
	made := mounts.DriverKernel
	switch {
	case kept.Tree() != "":
		made = mounts.DriverCopy
		r.Copy = kept.Tree()
	case kept.Fuse():
		made = mounts.DriverFuse
	}
	if r.Driver == mounts.DriverAuto && made != mounts.DriverKernel {
		r.Driver = made
	}
	if r.Driver != mounts.DriverAuto && r.Driver != made && !(r.Driver == mounts.DriverFuse && made == mounts.DriverKernel) {
		return &problem.Problem{What: "rootfs.driver", Why: "what is kept as " + kept.Name + " was made with \"" + made + "\"", Fix: "leave out rootfs.driver, or choose another name"}
	}
	if r.Driver == mounts.DriverCopy {
		return nil
	}
	r.Upper, r.Work = kept.Upper(), kept.Work()
	if r.Driver == mounts.DriverFuse {
		return kept.SetFuse()
	}
	return nil
}

// KeptByFuse says that fuse-overlayfs writes to what is kept on top of the image.
// It may be nil.
func (i *Image) KeptByFuse() error {
	if i == nil || i.kept == nil {
		return nil
	}
	return i.kept.SetFuse()
}

// command is the image's, where s has none: its Cmd are the arguments of its
// Entrypoint, and belong to no other.
func (s *Spec) command(c images.Process) {
	if s.Command.Entrypoint == nil {
		s.Command.Entrypoint = c.Entrypoint
		if len(s.Command.Args) == 0 {
			s.Command.Args = c.Cmd
		}
	}
	s.Command.Args, s.Command.Entrypoint = s.Command.Words(), nil
	if s.Command.StopSignal == "" {
		s.Command.StopSignal = c.StopSignal
		if _, ok := s.Command.Stop(); !ok {
			s.Command.StopSignal = ""
		}
	}
}

// exposed are the ports of an image in the order of their numbers; "80" alone is
// one of TCP.
func exposed(ports map[string]struct{}) (list []string) {
	number := func(port string) int {
		word, _, _ := strings.Cut(port, "/")
		word, _, _ = strings.Cut(word, "-")
		n, _ := strconv.Atoi(word)
		return n
	}
	for port := range ports {
		if !strings.Contains(port, "/") {
			port += "/tcp"
		}
		list = append(list, port)
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(number(a), number(b)), cmp.Compare(a, b)) })
	return slices.Compact(list)
}

// publish publishes the ports of an image, where that is asked for, but for those
// that are published already.
func (s *Spec) publish(i *Image) error {
	if !s.Network.PublishAll {
		return nil
	}
	var there []network.Publication
	for _, text := range s.Network.Publish {
		if p, err := network.ParsePublication(text); err == nil {
			there = append(there, p)
		}
	}
	list := slices.Clone(s.Network.Publish)
	for _, port := range s.Network.Exposed {
		p, err := network.ParsePublication(port)
		if err != nil {
			return &problem.Problem{What: "network.publish_all", Why: "the image " + i.Ref + " listens on " + strconv.Quote(port) + ", which cannot be published", Fix: "leave it out, and name ports in network.publish", Err: err}
		}
		for n := int(p.Inside.First); n <= int(p.Inside.Last); n++ {
			has := func(o network.Publication) bool {
				return o.Protocol == p.Protocol && int(o.Inside.First) <= n && n <= int(o.Inside.Last)
			}
			if !slices.ContainsFunc(there, has) {
				list = append(list, "127.0.0.1:0:"+strconv.Itoa(n)+"/"+p.Protocol)
			}
		}
	}
	s.Network.Publish = list
	return nil
}

// places makes the working directory and the volumes of an image, which need
// not be in a layer. A volume can be written to even where the root cannot.
func (s *Spec) places(c images.Process) {
	add := func(m mounts.Mount) {
		taken := slices.ContainsFunc(s.Mounts, func(other mounts.Mount) bool { return other.Target != "" && path.Clean(other.Target) == m.Target })
		if m.Target != "/" && !taken {
			s.Mounts = append(s.Mounts[:len(s.Mounts):len(s.Mounts)], m)
		}
	}
	for _, volume := range slices.Sorted(maps.Keys(c.Volumes)) {
		m := mounts.Mount{Type: mounts.Dir, Target: path.Clean("/" + volume)}
		if s.Rootfs.Overlay == mounts.OverlayReadonly {
			m.Type = mounts.Tmpfs
		}
		add(m)
	}
	if c.WorkingDir != "" && s.Command.Workdir == "" {
		s.Command.Workdir = path.Clean("/" + c.WorkingDir)
		add(mounts.Mount{Type: mounts.Dir, Target: s.Command.Workdir})
	}
}

// user sets who the command is: "name", "uid", and either with ":group" after
// it, by the image's own tables. Who is himself inside stays so.
func (s *Spec) user(text string, i *Image) error {
	if s.Identity.Map == userns.MapSelf {
		return nil
	}
	passwd, err := host.LayerFile(s.Rootfs.Layers, "etc/passwd")
	if err != nil {
		return err
	}
	name, group, hasGroup := strings.Cut(text, ":")
	if name == "" {
		name = "0"
	}
	if s.Identity.UID != nil {
		name = strconv.Itoa(*s.Identity.UID)
	}
	account := find(passwd, name, 7)
	if account == nil {
		if _, err := strconv.Atoi(name); err != nil {
			return noSuch("user", name, i)
		}
		account = []string{"", "", name, "0", "", "", ""}
	}
	groups, err := host.LayerFile(s.Rootfs.Layers, "etc/group")
	if err != nil {
		return err
	}
	gid, further := account[3], []int{}
	if hasGroup {
		gid = group
		if line := find(groups, group, 3); line != nil {
			gid = line[2]
		} else if _, err := strconv.Atoi(group); err != nil {
			return noSuch("group", group, i)
		}
	} else if s.Identity.GID == nil {
		further = memberOf(groups, account[0])
	}
	if s.Identity.Map == userns.MapRange {
		s.Identity.Groups = append(further, s.Identity.Groups...)
	}
	return s.become(account, gid, i)
}

// memberOf returns the groups of a table that list a user (group(5)). Who names a
// group beside the user gets no other, as with other programs that run images.
func memberOf(groups, user string) []int {
	list := []int{}
	for line := range strings.Lines(groups) {
		f := strings.Split(strings.TrimRight(line, "\n"), ":")
		if len(f) < 4 || user == "" || !slices.Contains(strings.Split(f[3], ","), user) {
			continue
		}
		if id, err := strconv.ParseUint(f[2], 10, 32); err == nil {
			list = append(list, int(id))
		}
	}
	return list
}

func noSuch(kind, name string, i *Image) error {
	return &problem.Problem{What: "image " + i.Ref, Why: "it wants to run as the " + kind + " " + strconv.Quote(name) + ", which it does not have", Fix: "say who with --uid and --gid"}
}

// become fills in a line of passwd(5) where s leaves it open.
func (s *Spec) become(account []string, gid string, i *Image) error {
	u, err := strconv.ParseUint(account[2], 10, 32)
	if err != nil {
		return noSuch("user", account[2], i)
	}
	g, err := strconv.ParseUint(gid, 10, 32)
	if err != nil {
		return noSuch("group", gid, i)
	}
	id := &s.Identity
	for _, field := range []struct {
		to   **int
		from uint64
	}{{&id.UID, u}, {&id.GID, g}} {
		if n := int(field.from); *field.to == nil && n != 0 {
			*field.to = &n
		}
	}
	for _, field := range []struct {
		to   *string
		from string
	}{{&id.User, account[0]}, {&id.Home, account[5]}, {&id.Shell, account[6]}} {
		if *field.to == "" {
			*field.to = field.from
		}
	}
	if id.Home != "" && id.Home[0] != '/' || id.Home == "" {
		id.Home = "/"
	}
	if id.User == "" {
		id.User = account[2]
	}
	return nil
}

// find returns the fields of the line whose first or third field is word.
func find(table, word string, fields int) []string {
	var byID []string
	for line := range strings.Lines(table) {
		f := strings.Split(strings.TrimRight(line, "\n"), ":")
		switch {
		case len(f) < fields:
		case f[0] == word:
			return f
		case f[2] == word && byID == nil:
			byID = f
		}
	}
	return byID
}
