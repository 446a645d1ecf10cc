package plan

import (
	"slices"
	"testing"

	"github.com/snug-sandbox/snug/internal/program"
)

func TestNotesAreToldWhenTheyAreDue(t *testing.T) {
	p := &Plan{Due: []Due{{From: 1, To: 3, At: 6}, {From: 3, To: 4}}}
	for _, note := range []string{"", "proc", "proc", "never", "filter", "", "", "last"} {
		p.Program.Steps = append(p.Program.Steps, program.Step{Note: note})
	}
	for _, c := range []struct {
		steps []int
		end   int
		want  []string
	}{
		{nil, -1, nil},
		{[]int{1, 2, 3, 4, 7}, -1, []string{"filter", "proc", "last"}},
		{[]int{1, 2, 4}, 6, []string{"filter", "proc"}},
		{[]int{1, 2, 4}, 5, []string{"filter"}},
		{[]int{3}, -1, nil},
	} {
		if got := p.NotesDue(c.steps, c.end); !slices.Equal(got, c.want) {
			t.Errorf("%v up to %d: %q, want %q", c.steps, c.end, got, c.want)
		}
	}
}
