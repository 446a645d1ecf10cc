package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	alive    = 200  // sandboxes at a time
	inARow   = 2000 // started one after the other,
	inFlight = 8    // so many at a time
	chunk    = 200  // before the other contender has its turn
)

// many looks for what is left behind, and how many sandboxes a second start.
func (b *bench) many() error {
	if err := adopt(true); err != nil {
		return err
	}
	before, err := count()
	if err != nil {
		return err
	}
	if err := b.allAtOnce(b.library); err != nil {
		return fmt.Errorf("library: %w", err)
	}
	if err := b.allAtOnce(b.command(b.profile())); err != nil {
		return fmt.Errorf("command: %w", err)
	}
	if err := b.throughput(); err != nil {
		return err
	}
	after, err := settled(before)
	if err != nil {
		return err
	}
	fmt.Printf("before: %v\nafter:  %v\n", before, after)
	b.add(target{what: "left behind: processes, mounts, descriptors", snug: fmt.Sprint(after.over(before)), bwrap: "-",
		value: float64(after.over(before)), limit: 0})
	return b.ceiling()
}

// allAtOnce starts 200 sandboxes that wait, then ends them all.
func (b *bench) allAtOnce(c contender) error {
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	began := time.Now()
	var started []process
	for range alive {
		p := c(in, b.wait)
		if err = p.Start(); err != nil {
			break
		}
		started = append(started, p)
	}
	fmt.Printf("%d alive at once after %s\n", len(started), ms(time.Since(began)))
	err = errors.Join(err, out.Close())
	for _, p := range started {
		err = errors.Join(err, p.Wait())
	}
	return err
}

// throughput starts 2,000 of each contender, in turns.
func (b *bench) throughput() error {
	var library, command, theirs time.Duration
	for range inARow / chunk {
		for _, turn := range []struct {
			who   contender
			spent *time.Duration
			ours  bool
		}{{b.library, &library, true}, {b.bubblewrap(), &theirs, false}, {b.command(b.profile()), &command, true}} {
			// bwrap ends before its process 1 does, which must not count here.
			if err := adopt(turn.ours); err != nil {
				return err
			}
			took, err := b.inParallel(turn.who, chunk)
			if err != nil {
				return err
			}
			*turn.spent += took
		}
	}
	rate := func(d time.Duration) float64 { return inARow / d.Seconds() }
	show := func(d time.Duration) string { return fmt.Sprintf("%.0f /s", rate(d)) }
	b.add(target{what: "throughput of 2,000, 8 in flight, library", snug: show(library), bwrap: show(theirs),
		value: rate(library) / rate(theirs), limit: 2, atLeast: true})
	fmt.Printf("throughput: library %s, snug run %s, bwrap %s\n", show(library), show(command), show(theirs))
	return nil
}

// inParallel runs n sandboxes, a few at a time.
func (b *bench) inParallel(c contender, n int) (time.Duration, error) {
	tickets := make(chan struct{}, n)
	for range n {
		tickets <- struct{}{}
	}
	close(tickets)
	errs := make(chan error, inFlight)
	var workers sync.WaitGroup
	began := time.Now()
	for range inFlight {
		workers.Go(func() {
			for range tickets {
				if _, err := timed(c, b.quit); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	workers.Wait()
	close(errs)
	return time.Since(began), <-errs
}

// mostNamespaces is the ceiling for each kind while 2,000 sandboxes start: far
// above what is in use at a time, the kernel's late cleaning included, and far
// below 2,000.
const mostNamespaces = "600"

// ceiling starts 2,000 sandboxes where only so many namespaces of each kind
// may exist: were one namespace of a sandbox left each time, they would run out.
func (b *bench) ceiling() error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe, "-dir", b.dir, "-only", "ceiling")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%d sandboxes with at most %s namespaces of each kind: %w", inARow, mostNamespaces, err)
	}
	fmt.Printf("%d sandboxes ran where at most %s namespaces of each kind may exist\n", inARow, mostNamespaces)
	return nil
}

// underCeiling is the inner half: it runs as root of a new user namespace,
// whose limits are its own (namespaces(7)).
func (b *bench) underCeiling() error {
	names, err := filepath.Glob("/proc/sys/user/max_*_namespaces")
	if err != nil || len(names) == 0 {
		return errors.New("the kernel has no limits on namespaces")
	}
	for _, name := range names {
		if err := os.WriteFile(name, []byte(mostNamespaces), 0); err != nil {
			return err
		}
	}
	_, err = b.inParallel(b.library, inARow)
	return err
}
