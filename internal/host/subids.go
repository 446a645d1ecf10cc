package host

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rootless-containers/rootlesskit/v3/pkg/parent/idtools"
	"github.com/snug-sandbox/snug/internal/problem"
)

// MaxID is the highest id that can be mapped; the one above it means "no id"
// (user_namespaces(7)).
const MaxID = 1<<32 - 2

const (
	subuidFile = "/etc/subuid"
	subgidFile = "/etc/subgid"
)

// gatherSubIDs fills in the caller's ranges and the helpers that grant them. A
// caller without a range is no error here; ranges that no kernel would take are.
func (f *Facts) gatherSubIDs(root string) error {
	entry, _ := passwdByUID(root, f.UID)
	f.SubIDLogin = entry.name
	f.Newuidmap = findHelper(root, "newuidmap")
	f.Newgidmap = findHelper(root, "newgidmap")

	uids, uidErr := readSubIDs(filepath.Join(root, subuidFile))
	gids, gidErr := readSubIDs(filepath.Join(root, subgidFile))
	if errors.Is(uidErr, fs.ErrNotExist) {
		f.NoSubIDFile = append(f.NoSubIDFile, subuidFile)
	}
	if errors.Is(gidErr, fs.ErrNotExist) {
		f.NoSubIDFile = append(f.NoSubIDFile, subgidFile)
	}
	f.FreeSubIDs = freeRange(append(allRanges(uids), allRanges(gids)...))
	f.SubUIDs, f.SubGIDs = rangesOf(uids, f.UID, f.SubIDLogin), rangesOf(gids, f.UID, f.SubIDLogin)
	if filepath.Clean(root) != "/" {
		return nil // RootlessKit's parser knows no other place
	}
	return f.parseSubIDs()
}

// parseSubIDs lets RootlessKit read the tables, and then doubts the outcome: a
// range that the kernel refuses would otherwise show as a bare EINVAL.
func (f *Facts) parseSubIDs() error {
	uids, gids, err := idtools.GetSubIDRanges(f.UID, f.SubIDLogin)
	if errors.Is(err, fs.ErrNotExist) || err != nil && strings.HasPrefix(err.Error(), "no sub") {
		return nil // the caller's line is missing, which SubUIDs and SubGIDs show
	}
	if err != nil {
		return &problem.Problem{
			What: "the tables of subordinate ids",
			Fix:  "mend the lines of " + subuidFile + " and " + subgidFile + ": NAME:START:COUNT (subuid(5))",
			Err:  err,
		}
	}
	if f.SubUIDs, err = checkRanges(subuidFile, fromIDTools(uids), f.UID); err != nil {
		return err
	}
	f.SubGIDs, err = checkRanges(subgidFile, fromIDTools(gids), f.GID)
	return err
}

func fromIDTools(list []idtools.SubIDRange) []IDRange {
	ranges := make([]IDRange, len(list))
	for i, r := range list {
		ranges[i] = IDRange{Start: r.Start, Count: r.Length}
	}
	return ranges
}

func checkRanges(table string, ranges []IDRange, own int) ([]IDRange, error) {
	ranges = withoutTwins(ranges)
	if err := CheckIDRanges(ranges, own); err != nil {
		return nil, &problem.Problem{
			What: table,
			Fix:  "mend your line of " + table + ": NAME:START:COUNT (subuid(5))",
			Err:  err,
		}
	}
	return ranges, nil
}

// withoutTwins drops exact repetitions: a table that lists the caller by name
// and by number is common and harmless.
func withoutTwins(ranges []IDRange) []IDRange {
	var kept []IDRange
	for _, r := range ranges {
		if !slices.Contains(kept, r) {
			kept = append(kept, r)
		}
	}
	return kept
}

// CheckIDRanges reports what the kernel would refuse in an id map made of
// ranges beside own, the caller's own id: negative or empty ranges, ids beyond
// MaxID, and ids that occur twice.
func CheckIDRanges(ranges []IDRange, own int) error {
	for i, r := range ranges {
		switch {
		case r.Start < 0:
			return fmt.Errorf("the range %d:%d starts below zero", r.Start, r.Count)
		case r.Count <= 0:
			return fmt.Errorf("the range %d:%d holds no ids", r.Start, r.Count)
		case int64(r.Start) > MaxID || int64(r.Count) > MaxID+1-int64(r.Start):
			return fmt.Errorf("the range %d:%d goes beyond the highest id, %d", r.Start, r.Count, int64(MaxID))
		case own >= r.Start && int64(own) <= r.Last():
			return fmt.Errorf("the range %d:%d holds your own id, %d", r.Start, r.Count, own)
		}
		for _, other := range ranges[:i] {
			if int64(r.Start) <= other.Last() && int64(other.Start) <= r.Last() {
				return fmt.Errorf("the ranges %d:%d and %d:%d overlap", other.Start, other.Count, r.Start, r.Count)
			}
		}
	}
	return nil
}

// subIDEntry is one line of a table, whoever it belongs to.
type subIDEntry struct {
	owner string
	IDRange
}

// readSubIDs reads a whole table for advice: who lacks a line, and which ids
// are free. It passes over lines that it cannot read.
func readSubIDs(name string) ([]subIDEntry, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var entries []subIDEntry
	eachLine(file, func(line string) bool {
		if entry, ok := parseSubID(line); ok {
			entries = append(entries, entry)
		}
		return true
	})
	return entries, nil
}

func parseSubID(line string) (subIDEntry, bool) {
	field := strings.Split(strings.TrimSpace(line), ":")
	if len(field) != 3 || field[0] == "" || field[0][0] == '#' {
		return subIDEntry{}, false
	}
	start, err1 := strconv.Atoi(field[1])
	count, err2 := strconv.Atoi(field[2])
	return subIDEntry{field[0], IDRange{start, count}}, err1 == nil && err2 == nil
}

func rangesOf(entries []subIDEntry, uid int, login string) []IDRange {
	var ranges []IDRange
	number := strconv.Itoa(uid)
	for _, e := range entries {
		if e.owner == number || login != "" && e.owner == login {
			ranges = append(ranges, e.IDRange)
		}
	}
	return withoutTwins(ranges)
}

func allRanges(entries []subIDEntry) []IDRange {
	ranges := make([]IDRange, len(entries))
	for i, e := range entries {
		ranges[i] = e.IDRange
	}
	return ranges
}

// freeRange finds the first 65536 ids from 100000 up, where useradd(8) starts
// too, that none of taken holds.
func freeRange(taken []IDRange) IDRange {
	const first, count = 100000, 65536
	slices.SortFunc(taken, func(a, b IDRange) int { return cmp.Compare(a.Start, b.Start) })
	start := int64(first)
	for _, r := range taken {
		if r.Count > 0 && int64(r.Start) < start+count && r.Last() >= start {
			start = r.Last() + 1
		}
	}
	if start+count-1 > MaxID {
		return IDRange{}
	}
	return IDRange{Start: int(start), Count: count}
}
