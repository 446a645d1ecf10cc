package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/process"
	"github.com/snug-sandbox/snug/spec"
	"github.com/snug-sandbox/snug/userns"
)

const imageHelper = "snug-image"

func (v *imageVerb) addSize(name, value string) error {
	n, err := units.ParseBytes(value)
	if err != nil {
		return badValueTry("--"+name+" 10GiB", "%v", err)
	}
	v.options = append(v.options, "--"+name+"="+strconv.FormatInt(int64(n), 10))
	return aboveZero(value, float64(n))
}

func aboveZero(text string, n float64) error {
	if n <= 0 {
		return badValue("%q is not more than 0", text)
	}
	return nil
}

// passNumber returns an option whose value is a number above zero.
func (v *imageVerb) passNumber(name, placeholder, help string) *kong.Flag {
	return option(name, placeholder, help, func(value string) error {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return badValue("%q is not a whole number", value)
		}
		v.options = append(v.options, "--"+name+"="+value)
		return aboveZero(value, float64(n))
	})
}

// addAge takes a span of time, also in days, which the ages of images have.
func (v *imageVerb) addAge(value string) error {
	text := value
	if days, ok := strings.CutSuffix(value, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil {
			text = strconv.FormatFloat(24*n, 'f', -1, 64) + "h"
		}
	}
	age, err := units.ParseDuration(text)
	if err != nil {
		return badValueTry("--older-than 720h", "%q is not a span of time such as 30d or 12h", value)
	}
	v.options = append(v.options, "--older-than="+age.String())
	return aboveZero(value, float64(age))
}

// look has the helper do what only reads small files.
func (v *imageVerb) look(std streams) error {
	store, err := openStore()
	if err != nil {
		return err
	}
	helper, err := ownProgram(imageHelper)
	if err != nil {
		return err
	}
	cmd := exec.Command(helper, v.line(store, images.Single)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = std.in, std.out, std.err
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &endedError{exit.ExitCode()}
	}
	return err
}

func openStore() (*images.Store, error) {
	store, err := images.Open("")
	if err != nil {
		return nil, err
	}
	return store, store.Create()
}

// line is the helper's command line without its name.
func (v *imageVerb) line(store *images.Store, ids images.IDs) []string {
	args := []string{v.word, "--store=" + store.Dir(), "--ids=" + string(ids)}
	args = append(args, v.options...)
	if v.quiet {
		args = append(args, "--quiet")
	}
	return append(append(args, "--"), v.args...)
}

// fill has the helper unpack layers, for the ids that were asked for.
func (v *imageVerb) fill(std streams) error {
	ids := images.IDs(v.ids)
	if ids == "" {
		ids = bestIDs()
	}
	return v.inSandbox(std, ids, nil)
}

// work has the helper do what needs all ids that there are.
func (v *imageVerb) work(std streams) error { return v.inSandbox(std, bestIDs(), nil) }

// bestIDs is range where the caller has one.
func bestIDs() images.IDs {
	s := spec.Spec{Identity: userns.Config{Map: userns.MapRange}}
	if facts, err := s.Facts(); err == nil && userns.MissingForRange(facts) == nil {
		return images.Range
	}
	return images.Single
}

// inSandbox runs the helper where it is root over the caller's ids and can write
// to the store alone: what it unpacks comes from anywhere.
func (v *imageVerb) inSandbox(std streams, ids images.IDs, more []mounts.Mount) error {
	store, err := openStore()
	if err != nil {
		return err
	}
	helper, err := ownProgram(imageHelper)
	if err != nil {
		return err
	}
	s := helperSpec(store, ids, append([]string{helper}, v.line(store, ids)...))
	s.Mounts = append(s.Mounts, more...)
	if v.word == "pull" {
		s.Network.Mode = network.Host
	}
	result, err := snug.Main(&snug.Cmd{Spec: s, Stdin: std.in, Stdout: std.out, Stderr: std.err})
	if err != nil {
		return err
	}
	if code := result.Code(); code != 0 {
		return &endedError{code}
	}
	return nil
}

