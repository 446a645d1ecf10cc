package images

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/snug-sandbox/snug/internal/problem"
)

// A layer is not forced to the disk when it is added: that would take longer than
// to unpack it. Until it is there for certain, the file fresh/ID names the boot
// in which it was written. In that boot the layer is what it was written as,
// whatever was killed; after another one, the machine may have lost power in
// between, and the layer has to be looked at before it is used.

// settleAfter is when the kernel has written a layer out by itself, mostly
// (dirty_expire_centisecs is 30 s), so that to wait for the rest is quick.
const settleAfter = time.Minute

// bootID names this boot (random(4)).
func bootID() string {
	text, _ := read("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text))
}

// markFresh is done at once: an empty file would have others take a layer for one
// that a loss of power has damaged.
func (s *Store) markFresh(id, boot string) error {
	return replaceFile(s.path("fresh"), s.path("fresh", id), []byte(boot+"\n"), func(*os.File) error { return nil })
}

// suspect reports whether a layer has to be looked at before it is used.
func (s *Store) suspect(id string) bool {
	boot, fresh := s.freshIn(id)
	return fresh && boot != bootID()
}

// freshIn returns the boot that a layer was written in, if it may not be on the
// disk. A file that is empty lost what it held with the power.
func (s *Store) freshIn(id string) (boot string, fresh bool) {
	text, err := read(s.path("fresh", id))
	return strings.TrimSpace(string(text)), err == nil
}

// settle has layers that were added a while ago be on the disk.
func (s *Store) settle() {
	entries, _ := os.ReadDir(s.path("fresh"))
	boot := bootID()
	var old []string
	for _, e := range entries {
		info, err := e.Info()
		if in, _ := s.freshIn(e.Name()); err == nil && in == boot && time.Since(info.ModTime()) > settleAfter {
			old = append(old, s.path("fresh", e.Name()))
		}
	}
	if len(old) == 0 || s.sync() != nil {
		return
	}
	for _, name := range old {
		os.Remove(name)
	}
}

func (s *Store) sync() error {
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(syncFilesystem(d), d.Close())
}

// Checked says that a layer's files are as its digest has it.
func (s *Store) Checked(key string) error {
	id, err := layerID(key)
	if err != nil {
		return err
	}
	if !s.suspect(id) {
		return nil
	}
	err = os.Remove(s.path("fresh", id))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}

// Damaged says that a layer's files are not as its digest has it. It is not used
// any more, and replaced when it comes again.
func (s *Store) Damaged(key string) error {
	id, err := layerID(key)
	if err != nil {
		return err
	}
	return s.markFresh(id, "damaged")
}

// ErrUnchecked is the cause of an error about an image that was added shortly
// before the machine was started anew.
var ErrUnchecked = errors.New("a layer is not checked")

// Settled reports whether all layers are for certain what they were when they
// were added, as far as it is about a loss of power.
func (i *Image) Settled() error {
	entries, _ := os.ReadDir(i.store.path("fresh"))
	if len(entries) == 0 {
		return nil
	}
	for _, key := range slices.Concat(i.Keys(Single), i.Keys(Range)) {
		id, err := layerID(key)
		if err != nil {
			return err
		}
		if i.store.suspect(id) {
			return &problem.Problem{What: "image " + i.Ref, Why: "it is damaged, or was added before this machine was started anew and may not be complete", Fix: "snug image verify " + i.Ref + "; if that finds something, get the image again", Err: ErrUnchecked}
		}
	}
	return nil
}
