package profiles

import "strings"

// nearest returns the word of words that s most likely was meant to be, or "".
func nearest(s string, words []string) string {
	best, least := "", 1+min(len(s)/4, 2)+1
	for _, w := range words {
		if n := distance(strings.ToLower(s), strings.ToLower(w), least); n < least {
			best, least = w, n
		}
	}
	if best == "" && len(s) > 2 {
		best = onlyWithPrefix(s, words)
	}
	return best
}

func onlyWithPrefix(s string, words []string) string {
	found := ""
	for _, w := range words {
		if strings.HasPrefix(w, strings.ToLower(s)) {
			if found != "" {
				return ""
			}
			found = w
		}
	}
	return found
}

// distance counts the letters that have to be put in, taken out, changed or
// swapped with their neighbour to make b of a, up to limit: what a hand does
// wrong on a keyboard (optimal string alignment).
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	two, one, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range one {
		one[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := one[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, one[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one, row = one, row, two
	}
	return one[len(b)]
}
