package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/userns"
)

const rangeBreaks = `map = "range" in [identity]: more than one user in a sandbox`

// identity is about who the command can be.
func identity(s seen) []Check {
	return []Check{
		idHelper("newuidmap", s.Newuidmap, s.UIDPrivilege, s),
		idHelper("newgidmap", s.Newgidmap, s.GIDPrivilege, s),
		idRanges(s),
		groups(s),
	}
}

func idHelper(name, path string, how host.Privilege, s seen) Check {
	if path == "" {
		return Check{Name: name, State: Missing, Found: "not found", Breaks: rangeBreaks, Mend: s.Distro.Install(name)}
	}
	c := Check{Name: name, State: OK, Found: path + ", " + string(how)}
	if how == host.Plain {
		c.Found = path
	}
	if p := userns.PowerlessHelper(name, s.Userns); p != nil {
		c = refused(c, p)
		c.State, c.Breaks = Missing, rangeBreaks
	}
	return c
}

// idRanges judges the tables, and at last whether a range was really mapped.
func idRanges(s seen) Check {
	c := Check{Name: "subuid ranges", State: OK, Found: "users " + show(s.SubUIDs) + ", groups " + show(s.SubGIDs)}
	var p *problem.Problem
	switch {
	case s.tables != nil:
		p = asProblem(s.tables)
	case len(s.SubUIDs) == 0 || len(s.SubGIDs) == 0:
		f := s.Facts
		f.Newuidmap, f.Newgidmap = "/bin/true", "/bin/true" // they have lines of their own
		p = userns.MissingForRange(f)
	case s.idRange != nil && s.idRange != errNotTried:
		p = asProblem(s.idRange)
	default:
		return c
	}
	c = refused(c, p)
	c.State, c.Breaks = Missing, rangeBreaks
	return c
}

func show(ranges []host.IDRange) string {
	var words []string
	for _, r := range ranges {
		words = append(words, fmt.Sprintf("%d-%d", r.Start, r.Last()))
	}
	return strings.Join(words, ", ")
}

// asProblem finds the problem in err, or makes one of it.
func asProblem(err error) *problem.Problem {
	var p *problem.Problem
	if errors.As(err, &p) {
		why := p.Why
		if why == "" {
			why = p.Error()
		} else if p.What != "" {
			why = p.What + ": " + why
		}
		return &problem.Problem{Why: why, Fix: p.Fix}
	}
	return &problem.Problem{Why: err.Error()}
}

// groups explains what becomes of the supplementary groups. An ordinary user
// cannot map them (user_namespaces(7)), and no map takes them away.
func groups(s seen) Check {
	c := Check{Name: "groups", State: OK, Found: "only " + s.group(s.GID)}
	var lost, kept []string
	for _, gid := range s.Groups {
		switch {
		case gid == s.GID || slices.Contains(lost, s.group(gid)):
		case slices.ContainsFunc(s.SubGIDs, func(r host.IDRange) bool { return gid >= r.Start && int64(gid) <= r.Last() }):
			kept = append(kept, s.group(gid))
		default:
			lost = append(lost, s.group(gid))
		}
	}
	if len(lost)+len(kept) > 0 {
		c.Found = s.group(s.GID) + ", " + strings.Join(append(kept, lost...), ", ")
	}
	if len(lost) == 0 {
		return c
	}
	c.State = Limited
	c.Breaks = "only names: " + strings.Join(lost, ", ") + " still open files inside, but show as nogroup (65534) there, and chgrp to them fails"
	c.Mend = "nothing, for access; to see them under numbers of their own, with map = \"range\":\n" + s.mapGroups()
	return c
}

// mapGroups puts each group that is not mapped yet into the caller's ranges.
func (s seen) mapGroups() string {
	command := "sudo usermod"
	for i, gid := range s.Groups {
		if gid != s.GID && !slices.Contains(s.Groups[:i], gid) {
			command += fmt.Sprintf(" --add-subgids %d-%d", gid, gid)
		}
	}
	return command + " " + s.User
}

// group is "audio (29)", or only the number.
func (s seen) group(gid int) string {
	if name := s.groups[gid]; name != "" {
		return fmt.Sprintf("%s (%d)", name, gid)
	}
	return fmt.Sprint(gid)
}
