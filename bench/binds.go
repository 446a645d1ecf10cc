package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const manyBinds = 2000

// binds compares the start of a sandbox with 2,000 binds.
func (b *bench) binds() error {
	if err := b.makeSources(); err != nil {
		return err
	}
	profile, err := b.bindProfile(manyBinds)
	if err != nil {
		return err
	}
	runs := max(5, b.runs/30)
	ours, theirs, err := alternate(runs, b.command(profile), b.bubblewrap(b.bindOptions(manyBinds)...), b.quit)
	if err != nil {
		return err
	}
	b.addTimes("2,000 binds against bwrap's same", ours, theirs, 1)
	best, err := b.bestPerBind(runs)
	if err != nil {
		return err
	}
	linear := best * manyBinds
	b.add(target{what: "2,000 binds against bwrap's best per bind", snug: ms(median(ours)), bwrap: ms(linear),
		value: float64(median(ours)) / float64(linear), limit: 2})
	return nil
}

func (b *bench) source(i int) string { return filepath.Join(b.dir, "sources", fmt.Sprintf("%04d", i)) }

func (b *bench) makeSources() error {
	for i := range manyBinds {
		if err := os.MkdirAll(b.source(i), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// bindProfile is the profile of the other measurements with n binds below /tmp.
func (b *bench) bindProfile(n int) (string, error) {
	text, err := os.ReadFile(b.profile())
	if err != nil {
		return "", err
	}
	var all strings.Builder
	all.Write(text)
	for i := range n {
		fmt.Fprintf(&all, "\n[[mounts]]\nsource = %q\ntarget = \"/tmp/b/%04d\"\n", b.source(i), i)
	}
	path := filepath.Join(b.dir, "binds.toml")
	return path, os.WriteFile(path, []byte(all.String()), 0o644)
}

// bindOptions are the same binds for bwrap.
func (b *bench) bindOptions(n int) (options []string) {
	for i := range n {
		options = append(options, "--ro-bind", b.source(i), fmt.Sprintf("/tmp/b/%04d", i))
	}
	return options
}

// bestPerBind is the least time that bwrap takes for one more bind, whatever
// their number: some of its versions take longer for each the more there are.
func (b *bench) bestPerBind(runs int) (time.Duration, error) {
	none, err := b.medianOf(runs, b.bubblewrap())
	if err != nil {
		return 0, err
	}
	var each []time.Duration
	for _, n := range []int{50, 100, 200, 500, 1000, manyBinds} {
		took, err := b.medianOf(runs, b.bubblewrap(b.bindOptions(n)...))
		if err != nil {
			return 0, err
		}
		per := (took - none) / time.Duration(n)
		fmt.Printf("bwrap, %d binds: %s, %.1f us each\n", n, ms(took), float64(per.Nanoseconds())/1000)
		each = append(each, per)
	}
	return slices.Min(each), nil
}

func (b *bench) medianOf(runs int, c contender) (time.Duration, error) {
	var all []time.Duration
	for range runs {
		took, err := timed(c, b.quit)
		if err != nil {
			return 0, err
		}
		all = append(all, took)
	}
	return median(all), nil
}

// middle is the middle one of an odd number of values.
func middle[T cmp.Ordered](all []T) T {
	return slices.Sorted(slices.Values(all))[len(all)/2]
}
