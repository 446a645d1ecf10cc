package profiles

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/snug-sandbox/snug/internal/units"
)

// Each test here first shows a trap of the TOML library with a struct of its
// own, so that it says so when the library changes, and then that profiles do
// not fall into it.

func TestTrapANegativeNumberInAnUnsignedField(t *testing.T) {
	var v struct{ N uint64 }
	if err := toml.Unmarshal([]byte("n = -1"), &v); err != nil || v.N != 1<<64-1 {
		t.Logf("the library has mended this: %v %v", v.N, err)
	}
	for _, key := range []string{"limits]\nnofile", "limits]\nmemory", "limits]\npids", "limits]\ncore", "limits]\ncpus", "identity]\nuid", "identity]\ngid"} {
		if got := mistakes(t, "["+key+" = -1\n"); !strings.Contains(got, "got -1") {
			t.Errorf("[%s = -1: %q", key, got)
		}
	}
}

func TestTrapKeysThatDifferInCase(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		var v struct{ Mode string }
		if err := toml.Unmarshal([]byte("mode = \"host\"\nMode = \"none\""), &v); err != nil {
			t.Fatal(err)
		}
		seen[v.Mode] = true
	}
	if len(seen) != 2 {
		t.Logf("the library has mended this: %v", seen)
	}
	for range 50 {
		got := mistakes(t, "[network]\nmode = \"host\"\nMode = \"none\"\n")
		if got != "p.toml:3:1: network.Mode: unknown key; did you mean \"mode\"?" {
			t.Fatalf("got %q", got)
		}
	}
	for _, text := range []string{"[NETWORK]\nmode = \"host\"", "[network]\nMODE = \"host\"", "[[mounts]]\nSource = \"/x\"", "Version = 1",
		"[[mounts]]\nsource = \"/x\"\nwhen = { Exists = \"/x\" }"} {
		if got := mistakes(t, text); !strings.Contains(got, "unknown key") {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestTrapUnknownKeysAndWrongTypesWithoutAPosition(t *testing.T) {
	var v struct{ Net struct{ Mode string } }
	err := toml.Unmarshal([]byte("[net]\n\nmode = 3\n"), &v)
	var place toml.ParseError
	if errors.As(err, &place) {
		t.Log("the library has mended this")
	}
	for text, want := range map[string]string{"\n\n[network]\n\n  mode = 3\n": "p.toml:5:3: network.mode: ", "\n\n[network]\n\n mod = 3\n": "p.toml:5:2: network.mod: "} {
		if got := mistakes(t, text); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTrapASpanOfTimeInNanoseconds(t *testing.T) {
	var v struct{ D time.Duration }
	if err := toml.Unmarshal([]byte("d = 90"), &v); err != nil || v.D != 90 {
		t.Logf("the library has mended this: %v %v", v.D, err)
	}
	for _, key := range []string{"limits]\ntimeout", "limits]\ngrace", "limits]\ncpu_time", "namespaces]\nmonotonic_offset", "namespaces]\nboottime_offset"} {
		if got := mistakes(t, "["+key+" = 90\n"); !strings.Contains(got, "a span of time") {
			t.Errorf("[%s = 90: %q", key, got)
		}
	}
}

func TestTrapHalfAProfileAfterAMistake(t *testing.T) {
	var v struct{ A, B int }
	err := toml.Unmarshal([]byte("a = 1\nb = \"x\"\n"), &v)
	if err == nil {
		t.Fatal("the library takes a string for a number")
	}
	w := newWorld(t)
	w.write("p.toml", "[limits]\nnofile = 7\npids = \"x\"\n")
	if p, err := Load(w.in, "p.toml"); err == nil || p != nil {
		t.Errorf("got %+v, %v", p, err)
	}
}

// The library's own message for this names the line below.
func TestTrapAnOpenTableIsBlamedOnItsOwnLine(t *testing.T) {
	if got := mistakes(t, "\n[network\nmode = \"none\"\n"); !strings.HasPrefix(got, "p.toml:2:9: ") {
		t.Errorf("got %q", got)
	}
}

func TestAmountsAreReadAsPeopleWriteThem(t *testing.T) {
	w := newWorld(t)
	s := w.loadText(`
[limits]
memory = "1.5GiB"
cpus = 2
pids = 64
timeout = "1m30s"
grace = "250ms"
nofile = "1K"
core = 0
as = "infinity"
stack = 8388608
[command]
umask = "027"
nice = -5
[namespaces]
monotonic_offset = "-1h"
[[mounts]]
type = "tmpfs"
target = "/t"
size = 4096
mode = "0o1777"
`).Spec
	mode, umask := units.FileMode(0o1777), units.FileMode(0o27)
	nice := -5
	want := s
	want.Limits.Memory, want.Limits.CPUs, want.Limits.PIDs = 3<<29, 2, 64
	want.Limits.Timeout, want.Limits.Grace = units.Duration(90*time.Second), units.Duration(250*time.Millisecond)
	want.Limits.Nofile, want.Limits.Core, want.Limits.AS, want.Limits.Stack = units.SameRlimit(1024), units.SameRlimit(0), units.SameRlimit(units.Unlimited), units.SameRlimit(8<<20)
	want.Command.Umask, want.Command.Nice = &umask, &nice
	want.Namespaces.MonotonicOffset = units.Duration(-time.Hour)
	want.Mounts[0].Size, want.Mounts[0].Mode = 4096, &mode
	if !reflect.DeepEqual(s, want) || s.Limits.Memory != 3<<29 {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
}
