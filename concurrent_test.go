package snug_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/kerneltest"
)

func TestManyAtOnce(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	leavesNothing(t)
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			for j := range 4 {
				text := fmt.Sprint(i, " ", j)
				cmd := sh(snug.Spec{}, "cat; exit $1")
				cmd.Spec.Command.Args = append(cmd.Spec.Command.Args, "sh", fmt.Sprint(i))
				cmd.Stdin = strings.NewReader(text)
				out, err := cmd.Output()
				if string(out) != text || cmd.Result().ExitCode != i {
					t.Errorf("%q, %v: %+v", out, err, cmd.Result())
				}
			}
		})
	}
	group.Wait()
}

func TestOneGoroutineSignalsWhileAnotherWaits(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	for range 20 {
		cmd := snug.Command(snug.Spec{}, "sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for cmd.Kill() == nil {
					cmd.PID()
					cmd.Result()
					runtime.Gosched()
				}
			})
		}
		cmd.Wait()
		group.Wait()
		if err := cmd.Kill(); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("Kill after the end: %v", err)
		}
	}
}

func init() {
	register("many-threads", func([]string) error {
		// Threads that are locked, and threads that end: a parent-death signal
		// would follow the one that cloned.
		var group sync.WaitGroup
		hold := make(chan struct{})
		for range 64 {
			group.Go(func() {
				runtime.LockOSThread()
				<-hold
			})
		}
		errs := make(chan error, 16)
		for i := range cap(errs) {
			go func() {
				runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
				cmd := sh(snug.Spec{}, fmt.Sprint("sleep 0.1; echo ", i))
				var out bytes.Buffer
				cmd.Stdout = &out
				if err := cmd.Start(); err != nil {
					errs <- err
					return
				}
				go func() { // waits on another thread, once this one has ended
					err := cmd.Wait()
					if err == nil && out.String() != fmt.Sprintln(i) {
						err = fmt.Errorf("wrote %q", out.String())
					}
					errs <- err
				}()
			}()
		}
		var all error
		for range cap(errs) {
			all = errors.Join(all, <-errs)
		}
		close(hold)
		group.Wait()
		return all
	})
}

func TestACallerWithManyThreads(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	if out, err := outside(t, "many-threads").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestACallerUnderMemoryPressure(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() { // collections, and stacks that move, during the clone
		var keep [][]byte
		for {
			select {
			case <-stop:
				return
			default:
				keep = append(keep[len(keep)/2:], make([]byte, 1<<20))
				runtime.GC()
			}
		}
	})
	for range 30 {
		want(t, sh(snug.Spec{}, "echo fine"), "fine")
	}
	close(stop)
	group.Wait()
}
