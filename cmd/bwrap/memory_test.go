//go:build !cgo

package main

import (
	"testing"

	"github.com/snug-sandbox/snug/internal/kerneltest"
)

// The process that stays can be looked at by the caller, and by a command with
// capabilities. All of its memory is searched for what the caller's environment
// holds. In a program with C code it is not emptied.
func TestTheReaperForgotTheEnvironment(t *testing.T) {
	kerneltest.Require(t, "userns", "proc")
	wants(t, `export TOKEN=$(od -An -N16 -tx1 /dev/urandom | tr -d " \n"); mkfifo p; bwrap $R --clearenv --setenv PATH /usr/bin:/bin --unshare-pid --info-fd 5 sh -c 'echo >p; sleep 60' 5>i & read x <p
pid=$(grep -o '[0-9]*' i | head -1)
python3 - $pid <<'END'
import os, sys
pid, found, size = sys.argv[1], 0, 0
secret = os.environ["TOKEN"].encode()
mem = open(f"/proc/{pid}/mem", "rb", 0)
for line in open(f"/proc/{pid}/maps"):
    where, perms = line.split()[:2]
    a, b = (int(x, 16) for x in where.split("-"))
    if "r" not in perms: continue
    try:
        mem.seek(a)
        text = mem.read(b - a)
    except OSError: continue # the kernel's own
    size += len(text)
    found += text.count(secret)
print(found, "of", "some" if size > 100000 else size, "bytes")
print("arguments:", len(open(f"/proc/{pid}/cmdline").read()), len(open(f"/proc/{pid}/environ").read()))
END
kill -9 $pid
`, "0 of some bytes\narguments: 0 0")
}
