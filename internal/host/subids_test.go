package host

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestCheckIDRanges(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ranges []IDRange
		want   string // part of the error; empty: none
	}{
		{"none", nil, ""},
		{"usual", []IDRange{{100000, 65536}}, ""},
		{"two that touch", []IDRange{{165536, 10}, {100000, 65536}}, ""},
		{"the last id", []IDRange{{MaxID, 1}}, ""},
		{"negative start", []IDRange{{-1, 10}}, "starts below zero"},
		{"negative count", []IDRange{{100000, -5}}, "holds no ids"},
		{"empty", []IDRange{{100000, 0}}, "holds no ids"},
		{"one too many", []IDRange{{MaxID, 2}}, "beyond the highest id"},
		{"start too high", []IDRange{{MaxID + 1, 1}}, "beyond the highest id"},
		{"sum overflows", []IDRange{{math.MaxInt, math.MaxInt}}, "beyond the highest id"},
		{"count overflows", []IDRange{{1, math.MaxInt}}, "beyond the highest id"},
		{"overlap", []IDRange{{100000, 65536}, {165535, 1}}, "overlap"},
		{"contained", []IDRange{{200000, 10}, {100000, 1000000}}, "overlap"},
		{"the same", []IDRange{{100000, 5}, {100000, 5}}, "overlap"},
		{"holds the caller", []IDRange{{0, 65536}}, "your own id, 1000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := CheckIDRanges(tt.ranges, 1000)
			switch {
			case err == nil && tt.want != "":
				t.Errorf("no error; want %q", tt.want)
			case err != nil && (tt.want == "" || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v; want %q", err, tt.want)
			}
		})
	}
}

func TestCheckRangesDropsTwins(t *testing.T) {
	got, err := checkRanges(subuidFile, []IDRange{{100000, 5}, {200000, 5}, {100000, 5}}, 1000)
	if err != nil || !slices.Equal(got, []IDRange{{100000, 5}, {200000, 5}}) {
		t.Errorf("got %v, %v", got, err)
	}
	_, err = checkRanges(subuidFile, []IDRange{{100000, 0}}, 1000)
	if err == nil || !strings.Contains(err.Error(), "/etc/subuid: the range 100000:0") {
		t.Errorf("got %v", err)
	}
}

func TestGatherSubIDsOfAFakeRoot(t *testing.T) {
	root := tree(t, map[string]string{
		"etc/passwd": "ann:x:1000:1000::/home/ann:/bin/sh\n",
		"etc/subuid": "# table\n\nbob:100000:65536\nann:165536:65536\n1000:400000:10\nbroken\nann:x:1\n",
	})
	f := Facts{UID: 1000}
	if err := f.gatherSubIDs(root); err != nil {
		t.Fatal(err)
	}
	if want := []IDRange{{165536, 65536}, {400000, 10}}; !slices.Equal(f.SubUIDs, want) {
		t.Errorf("uids %v, want %v", f.SubUIDs, want)
	}
	if f.SubGIDs != nil || !slices.Equal(f.NoSubIDFile, []string{"/etc/subgid"}) || f.SubIDLogin != "ann" {
		t.Errorf("got %+v", f)
	}
	if want := (IDRange{231072, 65536}); f.FreeSubIDs != want {
		t.Errorf("free %v, want %v", f.FreeSubIDs, want)
	}
}

func TestFreeRange(t *testing.T) {
	for _, tt := range []struct {
		name  string
		taken []IDRange
		start int
	}{
		{"nothing taken", nil, 100000},
		{"the first", []IDRange{{100000, 65536}}, 165536},
		{"a gap that is large enough", []IDRange{{300000, 65536}, {100000, 65536}}, 165536},
		{"a gap that is too small", []IDRange{{200000, 65536}, {100000, 65536}}, 265536},
		{"reaches into it from below", []IDRange{{0, 150000}}, 150000},
		{"garbage", []IDRange{{-5, 3}, {100000, -1}, {math.MaxInt, math.MaxInt}}, 100000},
		{"nothing left", []IDRange{{0, MaxID}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := freeRange(tt.taken); got.Start != tt.start {
				t.Errorf("got %v, want %d", got, tt.start)
			}
		})
	}
}

// FuzzSubIDs feeds a table's text to the parser. What the validator lets
// through must be what the kernel takes, judged here id by id from sorted
// edges; and the range that is offered as free must be nobody's.
func FuzzSubIDs(f *testing.F) {
	for _, seed := range []string{
		"ann:100000:65536\n", "ann:100000:65536\nbob:165536:65536\nann:231072:1\n",
		"1000:1:2\nann:2:1\n", "ann:-1:5", "ann:0:0", "ann:4294967294:1", "ann:4294967295:1",
		"ann:9223372036854775807:9223372036854775807", "#ann:1:1", "ann:1", "ann: 1:1", "ann:+5:1", "\x00:1:1",
		"ann:100000:65536\nann:100000:65536\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name := t.TempDir() + "/subuid"
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		entries, err := readSubIDs(name)
		if err != nil {
			t.Fatal(err)
		}
		checkFree(t, freeRange(allRanges(entries)), entries)
		ranges := rangesOf(entries, 1000, "ann")
		if CheckIDRanges(ranges, 1000) == nil {
			checkKernelTakes(t, append(ranges, IDRange{1000, 1}))
		}
	})
}

func checkFree(t *testing.T, free IDRange, entries []subIDEntry) {
	if free == (IDRange{}) {
		return
	}
	if free.Start < 100000 || free.Last() > MaxID {
		t.Fatalf("offers %v", free)
	}
	for _, e := range entries {
		if e.Count > 0 && int64(e.Start) <= free.Last() && e.Last() >= int64(free.Start) {
			t.Fatalf("offers %v, which %v has", free, e)
		}
	}
}

func checkKernelTakes(t *testing.T, ranges []IDRange) {
	slices.SortFunc(ranges, func(a, b IDRange) int { return a.Start - b.Start })
	next := 0 // the lowest id that is still free
	for _, r := range ranges {
		if r.Start < next || r.Count < 1 || uint64(r.Start)+uint64(r.Count) > MaxID+1 {
			t.Fatalf("let %v through in %v", r, ranges)
		}
		next = r.Start + r.Count
	}
}
