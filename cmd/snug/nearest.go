package main

import (
	"slices"
	"strings"
)

// nearest returns the word of a list that was probably meant by a misspelt or
// shortened one, or "" when none is close: a third of its letters may differ.
func nearest(word string, list []string) string {
	letters := len(strings.TrimLeft(word, "-"))
	best, least := "", min(max(1, letters/3)+1, letters-1)
	for _, candidate := range list {
		if letters >= 3 && strings.HasPrefix(candidate, word) {
			return candidate
		}
		if d := distance(word, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// meantOption returns what was probably meant by an option that is none of the
// list, or "".
func meantOption(word string, list []string) string {
	if word, _, _ = strings.Cut(word, "="); otherName(word) != "" {
		if name, _, _ := strings.Cut(otherName(word), " "); slices.Contains(list, name) {
			return otherName(word)
		}
	}
	// A word too many in front: --as-pid1.
	for rest := word; ; {
		_, tail, ok := strings.Cut(strings.TrimLeft(rest, "-"), "-")
		if rest = "--" + tail; !ok {
			break
		}
		if slices.Contains(list, rest) {
			return rest
		}
	}
	if !strings.HasPrefix(word, "--no") {
		// Whoever does not write "no" does not mean it.
		list = slices.DeleteFunc(slices.Clone(list), func(s string) bool { return strings.HasPrefix(s, "--no-") })
	}
	return nearest(strings.ToLower(word), list)
}

// otherName is what other programs of this kind call an option of ours.
func otherName(word string) string {
	switch word {
	case "--as-pid-1", "--init":
		return "--pid1"
	case "--chdir", "--cwd":
		return "--workdir"
	case "--setenv":
		return "--env"
	case "--unsetenv":
		return "--unset-env"
	case "--cap-add":
		return "--cap"
	case "--volume", "--mount", "-v":
		return "--bind"
	case "--network", "--share-net":
		return "--net host"
	case "--unshare-all", "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup":
		return "--unshare " + strings.TrimPrefix(word, "--unshare-")
	case "--ro-bind-try", "--dev-bind-try", "--bind-try":
		return strings.TrimSuffix(word, "-try")
	}
	return ""
}

// distance is the number of letters to insert, delete, replace or swap with
// their neighbour to get from a to b (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+differ(a[i-1], b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func differ(a, b byte) int {
	if a == b {
		return 0
	}
	return 1
}
