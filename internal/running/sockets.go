package running

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// SocketOwner is the name of the program below a process that has a socket of a
// protocol ("tcp", "udp") with a local port in that process's network namespace;
// "" when it cannot be told.
func SocketOwner(first int, protocol string, port uint16) string {
	inodes := map[string]bool{}
	for _, family := range []string{"", "6"} {
		text, _ := os.ReadFile("/proc/" + strconv.Itoa(first) + "/net/" + protocol + family)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 10 {
				continue
			}
			_, hex, _ := strings.Cut(f[1], ":")
			if n, err := strconv.ParseUint(hex, 16, 16); err == nil && uint16(n) == port && port != 0 && f[9] != "0" {
				inodes["socket:["+f[9]+"]"] = true
			}
		}
	}
	if len(inodes) == 0 {
		return ""
	}
	// The sandbox's own processes, and then those of others in its network.
	owners := Processes(first, 0)
	if net := Namespace(first, "net"); net != 0 {
		for _, pid := range pids() {
			if !slices.Contains(owners, pid) && Namespace(pid, "net") == net {
				owners = append(owners, pid)
			}
		}
	}
	for _, pid := range owners {
		dir := filepath.Join("/proc", strconv.Itoa(pid))
		files, _ := os.ReadDir(dir + "/fd")
		for _, file := range files {
			if link, err := os.Readlink(dir + "/fd/" + file.Name()); err == nil && inodes[link] {
				name, _ := os.ReadFile(dir + "/comm")
				return strings.TrimSpace(string(name))
			}
		}
	}
	return ""
}
