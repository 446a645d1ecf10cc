package units

import "strings"

// Unescape takes the backslashes away of what stands between double quotes in a
// file of a shell's assignments, such as os-release(5) and user-dirs.dirs(5).
func Unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
