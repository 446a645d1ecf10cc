package bwrap

import (
	"fmt"
	"strings"
)

// Namespace is a namespace of a running sandbox.
type Namespace struct {
	Name string // "mnt"
	ID   uint64 // inode number of /proc/PID/ns/NAME
}

// Namespaces are the names of the namespaces that the request makes new, in the
// order in which bubblewrap tells of them. It never tells of the user namespace.
func (r *Request) Namespaces(around Surroundings) []string {
	c := r.namespaces(around)
	var names []string
	for _, ns := range []struct{ name, value string }{
		{"cgroup", c.Cgroup}, {"ipc", c.IPC}, {"mnt", ""}, {"net", c.Net}, {"pid", c.PID}, {"uts", c.UTS},
	} {
		if ns.value != share(true) {
			names = append(names, ns.name)
		}
	}
	return names
}

// Info is what --info-fd gets.
func Info(pid int, list []Namespace) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{\n    \"child-pid\": %d", pid)
	for _, ns := range list {
		fmt.Fprintf(&b, ",\n    \"%s-namespace\": %d", ns.Name, ns.ID)
	}
	b.WriteString("\n}\n")
	return b.String()
}

// Status is the first line of --json-status-fd.
func Status(pid int, list []Namespace) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{ \"child-pid\": %d", pid)
	for _, ns := range list {
		fmt.Fprintf(&b, ", \"%s-namespace\": %d", ns.Name, ns.ID)
	}
	b.WriteString(" }\n")
	return b.String()
}

// ExitStatus is the last line of --json-status-fd.
func ExitStatus(code int) string { return fmt.Sprintf("{ \"exit-code\": %d }\n", code) }
