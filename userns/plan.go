package userns

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/snug-sandbox/snug/internal/child"
	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/program"
)

const (
	maxID     = 1<<32 - 2
	maxGroups = 65536 // NGROUPS_MAX, setgroups(2)
)

// Validate reports what makes no sense on any machine.
func (c Config) Validate() error {
	var list problem.List
	bad := func(key, why, fix string) {
		list = append(list, &problem.Problem{What: "identity." + key, Why: why, Fix: fix})
	}
	switch c.Map {
	case "", MapSelf, MapRoot, MapRange:
	default:
		bad("map", strconv.Quote(c.Map)+" is not a way to map ids", "one of self, root, range")
	}
	for key, id := range map[string]*int{"uid": c.UID, "gid": c.GID} {
		if id != nil && (*id < 0 || *id > maxID) {
			bad(key, strconv.Itoa(*id)+" is not an id", "a number from 0 to 4294967294")
		}
	}
	for _, id := range c.Groups {
		if id < 0 || id > maxID {
			bad("groups", strconv.Itoa(id)+" is not an id", "numbers from 0 to 4294967294")
		}
	}
	if len(c.Groups) > maxGroups {
		bad("groups", strconv.Itoa(len(c.Groups))+" are too many", "at most "+strconv.Itoa(maxGroups))
	}
	if c.Home != "" && c.Home[0] != '/' {
		bad("home", strconv.Quote(c.Home)+" is not an absolute path", "")
	}
	return list.Err()
}

// IDs returns the user and group id of the command inside.
func (c Config) IDs(f host.Facts) (uid, gid int) {
	uid, gid = f.UID, f.GID
	if c.Map == MapRoot || c.Map == MapRange {
		uid, gid = 0, 0
	}
	if c.UID != nil {
		uid = *c.UID
	}
	if c.GID != nil {
		gid = *c.GID
	}
	return uid, gid
}

// Plan appends the steps that write the id maps of the new user namespace the
// child is in. A single id the child may map itself; for a range newuidmap(1)
// and newgidmap(1) have to be called from outside.
func (c Config) Plan(f host.Facts, p *plan.Builder) error {
	if c.Map == MapRange {
		return c.planRange(f, p)
	}
	if fd := c.Block; fd != nil {
		p.Do("wait until the ids are mapped", plan.Read, plan.Num(uint64(*fd)), p.Space(8), plan.Num(1))
		p.Do("close descriptor "+strconv.Itoa(*fd), plan.Close, plan.Num(uint64(*fd)))
		return nil
	}
	uid, gid := c.IDs(f)
	p.WriteFile("give up setgroups", plan.Cwd, "/proc/self/setgroups", "deny")
	writeMap(fmt.Sprintf("map user %d to %d", uid, f.UID), "/proc/self/uid_map", Line(uid, f.UID), p)
	writeMap(fmt.Sprintf("map group %d to %d", gid, f.GID), "/proc/self/gid_map", Line(gid, f.GID), p)
	return nil
}

// Line is the line of a map (user_namespaces(7)) that has one id.
func Line(inside, outside int) string { return fmt.Sprintf("%d %d 1", inside, outside) }

// writeMap writes a map of one line. It has room for every line, so that all that
// follows is where it is with any other: a process that was made ahead may have written
// one already (child.Identify).
func writeMap(label, path, line string, p *plan.Builder) {
	text := p.Bytes(append([]byte(line), make([]byte, child.MapSize-len(line))...))
	text.Form = program.Text
	p.WriteBytes(label, plan.Cwd, path, text, len(line))
}

// planRange maps root inside to the caller, and the ids from 1 up to the
// caller's subordinate ids.
func (c Config) planRange(f host.Facts, p *plan.Builder) error {
	if missing := MissingForRange(f); missing != nil {
		return missing
	}
	uid, gid := c.IDs(f)
	for _, kind := range []struct {
		name, helper, path, file string
		own, want                int
		ranges                   []host.IDRange
	}{
		{"user", "newuidmap", f.Newuidmap, "/etc/subuid", f.UID, uid, f.SubUIDs},
		{"group", "newgidmap", f.Newgidmap, "/etc/subgid", f.GID, slices.Max(append([]int{gid}, c.Groups...)), f.SubGIDs},
	} {
		if err := checkRange(kind.name, kind.file, kind.want, kind.ranges); err != nil {
			return err
		}
		command := []string{kind.path, "{pid}", "0", strconv.Itoa(kind.own), "1"}
		inside := 1
		for _, r := range kind.ranges {
			command = append(command, strconv.Itoa(inside), strconv.Itoa(r.Start), strconv.Itoa(r.Count))
			inside += r.Count
		}
		p.Barrier(plan.Action{Label: fmt.Sprintf("map %d %s ids with %s", inside, kind.name, kind.helper), Command: command})
	}
	return nil
}

// checkRange reports an id of the command that the map would not hold.
func checkRange(name, file string, want int, ranges []host.IDRange) error {
	count := 1
	for _, r := range ranges {
		count += r.Count
	}
	if want < count {
		return nil
	}
	return &problem.Problem{What: `identity.map = "range"`, Why: fmt.Sprintf("%s id %d is not mapped: %s gives %d ids", name, want, file, count),
		Fix: "choose a smaller id, or add a larger range to " + file}
}
