package bwrap

import (
	"slices"
	"strings"

	"github.com/snug-sandbox/snug/userns"
)

// once warns of an option of which only the last one counts.
func (p *parser) once(name string, given bool) {
	if given {
		text := "Only the last " + name + " option will take effect"
		p.request.Warnings = append(p.request.Warnings, Format(Warning, p.request.LevelPrefix, text))
	}
}

func (p *parser) text(name, value string, into **string) {
	p.once(name, *into != nil)
	*into = &value
}

// number acts on an option whose value is a descriptor or an id.
func (p *parser) number(name, value string, into **int, what string) error {
	p.once(name, *into != nil)
	n, err := natural(value, what)
	if err == nil {
		*into = &n
	}
	return err
}

func (p *parser) argv0(value string) error {
	if p.argv0Given {
		return message("--argv0 used multiple times")
	}
	p.argv0Given, p.request.Argv0 = true, value
	return nil
}

func (p *parser) seccomp(value string) error {
	if len(p.request.AddSeccomp) > 0 {
		return message("--seccomp cannot be combined with --add-seccomp-fd")
	}
	return p.number("--seccomp", value, &p.request.Seccomp, "fd")
}

func (p *parser) addSeccomp(value string) error {
	if p.request.Seccomp != nil {
		return message("--add-seccomp-fd cannot be combined with --seccomp")
	}
	fd, err := natural(value, "fd")
	p.request.AddSeccomp = append(p.request.AddSeccomp, fd)
	return err
}

func (p *parser) label(name, value string, into *string) error {
	p.once(name, *into != "")
	if !p.caller.SELinux {
		return message("labeling not supported on this system")
	}
	*into = value
	return nil
}

func (p *parser) modifyPerms(value string) error {
	if p.perms != nil {
		return message("--perms given twice for the same action")
	}
	var err error
	p.perms, err = octal("--perms", value)
	return err
}

func (p *parser) modifySize(value string) (err error) {
	if p.size != 0 {
		return message("--size given twice for the same action")
	}
	p.size, err = size(value)
	return err
}

// setenv changes a variable where it stands, as setenv(3) does.
func (p *parser) setenv(name, value string) error {
	if name == "" || strings.Contains(name, "=") {
		return message("setenv failed")
	}
	name += "="
	environ := p.request.Environ
	for i, variable := range environ {
		if strings.HasPrefix(variable, name) {
			environ[i] = name + value
			return nil
		}
	}
	p.request.Environ = append(environ, name+value)
	return nil
}

func (p *parser) unsetenv(name string) error {
	if name == "" || strings.Contains(name, "=") {
		return message("unsetenv failed")
	}
	name += "="
	p.request.Environ = slices.DeleteFunc(p.request.Environ, func(variable string) bool { return strings.HasPrefix(variable, name) })
	return nil
}

// capability reads one as cap_from_name(3) does: its name with "cap_" in any
// case, or its number. What follows a character that no name has is ignored.
func (p *parser) capability(add bool, name string) error {
	c := Capability{Add: add}
	switch nr, ok := capabilityNumber(name); {
	case strings.EqualFold(name, "ALL"):
		c.All = true
	case ok:
		c.Nr = nr
	default:
		return message("unknown cap: " + name)
	}
	p.request.Capabilities = append(p.request.Capabilities, c)
	return nil
}

func capabilityNumber(name string) (int, bool) {
	if n, rest, err := leadingNumber(name); rest != name {
		return int(n), err == nil && n < 64
	}
	if end := strings.IndexFunc(name, notInName); end >= 0 {
		name = name[:end]
	}
	for nr, known := range userns.Capabilities {
		if strings.EqualFold(known, name) {
			return nr, true
		}
	}
	return 0, false
}

func notInName(c rune) bool {
	return c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z')
}
