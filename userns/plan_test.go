package userns

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
)

func id(n int) *int { return &n }

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		config Config
		says   string
	}{
		{Config{}, ""}, {Config{Map: MapSelf}, ""}, {Config{Map: MapRoot}, ""}, {Config{Map: MapRange}, ""},
		{Config{UID: id(0), GID: id(4294967294), Home: "/x"}, ""},
		{Config{Map: "Self"}, `identity.map: "Self" is not a way to map ids`},
		{Config{UID: id(-1)}, "identity.uid: -1 is not an id"}, {Config{UID: id(4294967295)}, "identity.uid"},
		{Config{GID: id(-5)}, "identity.gid"}, {Config{GID: id(1 << 40)}, "identity.gid"},
		{Config{Map: MapRange, Groups: []int{0, 4294967294}}, ""}, {Config{Map: MapRange, Groups: []int{}}, ""},
		{Config{Map: MapRange, Groups: []int{5, -1}}, "identity.groups: -1 is not an id"},
		{Config{Map: MapRange, Groups: make([]int, 65537)}, "65537 are too many"},
		{Config{Home: "home"}, `identity.home: "home" is not an absolute path`}, {Config{Home: "~"}, "identity.home"},
	} {
		err := c.config.Validate()
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v, want %q", c.config, err, c.says)
		}
	}
}

func TestIDs(t *testing.T) {
	f := host.Facts{UID: 1000, GID: 100}
	for _, c := range []struct {
		config   Config
		uid, gid int
	}{
		{Config{}, 1000, 100}, {Config{Map: MapSelf, GID: id(7)}, 1000, 7}, {Config{Map: MapRoot}, 0, 0},
		{Config{Map: MapRoot, UID: id(5)}, 5, 0}, {Config{Map: MapRange}, 0, 0}, {Config{Map: MapRange, UID: id(33), GID: id(44)}, 33, 44},
	} {
		if uid, gid := c.config.IDs(f); uid != c.uid || gid != c.gid {
			t.Errorf("%+v: %d, %d; want %d, %d", c.config, uid, gid, c.uid, c.gid)
		}
	}
}

func TestOneIDIsMappedFromInside(t *testing.T) {
	b := plan.NewBuilder([]int{0})
	if err := (Config{UID: id(4294967294), GID: id(0)}).Plan(host.Facts{UID: 1000, GID: 100}, b); err != nil || b.Err() != nil {
		t.Fatal(err, b.Err())
	}
	var text strings.Builder
	b.Program.Print(&text)
	for _, part := range []string{`"/proc/self/setgroups"`, `write($file, "4294967294 1000 1", 17)`, `write($file, "0 100 1", 7)`} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("no %s in\n%s", part, &text)
		}
	}
	if len(b.Barriers) > 0 {
		t.Error("the parent has something to do")
	}
}

// Whatever the tables hold, the map is whole or refused: it begins with the
// caller, has no holes inside, and holds the command's ids.
func FuzzRange(f *testing.F) {
	f.Add(1000, 100000, 65536, 0, 0, 0)
	f.Add(0, 100000, 1000, 300000, 500, 1499)
	f.Add(1, -1, -1, 1<<32, 1<<40, 70000)
	f.Fuzz(func(t *testing.T, own, start1, count1, start2, count2, want int) {
		facts := host.Facts{UID: own, GID: own, User: "ann", SubIDLogin: "ann", Newuidmap: "/newuidmap", Newgidmap: "/newgidmap",
			SubUIDs: []host.IDRange{{Start: start1, Count: count1}, {Start: start2, Count: count2}}}
		facts.SubGIDs = facts.SubUIDs
		config := Config{Map: MapRange, UID: &want, GID: &want}
		if config.Validate() != nil || count1 <= 0 || count2 <= 0 || count1 > 1<<32 || count2 > 1<<32 {
			return // host reads no such ranges
		}
		b := plan.NewBuilder([]int{0})
		if err := config.Plan(facts, b); err != nil {
			if p := new(problem.Problem); !errors.As(err, &p) || p.What == "" || p.Fix == "" {
				t.Fatalf("the problem is %v", err)
			}
			return
		}
		for _, a := range b.Barriers {
			inside, holds := 0, false
			for at := 2; at+2 < len(a.Command); at += 3 {
				var from, to, count int
				if n, err := fmt.Sscan(strings.Join(a.Command[at:at+3], " "), &from, &to, &count); n != 3 || err != nil {
					t.Fatal(a.Command, err)
				}
				if from != inside || at == 2 && (to != own || count != 1) {
					t.Fatalf("%v: %d follows %d", a.Command, from, inside)
				}
				holds = holds || want >= from && want < from+count
				inside = from + count
			}
			if !holds {
				t.Fatalf("%v does not hold %d", a.Command, want)
			}
		}
		if len(b.Barriers) != 2 {
			t.Fatalf("%d barriers", len(b.Barriers))
		}
	})
}
