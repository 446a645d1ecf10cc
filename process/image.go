package process

import (
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Stop returns the signal that asks the command to end, and whether StopSignal
// is one: a name with or without "SIG", "SIGRTMIN+N", or a number.
func (c Command) Stop() (syscall.Signal, bool) {
	name := strings.ToUpper(c.StopSignal)
	if name == "" {
		return syscall.SIGTERM, true
	}
	if n, err := strconv.Atoi(name); err == nil {
		return syscall.Signal(n), n >= 1 && n <= 64
	}
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if offset, ok := strings.CutPrefix(name, "SIGRTMIN"); ok {
		n, err := strconv.Atoi("0" + strings.TrimPrefix(offset, "+"))
		return syscall.Signal(34 + n), err == nil && n <= 30 // 32 and 33 are the C library's (signal(7))
	}
	signal := unix.SignalNum(name)
	return signal, signal != 0
}

// Words are the command with its Entrypoint in front.
func (c Command) Words() []string {
	if len(c.Entrypoint) == 1 && c.Entrypoint[0] == "" {
		return c.Args
	}
	return slices.Concat(c.Entrypoint, c.Args)
}

// WithDefaults adds variables, "K=V", that e does not decide about: it neither
// sets nor drops them, nor passes on the caller's.
func (e Env) WithDefaults(caller, defaults []string) Env {
	set := make(map[string]string, len(e.Set)+len(defaults))
	for _, kv := range defaults {
		name, value, ok := strings.Cut(kv, "=")
		kept := matches(e.Keep, name) && slices.ContainsFunc(caller, func(own string) bool { return strings.HasPrefix(own, name+"=") })
		if ok && name != "" && !kept && !matches(e.Unset, name) {
			set[name] = value
		}
	}
	for name, value := range e.Set {
		set[name] = value
	}
	e.Set = set
	return e
}
