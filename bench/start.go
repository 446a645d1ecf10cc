package main

import (
	"fmt"
	"slices"
	"time"
)

// warmUp is how many starts of each contender come before those that count.
const warmUp = 10

// startCommand compares `snug run` with bwrap, from exec to wait.
func (b *bench) startCommand() error {
	ours, theirs, err := alternate(b.runs, b.command(b.profile()), b.bubblewrap(), b.quit)
	if err != nil {
		return err
	}
	b.addTimes("start, snug run against bwrap", ours, theirs, 0.70)
	return nil
}

// startDropIn compares Snug's program bwrap with bubblewrap's, for the same
// command line.
func (b *bench) startDropIn() error {
	ours, theirs, err := alternate(b.runs, b.dropIn(), b.bubblewrap(), b.quit)
	if err != nil {
		return err
	}
	b.addTimes("start, Snug's bwrap against bwrap", ours, theirs, 0.70)
	return nil
}

// startLibrary compares the Go package in this warm process with os/exec of bwrap.
func (b *bench) startLibrary() error {
	ours, theirs, err := alternate(b.runs, b.library, b.bubblewrap(), b.quit)
	if err != nil {
		return err
	}
	b.addTimes("start, library against os/exec of bwrap", ours, theirs, 0.40)
	return nil
}

// alternate runs both contenders n times, in pairs whose order changes, so
// that whatever the machine does besides meets both.
func alternate(n int, a, b contender, program string) (as, bs []time.Duration, err error) {
	for i := -warmUp; i < n; i++ {
		first, second := a, b
		if i&1 != 0 {
			first, second = b, a
		}
		one, err := timed(first, program)
		if err != nil {
			return nil, nil, err
		}
		two, err := timed(second, program)
		if err != nil {
			return nil, nil, err
		}
		if i&1 != 0 {
			one, two = two, one
		}
		if i >= 0 {
			as, bs = append(as, one), append(bs, two)
		}
	}
	return as, bs, nil
}

// timed runs one sandbox and returns how long that took.
func timed(c contender, program string) (time.Duration, error) {
	p := c(nil, program)
	before := time.Now()
	if err := p.Start(); err != nil {
		return 0, err
	}
	err := p.Wait()
	return time.Since(before), err
}

// addTimes puts the ratio of medians into the result.
func (b *bench) addTimes(what string, ours, theirs []time.Duration, limit float64) {
	m, n := median(ours), median(theirs)
	b.add(target{what: what, snug: ms(m), bwrap: ms(n), value: float64(m) / float64(n), limit: limit})
	fmt.Printf("%s: %d pairs, least %s and %s, median %s and %s\n",
		what, len(ours), ms(slices.Min(ours)), ms(slices.Min(theirs)), ms(m), ms(n))
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }
