package cgroupfs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ParseCPUSet reads a list of CPUs and ranges, "0-3,8" (cpuset(7), "List
// format"). The result is in order, each CPU once.
func ParseCPUSet(s string) (cpus []int, err error) {
	for part := range strings.SplitSeq(s, ",") {
		low, high, ranged := strings.Cut(part, "-")
		if !ranged {
			high = low
		}
		a, err1 := strconv.ParseUint(low, 10, 13)
		b, err2 := strconv.ParseUint(high, 10, 13)
		if err1 != nil || err2 != nil || b < a {
			return nil, fmt.Errorf("%q is not a list of CPUs such as 0-3,8", s)
		}
		for ; a <= b; a++ {
			cpus = append(cpus, int(a))
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus), nil
}
