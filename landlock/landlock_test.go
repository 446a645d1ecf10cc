package landlock

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
)

// everything is a wall with all its parts.
func everything() Wall {
	return Wall{Files: true, Signals: true, Sockets: true, TCP: true, Rules: []Rule{{Path: "/", Access: Read, Dir: true}, {Path: "/data", Access: All}}, Open: []Open{{1, Change}}}
}

func TestWhatEachVersionHolds(t *testing.T) {
	for abi, lacks := range []string{
		"files TCP signals abstract sockets", "files TCP signals abstract sockets", "TCP signals abstract sockets", "TCP signals abstract sockets",
		"signals abstract sockets", "signals abstract sockets", "", "",
	} {
		held, names := everything().On(abi)
		if got := strings.Join(names, " "); got != lacks {
			t.Errorf("version %d lacks %q, want %q", abi, got, lacks)
		}
		if held.Empty() != (abi < 2) {
			t.Errorf("version %d holds %+v", abi, held)
		}
	}
}

// planned returns the attributes of the rule set and the calls of a plan.
func planned(t *testing.T, c Config, w Wall, abi int) (attr []uint64, calls []string) {
	t.Helper()
	b := plan.NewBuilder([]int{0})
	if err := c.Plan(w, abi, b); err != nil || b.Program.Check() != nil && len(b.Program.Steps) > 0 {
		t.Fatal(err, b.Program.Check())
	}
	for _, s := range b.Program.Steps {
		calls = append(calls, s.Call.Name)
		if s.Call.Name == "landlock_create_ruleset" {
			for i := range s.Args[1].Value / 8 {
				attr = append(attr, binary.NativeEndian.Uint64(b.Program.Data[s.Args[0].Value+8*i:]))
			}
		}
	}
	return attr, calls
}

func TestTheAttributesFitTheVersion(t *testing.T) {
	for abi, want := range map[int][]uint64{
		2: {1<<14 - 1}, 3: {1<<15 - 1}, 4: {1<<15 - 1, 3}, 5: {1<<16 - 1, 3}, 6: {1<<16 - 1, 3, 3}, 7: {1<<16 - 1, 3, 3}, 99: {1<<16 - 1, 3, 3},
	} {
		if attr, _ := planned(t, Config{}, everything(), abi); !slices.Equal(attr, want) {
			t.Errorf("version %d: %#x, want %#x", abi, attr, want)
		}
	}
	w := everything()
	w.Files, w.TCP = false, false
	if attr, calls := planned(t, Config{}, w, 7); !slices.Equal(attr, []uint64{0, 0, 3}) || slices.Contains(calls, "openat") {
		t.Errorf("only scopes: %#x, %v", attr, calls)
	}
}

func TestWhenThereIsNoWall(t *testing.T) {
	for _, c := range []struct {
		config Config
		wall   Wall
		abi    int
	}{{Config{Landlock: No}, everything(), 7}, {Config{}, everything(), 0}, {Config{}, Wall{}, 7}, {Config{Landlock: Require}, Wall{}, 0}} {
		if _, calls := planned(t, c.config, c.wall, c.abi); calls != nil {
			t.Errorf("%+v: %v", c, calls)
		}
	}
	var p *problem.Problem
	for abi := range 6 {
		if err := (Config{Landlock: Require}).Plan(everything(), abi, plan.NewBuilder(nil)); !errors.As(err, &p) || p.Why == "" || p.Fix == "" {
			t.Errorf("version %d: %v", abi, err)
		}
	}
	if (Config{Landlock: "maybe"}).Validate() == nil || (Config{Landlock: Require}).Validate() != nil {
		t.Error("words")
	}
}
