package host

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// account is what Snug needs of a line of /etc/passwd (passwd(5)).
type account struct {
	name string
	home string
}

// passwdByUID finds the first entry of uid in root's /etc/passwd. Package
// os/user would do the same, at the price of its initialisers.
func passwdByUID(root string, uid int) (account, bool) {
	file, err := os.Open(filepath.Join(root, "etc/passwd"))
	if err != nil {
		return account{}, false
	}
	defer file.Close()
	return findUID(file, uid)
}

func findUID(r io.Reader, uid int) (found account, ok bool) {
	number := strconv.Itoa(uid)
	eachLine(r, func(line string) bool {
		field := strings.Split(line, ":")
		if len(field) < 7 || field[2] != number || field[0] == "" {
			return true
		}
		found, ok = account{name: field[0], home: field[5]}, true
		return false
	})
	return found, ok
}

// groupNames returns the names of gids in root's /etc/group; a gid without a
// name is missing.
func groupNames(root string, gids []int) map[int]string {
	names := make(map[int]string)
	file, err := os.Open(filepath.Join(root, "etc/group"))
	if err != nil {
		return names
	}
	defer file.Close()
	wanted := make(map[string]int, len(gids))
	for _, gid := range gids {
		wanted[strconv.Itoa(gid)] = gid
	}
	eachLine(file, func(line string) bool {
		field := strings.Split(line, ":")
		if len(field) < 4 {
			return true
		}
		gid, ok := wanted[field[2]]
		if _, known := names[gid]; ok && !known {
			names[gid] = field[0]
		}
		return true
	})
	return names
}

// GroupNames returns the names that /etc/group has for gids.
func GroupNames(gids []int) map[int]string { return groupNames("/", gids) }

// eachLine calls do with every line of r until it returns false. A line of more
// than a mebibyte ends the reading: no table here has such an entry.
func eachLine(r io.Reader, do func(line string) bool) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() && do(lines.Text()) {
	}
}
