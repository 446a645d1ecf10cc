package desktopentry

import (
	"errors"
	"strings"
)

// Service is the group of a file by which a bus starts a program (D-Bus
// specification, "Message Bus Starting Services").
const Service = "D-BUS Service"

// ParseService reads such a file.
func ParseService(text string) (*File, error) {
	// The syntax is the same, but for the main group.
	f, err := Parse(strings.TrimRight(text, "\n") + "\n[" + Main + "]\n")
	if err != nil {
		return nil, err
	}
	f.Groups = f.Groups[:len(f.Groups)-1]
	if f.Group(Service) == nil {
		return nil, errors.New("there is no group [" + Service + "]")
	}
	return f, nil
}

// SandboxedService is Sandboxed for such a file. Without a unit of systemd's it is
// the bus that starts the program.
func (f *File) SandboxedService(command []string, marker string) error {
	g := f.Group(Service)
	words, err := Words(Escape(g.Get("Exec")))
	if err != nil {
		return err
	}
	quoted := make([]string, 0, len(command)+len(words))
	for _, w := range append(append([]string{}, command...), words...) {
		quoted = append(quoted, quote(w))
	}
	g.Set("Exec", strings.Join(quoted, " "))
	g.Delete("SystemdService")
	g.Set(Marker, marker)
	return nil
}
