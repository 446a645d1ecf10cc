// Package kerneltest is for tests that need a real kernel to do real things:
// it finds out by trying what this machine allows, skips with the reason, and
// runs a test binary that root started as an ordinary user. Only tests import it.
//
// A test says what it needs:
//
//	func TestMain(m *testing.M) { kerneltest.Main(m) }
//
//	func TestOverlay(t *testing.T) {
//		kerneltest.Require(t, "userns", "overlay")
//		...
//	}
//
// SNUG_TEST_MUST names features, separated by commas, or "all": a test that
// would skip for want of one of them fails instead. Continuous integration
// sets it, so that a broken feature does not hide behind a skip.
//
// SNUG_TEST_UNTIL is a time in seconds since 1970 after which no test starts that
// calls Require or InTime: they skip and say so. An emulated machine that runs as
// many of the tests as there is time for sets it.
package kerneltest

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Features are the names that Require, Probe and Condition know:
//
//	userns    all seven namespaces at once by an ordinary user, and mounts inside
//	proc      a fresh procfs in a new pid namespace
//	overlay   overlayfs with a writable upper directory, mounted without root
//	fuse      fuse-overlayfs(1), and a /dev/fuse that the caller may open
//	subid     a range of ids mapped by newuidmap(1) and newgidmap(1)
//	pty       a new pseudo-terminal
//	net       a network namespace whose loopback interface comes up
//	mqueue    a POSIX message queue file system of a new ipc namespace
//	landlock  version 2 of Landlock, which can hold files
//	timens    a time namespace with clock offsets
//	cgroup2   a cgroup v2 directory of our own with memory and pids controllers, or
//	          a systemd of the user's that can make one
//	cpu       the controller cpu there; the same for cpuset and hugetlb
//	io        the controller io there, and a directory on a disk; see Disk
func Features() []string {
	names := make([]string, 0, len(probes))
	for name := range probes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Require skips the test unless this machine has all the features; the skip
// says which one is missing and why. A feature that SNUG_TEST_MUST names makes
// the test fail instead.
func Require(t testing.TB, features ...string) {
	t.Helper()
	if os.Getuid() == 0 && os.Getenv(rootEnv) == "" && !onlyOneID() {
		t.Fatalf("the test runs as root, where most refusals of the kernel cannot be seen: call kerneltest.Main in TestMain")
	}
	InTime(t)
	for _, name := range features {
		ok, err := Condition(name)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			t.Skipf("needs %s: %v", name, Probe(name))
		}
	}
}

// InTime skips the test when SNUG_TEST_UNTIL has passed.
func InTime(t interface{ Skip(...any) }) {
	end, err := strconv.ParseInt(os.Getenv("SNUG_TEST_UNTIL"), 10, 64)
	if err == nil && time.Now().Unix() >= end {
		t.Skip("the time for the tests on this machine is over")
	}
}

// Condition reports whether this machine has the feature. The error is not nil
// when there is no such feature, or when it is missing though SNUG_TEST_MUST
// names it. It serves as testscript's Params.Condition.
func Condition(name string) (bool, error) {
	err := Probe(name)
	switch {
	case err == nil:
		return true, nil
	case probes[name] == nil:
		return false, err
	case must(name):
		return false, fmt.Errorf("SNUG_TEST_MUST lists %s, but this machine lacks it: %w", name, err)
	}
	return false, nil
}

// must reports whether SNUG_TEST_MUST names the feature.
func must(name string) bool {
	for _, word := range strings.Split(os.Getenv("SNUG_TEST_MUST"), ",") {
		if word = strings.TrimSpace(word); word == name || word == "all" {
			return true
		}
	}
	return false
}

// Probe tries the feature for real, once in each test binary, and returns nil
// when it works or the reason why it does not.
func Probe(name string) error {
	p := probes[name]
	if p == nil {
		return fmt.Errorf("kerneltest knows no feature %q, only %s", name, strings.Join(Features(), ", "))
	}
	answers.Lock()
	defer answers.Unlock()
	if err, known := answers.of[name]; known {
		return err
	}
	err := p.outside()
	answers.of[name] = err
	return err
}

// answers remembers what the probes found.
var answers = struct {
	sync.Mutex
	of map[string]error
}{of: map[string]error{}}
