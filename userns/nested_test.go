package userns

import (
	"slices"
	"testing"

	"github.com/snug-sandbox/snug/internal/plan"
)

func TestHowFurtherNamespacesAreForbidden(t *testing.T) {
	for name, c := range map[string]struct {
		privileges Privileges
		shared     bool
		calls      []string
	}{
		"allowed":              {Privileges{NestedUserns: true}, false, nil},
		"ordinary":             {Privileges{}, false, []string{"openat", "write", "close", "prctl"}},
		"one that matters not": {Privileges{Capabilities: []string{"CAP_NET_ADMIN"}}, false, []string{"openat", "write", "close", "prctl"}},
		"admin":                {Privileges{Capabilities: []string{"CAP_SYS_ADMIN"}}, false, []string{"prctl"}},
		"resource":             {Privileges{Capabilities: []string{"CAP_SYS_RESOURCE"}}, false, []string{"prctl"}},
		"shared":               {Privileges{}, true, []string{"prctl"}},
	} {
		b := plan.NewBuilder([]int{0})
		if err := c.privileges.PlanNested(c.shared, make([]byte, 8), b); err != nil || b.Program.Check() != nil && len(b.Program.Steps) > 0 {
			t.Fatal(name, err, b.Program.Check())
		}
		var calls []string
		for _, s := range b.Program.Steps {
			calls = append(calls, s.Call.Name)
		}
		if !slices.Equal(calls, c.calls) {
			t.Errorf("%s: %v, want %v", name, calls, c.calls)
		}
	}
}

func TestTheFilterIsTheWayOutOnlyWhereTheLimitCannotBeSet(t *testing.T) {
	b := plan.NewBuilder([]int{0})
	if err := (Privileges{}).PlanNested(false, make([]byte, 8), b); err != nil {
		t.Fatal(err)
	}
	open, closed := b.Program.Steps[0], b.Program.Steps[2]
	if open.Else != 3 || closed.Then != 4 || open.Note == "" {
		t.Errorf("%+v, %+v", open, closed)
	}
}

// A filter that the command gets anyhow forbids them too.
func TestASecondFilterIsNotLoaded(t *testing.T) {
	for _, shared := range []bool{false, true} {
		b := plan.NewBuilder([]int{0})
		if err := (Privileges{}).PlanNested(shared, nil, b); err != nil {
			t.Fatal(err)
		}
		for _, s := range b.Program.Steps {
			if s.Call.Name == "prctl" {
				t.Errorf("shared %v: %+v", shared, s)
			}
		}
	}
}
