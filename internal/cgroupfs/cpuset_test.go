package cgroupfs

import (
	"slices"
	"testing"
)

func TestParseCPUSet(t *testing.T) {
	for text, want := range map[string][]int{"0": {0}, "0-3": {0, 1, 2, 3}, "8,0-1,1": {0, 1, 8}, "3-3": {3}} {
		if got, err := ParseCPUSet(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "3-0", "0,", "a", "0 1", "-1", "0-", "8192", "1-2-3"} {
		if got, err := ParseCPUSet(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func FuzzParseCPUSet(f *testing.F) {
	f.Add("0-3,8")
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := ParseCPUSet(s); err == nil && (len(got) == 0 || !slices.IsSorted(got) || got[0] < 0) {
			t.Errorf("%q: %v", s, got)
		}
	})
}
