package hook

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/workflow"
)

// health is how to find out that a service is ready.
type health struct {
	command                        string
	words                          []string // of an image, where it is no line of a shell
	interval, timeout, startPeriod time.Duration
	retries                        int
	none                           bool
}

// Docker's own, where neither the workflow nor the image says anything.
const (
	healthSpan    = 30 * time.Second
	healthRetries = 3
)

// or fills in what the workflow does not say: the image's, then Docker's.
func (h health) or(image *images.Healthcheck) health {
	if image == nil {
		image = &images.Healthcheck{}
	}
	if h.command == "" && len(image.Test) > 1 {
		switch image.Test[0] {
		case "CMD-SHELL":
			h.command = image.Test[1]
		case "CMD":
			h.words = image.Test[1:]
		}
	}
	span := func(own, other, usual time.Duration) time.Duration {
		for _, d := range []time.Duration{own, other, usual} {
			if d > 0 {
				return d
			}
		}
		return 0
	}
	h.interval = span(h.interval, image.Interval, healthSpan)
	h.timeout = span(h.timeout, image.Timeout, healthSpan)
	h.startPeriod = span(h.startPeriod, image.StartPeriod, 0)
	if h.retries == 0 {
		h.retries = image.Retries
	}
	if h.retries <= 0 {
		h.retries = healthRetries
	}
	return h
}

// check are the words of the command that tells whether a service is ready; nil:
// there is none, and it is when it runs.
func (h health) check() []string {
	switch {
	case h.none:
		return nil
	case h.command != "":
		return []string{"/bin/sh", "-c", h.command}
	}
	return h.words
}

// await waits until a service is ready.
func (h *Hook) await(p *planned) error {
	check := p.health.check()
	if !p.service {
		return nil
	}
	if check == nil {
		if _, err := h.find(p.id); err != nil {
			say(h.Out, "service %s has ended already", p.ContextName)
			h.tellLog(p.ContextName, p.id)
		}
		return nil
	}
	began, failures := time.Now(), 0
	for {
		l, err := h.find(p.id)
		switch {
		case h.canceled() != nil:
			return h.canceled()
		case err != nil:
			return &problem.Problem{What: "service " + p.ContextName, Why: "it ended before it was ready"}
		case l.run(h.ctx, p.health.timeout, check) == nil:
			return nil
		}
		failures++
		if p.health.over(failures, time.Since(began)) {
			return &problem.Problem{What: "service " + p.ContextName, Why: fmt.Sprintf("it is not ready: %q failed %d times", check, failures)}
		}
		// A service that becomes ready sooner is not kept waiting.
		select {
		case <-time.After(min(p.health.interval, 100*time.Millisecond<<min(failures, 9))):
		case <-h.ctx.Done():
		}
	}
}

// over reports whether a service has had its chances. It is asked more often than its
// interval says, and that must not make the time shorter which it has to get ready.
func (h health) over(failures int, waited time.Duration) bool {
	return failures >= h.retries && waited > h.startPeriod+time.Duration(h.retries)*h.interval
}

// run runs a command in a sandbox and forgets what it prints.
func (l live) run(ctx context.Context, limit time.Duration, words []string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := l.instance.Command(words[0], words[1:]...)
	cmd.Spec.Command.Entrypoint = nil
	if err := cmd.Start(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { cmd.Kill() })()
	return cmd.Wait()
}

// tellLogs shows what the services of a job that cannot start have written.
func (h *Hook) tellLogs() {
	for name, id := range h.state.Services {
		h.tellLog(name, id)
	}
}

func (h *Hook) tellLog(name, id string) {
	if text := tail(filepath.Join(h.dir(), id+".log")); len(text) > 0 {
		say(h.Out, "what %s wrote:", name)
		d := workflow.NewDefuser(h.Out)
		d.Write(text)
		d.Close()
	}
}

// tail is the end of a log.
func tail(path string) []byte {
	const most = 8 << 10
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > most {
		f.Seek(-most, io.SeekEnd)
	}
	text, _ := io.ReadAll(io.LimitReader(f, most))
	return text
}
