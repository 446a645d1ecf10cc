package userns

import (
	"fmt"
	"strings"
	"syscall"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/problem"
)

// MissingForRange says what a map of many ids (MapRange) lacks for the caller,
// nil when nothing is missing: newuidmap(1) or newgidmap(1), or a line in
// /etc/subuid or /etc/subgid.
func MissingForRange(f host.Facts) *problem.Problem {
	why, fix := "", ""
	switch {
	case f.Newuidmap == "":
		why, fix = "the program newuidmap is not installed", f.Distro.Install("newuidmap")
	case f.Newgidmap == "":
		why, fix = "the program newgidmap is not installed", f.Distro.Install("newgidmap")
	case len(f.SubUIDs) == 0 || len(f.SubGIDs) == 0:
		why = fmt.Sprintf("user %s has no range of ids in %s", loginOf(f), strings.Join(tablesWithout(f), " and "))
		fix = addRange(f)
	default:
		return nil
	}
	return &problem.Problem{What: `identity.map = "range"`, Why: why, Fix: fix}
}

func tablesWithout(f host.Facts) []string {
	var tables []string
	if len(f.SubUIDs) == 0 {
		tables = append(tables, "/etc/subuid")
	}
	if len(f.SubGIDs) == 0 {
		tables = append(tables, "/etc/subgid")
	}
	return tables
}

// loginOf is the name that the tables know the caller by: a caller without an
// entry in /etc/passwd goes by number.
func loginOf(f host.Facts) string {
	if f.SubIDLogin != "" {
		return f.SubIDLogin
	}
	return fmt.Sprint(f.UID)
}

func (f failure) login() string { return loginOf(f.Facts) }

// addRange is the command that gives the caller a range that nobody has.
// usermod(8) neither makes the tables nor knows users that are not in
// /etc/passwd.
func addRange(f host.Facts) string {
	free := f.FreeSubIDs
	if free.Count == 0 {
		free = host.IDRange{Start: 100000, Count: 65536}
	}
	if f.SubIDLogin == "" {
		return fmt.Sprintf("echo %d:%d:%d | sudo tee -a %s", f.UID, free.Start, free.Count, strings.Join(tablesWithout(f), " "))
	}
	command := ""
	if len(f.NoSubIDFile) > 0 {
		command = "sudo touch " + strings.Join(f.NoSubIDFile, " ") + "\n"
	}
	command += "sudo usermod"
	for _, table := range tablesWithout(f) {
		command += fmt.Sprintf(" --add-%ss %d-%d", strings.TrimPrefix(table, "/etc/"), free.Start, free.Last())
	}
	return command + " " + f.SubIDLogin
}

// noHelperOrRange: the helper could not start, or had nothing to grant.
func noHelperOrRange(f failure) (why, fix string) {
	if f.kind != helping {
		return "", ""
	}
	if p := MissingForRange(f.Facts); p != nil {
		return p.Why, p.Fix
	}
	return "", ""
}

// helperPowerless: the helper started and had no rights to give.
func helperPowerless(f failure) (why, fix string) {
	if f.kind != helping || f.errno == syscall.ENOENT {
		return "", ""
	}
	name := "newuidmap"
	if strings.HasSuffix(f.step, "newgidmap") {
		name = "newgidmap"
	}
	if p := PowerlessHelper(name, f.Userns); p != nil {
		return p.Why, p.Fix
	}
	return "", ""
}

// PowerlessHelper says why newuidmap or newgidmap, as helper names it, cannot
// map the ids of others for this caller; nil when it can. It needs CAP_SETUID or
// CAP_SETGID, which it gets when it is executed, or does not get.
func PowerlessHelper(helper string, u host.Userns) *problem.Problem {
	path, how, capability := u.Newuidmap, u.UIDPrivilege, "cap_setuid"
	if helper == "newgidmap" {
		path, how, capability = u.Newgidmap, u.GIDPrivilege, "cap_setgid"
	}
	p := &problem.Problem{What: helper}
	switch {
	case u.UID == 0 || path == "":
		return nil // root has it, and a missing program has nothing
	case how == host.Plain:
		p.Why = path + " is neither setuid root nor has it the file capability " + capability
		p.Fix = "sudo chmod u+s " + path + "\nor: sudo setcap " + capability + "=ep " + path
	case how == host.Nosuid:
		p.Why = path + " lies on a file system that is mounted nosuid, so that it gains no privileges"
		p.Fix = "use map = \"self\" or \"root\" in this place, or remount that file system with suid"
	case u.NoNewPrivs:
		p.Why = "no_new_privs is set for this process, so that " + path + " gains no privileges"
		p.Fix = "use map = \"self\" or \"root\" in a sandbox or container of this kind\n" +
			"with docker and podman: leave out --security-opt no-new-privileges"
	default:
		return nil
	}
	return p
}

// rangeNotOuter: a container's tables may promise ids that the container
// itself was not given.
func rangeNotOuter(f failure) (why, fix string) {
	if f.kind != helping || !f.Nested() {
		return "", ""
	}
	table, ranges, outer := "/etc/subuid", f.SubUIDs, f.UIDMap
	if strings.HasSuffix(f.step, "newgidmap") {
		table, ranges, outer = "/etc/subgid", f.SubGIDs, f.GIDMap
	}
	for _, r := range ranges {
		if !host.Maps(outer, r.Start) || !host.Maps(outer, int(r.Last())) {
			return fmt.Sprintf("the range %d-%d of %s is not mapped in the user namespace around this process", r.Start, r.Last(), table),
				"give " + f.login() + " a range there that lies within what /proc/self/uid_map shows, or use map = \"root\""
		}
	}
	return "", ""
}

// outsideRange: newuidmap's own words for ids that the tables do not grant.
func outsideRange(f failure) (why, fix string) {
	if f.kind != helping || !strings.Contains(f.text, "not allowed") {
		return "", ""
	}
	table, ranges := "/etc/subuid", f.SubUIDs
	if strings.HasSuffix(f.step, "newgidmap") {
		table, ranges = "/etc/subgid", f.SubGIDs
	}
	var granted []string
	for _, r := range ranges {
		granted = append(granted, fmt.Sprintf("%d-%d", r.Start, r.Last()))
	}
	return fmt.Sprintf("an id lies outside of the ranges that %s gives %s: %s", table, f.login(), strings.Join(granted, ", ")),
		"look for a line of another source, such as subid in /etc/nsswitch.conf: getsubids " + f.login()
}
