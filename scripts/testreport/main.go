// Command testreport reads the output of `go test -json` and writes what a
// person wants to see of it: one line for each package, everything that a
// failed test said, and at the end every skipped test with its reason. It
// exits 1 when anything failed, or never ended.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// event is a line of `go test -json`; go doc test2json.
type event struct {
	Action     string
	Package    string
	Test       string
	Output     string
	ImportPath string
	Elapsed    float64 // seconds
}

// report collects what the tests said until it is known how they ended.
type report struct {
	out    io.Writer
	said   map[string][]string // by package and test
	skips  []skipped
	slow   []event
	failed bool
}

// skipped is a test that did not run.
type skipped struct{ pkg, test, reason string }

// many is how many tests may skip for one reason before they are only counted.
const many = 20

// slow is how many seconds a test may take before it is named.
const slow = 30

func main() {
	ok, err := write(os.Stdout, os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// write turns events into the report and returns whether all is well.
func write(out io.Writer, in io.Reader) (ok bool, err error) {
	r := &report{out: out, said: map[string][]string{}}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			r.line(line)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, err
		}
	}
	r.writeUnfinished()
	r.writeSlow()
	r.writeSkips()
	return !r.failed, nil
}

// line takes one event. What is no event was printed past the test framework.
func (r *report) line(line string) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil {
		fmt.Fprint(r.out, line)
		return
	}
	key := e.Package + " " + e.Test
	if e.Elapsed >= slow && e.Test != "" && !strings.Contains(e.Test, "/") {
		r.slow = append(r.slow, e)
	}
	switch e.Action {
	case "output":
		r.output(key, e)
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "fail", "build-fail":
		r.failed = true
		r.tell(key)
	case "skip":
		r.skip(key, e)
	case "pass":
		delete(r.said, key)
	}
}

// output keeps what a test says; the lines that sum up a package are shown.
func (r *report) output(key string, e event) {
	if e.Test == "" && isSummary(e.Output) {
		fmt.Fprint(r.out, e.Output)
		return
	}
	r.said[key] = append(r.said[key], e.Output)
}

func isSummary(line string) bool {
	for _, start := range []string{"ok  \t", "FAIL\t", "?   \t"} {
		if strings.HasPrefix(line, start) {
			return true
		}
	}
	return strings.Contains(line, "[no test files]")
}

// tell writes everything that a failed test or package said.
func (r *report) tell(key string) {
	for _, text := range r.said[key] {
		fmt.Fprint(r.out, text)
	}
	delete(r.said, key)
}

// saysNothing matches the place of a message that is empty.
var saysNothing = regexp.MustCompile(`^\S+\.go:\d+:$`)

// skip keeps the reason, which is the last thing that a skipped test says
// before the framework's own line.
func (r *report) skip(key string, e event) {
	if e.Test == "" {
		delete(r.said, key) // a package without tests
		return
	}
	reason := "no reason given"
	for _, text := range r.said[key] {
		text = strings.TrimSpace(text)
		if text != "" && !strings.HasPrefix(text, "===") && !strings.HasPrefix(text, "---") && !saysNothing.MatchString(text) {
			reason = text
		}
	}
	r.skips = append(r.skips, skipped{e.Package, e.Test, reason})
	delete(r.said, key)
}

// writeUnfinished tells of tests whose end is missing: what ran them was ended.
func (r *report) writeUnfinished() {
	for _, key := range slices.Sorted(maps.Keys(r.said)) {
		fmt.Fprintf(r.out, "did not end: %s\n", key)
		r.tell(key)
		r.failed = true
	}
}

// writeSlow names the tests that took longest.
func (r *report) writeSlow() {
	slices.SortStableFunc(r.slow, func(a, b event) int { return cmp.Compare(b.Elapsed, a.Elapsed) })
	for i, e := range r.slow {
		if i == 10 {
			break
		}
		fmt.Fprintf(r.out, "slow: %s %s took %.0fs\n", e.Package, e.Test, e.Elapsed)
	}
}

func (r *report) writeSkips() {
	if len(r.skips) == 0 {
		fmt.Fprintln(r.out, "no test was skipped")
		return
	}
	fmt.Fprintf(r.out, "%d skipped:\n", len(r.skips))
	tests := map[skipped]int{} // by package and reason
	for _, s := range r.skips {
		tests[skipped{pkg: s.pkg, reason: s.reason}]++
	}
	for _, s := range r.skips {
		reason := skipped{pkg: s.pkg, reason: s.reason}
		switch n := tests[reason]; {
		case n > many:
			fmt.Fprintf(r.out, "  %s %d tests: %s\n", s.pkg, n, s.reason)
			tests[reason] = 0
		case n > 0:
			fmt.Fprintf(r.out, "  %s %s: %s\n", s.pkg, s.test, s.reason)
		}
	}
}
