package snug

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/userns"
)

// Before Linux 6.6 tmpfs had no attributes of users, which overlayfs needs to
// hide a directory that lies below: in memory it cannot remove one then. What is
// thrown away at the end goes to the disk instead, into the store of images,
// which holds it as what is being added: nobody removes it meanwhile, and who
// comes after a kill does.

// onDisk is the directory that holds what a sandbox wrote, until its end.
type onDisk struct {
	place *images.Adding
	root  bool // files may belong to ids that the caller has in a user namespace only
	once  sync.Once
}

// DiscardNote says why what is thrown away at the end is on the disk, and where;
// it is empty where it is in memory.
func DiscardNote(r mounts.Rootfs) string {
	store := discardStore(r)
	if store == nil {
		return ""
	}
	return "overlayfs in memory cannot remove directories on this kernel (tmpfs has no user attributes before Linux 6.6): what is written goes to " + filepath.Join(store.Dir(), "tmp") + ", and is removed at the end"
}

// memoryHasAttributes is a variable for tests.
var memoryHasAttributes = host.ProbeMemoryAttributes

// discardStore is the store that what is thrown away goes to; nil: memory will do.
func discardStore(r mounts.Rootfs) *images.Store {
	if !r.HasTree() || r.Overlay != mounts.OverlayDiscard || r.Upper != "" || r.Driver != mounts.DriverAuto && r.Driver != mounts.DriverKernel {
		return nil
	}
	if memoryHasAttributes() == nil {
		return nil
	}
	store, err := images.Open("")
	if err != nil || r.Path != "" && within(store.Dir(), r.Path) {
		return nil
	}
	return store
}

// within reports whether a path lies in a directory: overlayfs takes no upper
// directory in its lower one.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// useDisk has what is thrown away at the end be on the disk where it has to be.
func (c *Cmd) useDisk() error {
	if c.enter != nil {
		return nil
	}
	r := &c.Spec.Rootfs
	store := discardStore(*r)
	if store == nil {
		return nil
	}
	place, err := store.Begin()
	if err != nil {
		return err
	}
	c.parents = append(c.parents, &onDisk{place: place, root: c.Spec.Identity.Map == userns.MapRange})
	r.Overlay, r.Temporary = mounts.OverlayKeep, true
	r.Upper, r.Work = filepath.Join(place.Dir(), "upper"), filepath.Join(place.Dir(), "work")
	return errors.Join(os.Mkdir(r.Upper, 0o755), os.Mkdir(r.Work, 0o755))
}

// Close removes the directory.
func (d *onDisk) Close() (err error) {
	d.once.Do(func() {
		if d.root && images.RemoveTree(d.place.Dir()) != nil {
			err = removeAsRoot(d.place.Dir())
		}
		err = errors.Join(err, d.place.Close())
	})
	return err
}

// removeAsRoot removes a directory as root of the caller's range of ids.
func removeAsRoot(dir string) error {
	s := Spec{Name: "remove", OrderedMounts: true, Identity: userns.Config{Map: userns.MapRange}}
	s.Mounts = []mounts.Mount{
		{Type: mounts.DevBind, Source: "/", Target: "/"},
		{Type: mounts.Bind, Source: filepath.Dir(dir), Target: filepath.Dir(dir), Writable: true},
	}
	s.Security.Capabilities = []string{"CAP_DAC_OVERRIDE", "CAP_FOWNER"}
	return Command(s, "rm", "-rf", "--", dir).Run()
}
