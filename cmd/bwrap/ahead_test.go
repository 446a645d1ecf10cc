package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The tests of this folder run twice: scripts/test links them a second time so
// that the first process is made before Go's runtime starts, as in the program
// that the Makefile builds.
func needsAhead(t *testing.T) {
	t.Helper()
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-ldflags" && strings.Contains(s.Value, "-E=snug_ahead") {
			return
		}
	}
	t.Skip("needs go test -ldflags=-E=snug_ahead")
}

// While the arguments are read the first process is there, asleep. It is the last
// child in the list: before it comes the one that made it, a zombie by now.
const waiting = `mkfifo args; bwrap --unshare-all --args 9 9<>args & program=$!; disown
until sleep 0.05; set -- $(cat /proc/$program/task/*/children); first=${*: -1}; grep -q "^State:.S" /proc/$first/status; do :; done 2>/dev/null
gone() { kill -KILL $program; while [ -e /proc/$first/status ]; do sleep 0.05; done; echo gone; }
`

func TestTheFirstProcessEndsWithTheProgram(t *testing.T) {
	needsAhead(t)
	wants(t, waiting+`gone`, "gone\n")
}

func TestTheFirstProcessHoldsNothingOfTheProgram(t *testing.T) {
	needsAhead(t)
	// Nothing but one end of the control socket, under both numbers.
	wants(t, waiting+`readlink /proc/$first/fd/* | grep socket: | uniq -c | wc -l; gone`, "1\ngone\n")
}

func TestAWrongGuessIsMadeGood(t *testing.T) {
	needsAhead(t)
	wants(t, `[ "$(bwrap $R --setenv X --unshare-net readlink /proc/self/ns/net)" = "$(readlink /proc/self/ns/net)" ] && echo shared
bwrap $R --unshare-all --share-net sh -c '[ "$(readlink /proc/self/ns/net)" = '"$(readlink /proc/self/ns/net)"' ] && echo shared'
bwrap --unshare-nothing 2>/dev/null || echo refused
bwrap $R --unshare-all --as-pid-1 --proc /proc sh -c 'echo $$'`, "shared\nshared\nrefused\n1\n")
}

// A command line may turn out to be wrong when the first process has begun: while the
// plan is made, or in the steps that follow. What reads the output sees its end when no
// process is left.
func TestAMistakeThatIsFoundLateEndsWhatHasBegun(t *testing.T) {
	needsAhead(t)
	wants(t, `printf garbage1 >f
for x in '--tmpfs /tmp --file 9 /tmp/f --dir /tmp/f/a/b' '--seccomp 9' '--chdir /nonexist'; do echo "$(bwrap $R --unshare-all $x true 2>&1 9<f; echo $?)"; done`,
		"bwrap: Can't mkdir parents for /tmp/f/a/b: Not a directory\n1\nbwrap: prctl(PR_SET_SECCOMP): Invalid argument\n1\nbwrap: Can't chdir to /nonexist: No such file or directory\n1\n")
}

func TestTheCommandMayUseAllProcessors(t *testing.T) {
	needsAhead(t)
	wants(t, `[ "$(bwrap $R --unshare-all grep Cpus_allowed: /proc/self/status)" = "$(grep Cpus_allowed: /proc/self/status)" ] && echo same`, "same\n")
}

// What is given away before is closed for the command, whoever was there first.
func TestNoDescriptorThatBwrapReads(t *testing.T) {
	wants(t, `echo secret >f; for n in 1 2 3; do bwrap $R --unshare-all --proc /proc --tmpfs /tmp --file 7 /tmp/x sh -c 'cat /tmp/x; [ -e /proc/self/fd/7 ] || echo closed' 7<f; done`,
		"secret\nclosed\nsecret\nclosed\nsecret\nclosed\n")
}

func TestNoDescriptorOfArguments(t *testing.T) {
	wants(t, `printf -- '--setenv\0A\0given\0--proc\0/proc\0--dev\0/dev\0' >f
for n in 0 7; do eval "bwrap $R --unshare-all --args $n sh -c 'echo \$A; readlink /proc/self/fd/*' $n<f" | grep -v '^/dev/\|^/proc/\|pipe:\|^/[^/]*\.sock'; done`, "given\ngiven\n")
}

// A start makes no thread until it has to wait: here it cannot, and has no need to.
func TestStartsWithoutThreads(t *testing.T) {
	needsAhead(t)
	if !strings.HasPrefix(runtime.Version(), "go1.26") {
		t.Skip("needs Go 1.26, whose runtime the light start is written for")
	}
	file := filepath.Join(t.TempDir(), "filter")
	if err := os.WriteFile(file, noThreads(), 0o644); err != nil {
		t.Fatal(err)
	}
	wants(t, `bwrap $R --seccomp 9 bwrap --unshare-all --version 9<`+file, "bubblewrap 0.11.1\n")
}

// noThreads is a filter that has clone(2) fail for threads.
func noThreads() (filter []byte) {
	const number, flags = 0, 16 // offsets of struct seccomp_data; only the low half of the flags counts
	for _, f := range []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_CLONE, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: unix.CLONE_THREAD, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EAGAIN)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	} {
		filter = binary.NativeEndian.AppendUint16(filter, f.Code)
		filter = append(filter, f.Jt, f.Jf)
		filter = binary.NativeEndian.AppendUint32(filter, f.K)
	}
	return filter
}
