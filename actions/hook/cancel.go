package hook

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/workflow"
)

// canceled is the error of a command whose job was canceled: the runner
// interrupts its hook, asks it to end 7.5 seconds later, and kills it after 2.5
// more (actions/runner, ProcessInvoker.cs).
type canceled struct{ signal syscall.Signal }

func (c canceled) Error() string { return "the job was canceled" }

// untilCanceled has h.ctx end with the first such signal. What a command has
// begun is then undone on the way out. The function that it returns ends that.
func (h *Hook) untilCanceled() (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	ctx, cancel := context.WithCancelCause(context.Background())
	h.ctx = ctx
	go func() {
		select {
		case s := <-signals:
			cancel(canceled{s.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	return func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// canceled is the error of a job that was canceled; nil while it was not.
func (h *Hook) canceled() error {
	var c canceled
	if errors.As(context.Cause(h.ctx), &c) {
		return c
	}
	return nil
}

// command is a program that ends with the job.
func (h *Hook) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(h.ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// do runs it for what is to be there; what it prints is no command to the runner. A
// job that was canceled is the reason for whatever came of it.
func (h *Hook) do(cmd *exec.Cmd, what, failed string) error {
	d := workflow.NewDefuser(h.Out)
	cmd.Stdout, cmd.Stderr = d, d
	err := cmd.Run()
	d.Close()
	if gone := h.canceled(); gone != nil {
		return gone
	}
	if err != nil {
		return &problem.Problem{What: what, Why: failed + " failed", Err: err}
	}
	return nil
}