func helperSpec(store *images.Store, ids images.IDs, words []string) spec.Spec {
	s := spec.Spec{Name: imageHelper, OrderedMounts: true}
	s.Command = process.Command{Args: words}
	s.Env.Inherit = true
	s.Identity = userns.Config{Map: userns.MapRoot, Home: os.Getenv("HOME"), User: os.Getenv("USER")}
	if ids == images.Range {
		s.Identity.Map = userns.MapRange
	}
	s.Mounts = []mounts.Mount{
		{Type: mounts.DevBind, Source: "/", Target: "/"},
		{Type: mounts.Bind, Source: store.Dir(), Target: store.Dir(), Writable: true},
	}
	s.Security.Capabilities = []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_SETFCAP"}
	s.Terminal.TTY = process.TTYNo
	return s
}

// export writes an image to where --output says.
func (v *imageVerb) export(std streams) error {
	store, err := openStore()
	if err != nil {
		return err
	}
	image, err := store.Use(v.args[0])
	if err != nil {
		return err
	}
	defer image.Close()
	if v.files() {
		dir := filepath.Join(store.Dir(), "mnt")
		lower, err := image.Layers(haveIDs(image))
		if err != nil {
			return err
		}
		return v.mounted(dir, lower, "-", func(more []mounts.Mount) error { return v.toFile(std, more) })
	}
	if info, err := os.Stat(v.output); strings.HasSuffix(v.output, "/") || err == nil && info.IsDir() {
		dir, err := filepath.Abs(v.output)
		if err == nil {
			err = os.MkdirAll(dir, 0o755)
		}
		if err != nil {
			return err
		}
		v.args = append(v.args, dir)
		return v.inSandbox(std, bestIDs(), []mounts.Mount{{Type: mounts.Bind, Source: dir, Target: dir, Writable: true}})
	}
	v.args = append(v.args, "-")
	return v.toFile(std, nil)
}

// mounted calls do with the layers of an image mounted for the helper, whose last
// argument dir is. Where the kernel refuses that, the helper copies them, and has
// the argument instead of dir, if any.
func (v *imageVerb) mounted(dir string, lower []string, instead string, do func([]mounts.Mount) error) error {
	words := v.args[:len(v.args):len(v.args)]
	v.args = append(words, dir)
	err := do([]mounts.Mount{{Type: mounts.Overlay, Target: dir, Lower: lower}})
	var failed *snug.StepError
	if !errors.As(err, &failed) || !strings.HasPrefix(failed.Label, overlayMount) {
		return err
	}
	v.args = words
	if instead != "" {
		v.args = append(words, instead)
	}
	return do(nil)
}

// files reports whether the files are asked for, not a layout.
func (v *imageVerb) files() bool {
	for _, o := range v.options {
		if o == "--format=rootfs" {
			return true
		}
	}
	return false
}

func haveIDs(i *images.Image) images.IDs { return spec.ChooseIDs("", i) }

// toFile runs the helper with standard output going to --output. The file is
// there when it is complete.
func (v *imageVerb) toFile(std streams, more []mounts.Mount) error {
	if v.output == "" || v.output == "-" {
		if isTerminal(std.out) {
			return &problem.Problem{What: "snug image export", Why: "standard output is a terminal", Fix: "--output FILE, or a pipe"}
		}
		return v.inSandbox(std, bestIDs(), more)
	}
	if info, err := os.Stat(v.output); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(v.output, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		std.out = f
		return v.inSandbox(std, bestIDs(), more)
	}
	f, err := os.CreateTemp(filepath.Dir(v.output), "."+filepath.Base(v.output)+".")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	std.out = f
	err = v.inSandbox(std, bestIDs(), more)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), v.output)
}

// diff compares what is kept with its image.
func (v *imageVerb) diff(std streams) error {
	store, err := openStore()
	if err != nil {
		return err
	}
	kept, err := store.Kept()
	if err != nil {
		return err
	}
	for _, k := range kept {
		if len(v.args) != 1 || k.Name != v.args[0] {
			continue
		}
		image, err := store.UseDigest(k.Base)
		if err != nil {
			return err
		}
		defer image.Close()
		lower, err := image.Layers(k.IDs)
		if err != nil {
			return err
		}
		return v.mounted(filepath.Join(store.Dir(), "mnt"), lower, "", func(more []mounts.Mount) error {
			if k.Tree() != "" {
				v.args, more = v.args[:1], nil
			}
			return v.inSandbox(std, bestIDs(), more)
		})
	}
	return &problem.Problem{What: "snug image diff", Why: "there is no kept snapshot of this name", Fix: "snug image list --kept shows them"}
}
