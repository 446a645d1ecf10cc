package main

import (
	"runtime/debug"
	"strings"
	"testing"
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
	wants(t, `printf -- '--setenv\0A\0given\0--proc\0/proc\0' >f
for n in 0 7; do eval "bwrap $R --unshare-all --args $n sh -c 'echo \$A; readlink /proc/self/fd/*' $n<f" | grep -v '^/dev/\|^/proc/\|pipe:\|^/[^/]*\.sock'; done`, "given\ngiven\n")
}
