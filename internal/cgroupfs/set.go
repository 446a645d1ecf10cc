package cgroupfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// set writes a setting and makes sure that it holds.
func (g *Group) set(s Setting) error {
	if s.File == "io.weight" {
		s = g.weight(s)
	}
	bad := func(err error) error { return &SettingError{s, err} }
	err := write(filepath.Join(g.path, s.File), s.Value)
	switch {
	case s.Optional && errors.Is(err, os.ErrNotExist):
		return nil
	case errors.Is(err, os.ErrNotExist):
		return bad(errors.New("this kernel has no such file" + built(s.File)))
	case err != nil:
		return bad(cause(err))
	}
	if got := read(g.path, s.File); !holds(s.File, s.Value, got) {
		return bad(fmt.Errorf("the kernel made %q of it", got))
	}
	if s.File == "cpuset.cpus" && strings.TrimSpace(s.Value) != "" {
		// A set of which no CPU may be used counts as none (cgroup-v2,
		// "cpuset.cpus.effective").
		if got := read(g.path, "cpuset.cpus.effective"); !within(got, s.Value) {
			return bad(fmt.Errorf("they may not all be used here, only %s", got))
		}
	}
	return nil
}

// built says for some files what a kernel needs to have them.
func built(file string) string {
	switch file {
	case "io.weight":
		return ": it was built with neither the cost model of io.weight nor the scheduler BFQ"
	case "io.max":
		return ": it was built without CONFIG_BLK_DEV_THROTTLING"
	}
	return ""
}

// weight is the setting of a weight in the words of the scheduler BFQ, where the
// kernel has no other. BFQ's go up to 1000 (systemd maps them in the same way).
func (g *Group) weight(s Setting) Setting {
	if exists(g.path, "io.weight") || !exists(g.path, "io.bfq.weight") {
		return s
	}
	whose, number, _ := strings.Cut(s.Value, " ")
	n, _ := strconv.ParseInt(number, 10, 64)
	if n > 100 {
		n = 100 + (n-100)*900/9900
	}
	s.File, s.Value = "io.bfq.weight", whose+" "+strconv.FormatInt(n, 10)
	return s
}

func exists(dir, file string) bool {
	_, err := os.Stat(filepath.Join(dir, file))
	return err == nil
}

// holds reports whether a value that was read back is as tight as the one that
// was written. Amounts of memory are rounded down to pages.
func holds(file, written, got string) bool {
	words := strings.Fields(written)
	switch {
	case file == "cpuset.cpus" && len(words) == 0:
		return got == ""
	case file == "cpuset.cpus":
		return within(got, written) && within(written, got)
	case len(words) > 1 && (words[0] == "default" || strings.Contains(words[0], ":")):
		return hasLine(got, words)
	}
	want, err1 := strconv.ParseInt(written, 10, 64)
	have, err2 := strconv.ParseInt(got, 10, 64)
	if err1 == nil && err2 == nil {
		return have <= want
	}
	return written == got
}

// hasLine reports whether the line of text for a device has all the words.
func hasLine(text string, words []string) bool {
	for line := range strings.Lines(text) {
		have := strings.Fields(line)
		if len(have) > 0 && have[0] == words[0] {
			return !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(have, w) })
		}
	}
	// A device without limits has no line.
	return !slices.ContainsFunc(words[1:], func(w string) bool { return !strings.HasSuffix(w, "=max") })
}

// within reports whether all CPUs of one list are in another.
func within(list, all string) bool {
	part, err1 := ParseCPUSet(list)
	whole, err2 := ParseCPUSet(all)
	return err1 == nil && err2 == nil && !slices.ContainsFunc(part, func(n int) bool { return !slices.Contains(whole, n) })
}
