package mounts

import (
	"slices"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/host"
	"github.com/snug-sandbox/snug/internal/plan"
	"github.com/snug-sandbox/snug/internal/program"
)

// appendEtc adds the files of /etc that have to fit the sandbox when its root
// is not the host's; those with its users only where users says so: an image has
// its own, and programs in it that change them.
func appendEtc(list []Resolved, f host.Facts, c Context, users bool) []Resolved {
	add := func(name, content string) {
		m := Mount{Type: File, Target: "/etc/" + name, Content: content}
		list = append(list, Resolved{Mount: m, From: "standard", standard: true})
	}
	if users {
		add("passwd", passwd(f.RootEtc["passwd"], c))
		add("group", group(f.RootEtc["group"], c))
	}
	add("hosts", hosts(c))
	add("hostname", c.Hostname+"\n")
	if users {
		add("nsswitch.conf", nsswitch)
	}
	if c.HostNetwork {
		m := Mount{Type: Bind, Source: "/etc/resolv.conf", Target: "/etc/resolv.conf", Optional: true}
		return append(list, Resolved{Mount: m, From: "standard", standard: true})
	}
	if c.ResolvConf == "" {
		c.ResolvConf = "# no network in this sandbox\n"
	}
	add("resolv.conf", c.ResolvConf)
	return list
}

// takeEtc takes the files of /etc out of the entries, to be made with the root:
// below a mount that covers /etc they would not be seen.
func (b *builder) takeEtc() {
	if slices.ContainsFunc(b.entries, func(r Resolved) bool { return r.Target == "/etc" }) {
		return
	}
	b.entries = slices.DeleteFunc(b.entries, func(r Resolved) bool {
		taken := r.standard && r.Type == File
		if taken {
			b.inEtc = append(b.inEtc, r)
		}
		return taken
	})
}

// fillEtc makes them in the upper of the root, a directory below dir, before there
// is an overlay: that leaves the rest of /etc as it is.
func (b *builder) fillEtc(dir program.Reg, upper string) {
	b.Do("make a place for what is new in /etc", plan.Mkdirat, plan.Reg(dir), b.Text(upper+"/etc"), plan.Octal(uint32(*b.table.Rootfs.Etc)))
	for _, r := range b.inEtc {
		b.From = r.From
		b.write("write "+r.Target, dir, upper+r.Target, r.Content, 0o644)
	}
	b.From, b.inEtc = "", nil
}

// hosts is a hosts(5) file.
func hosts(c Context) string {
	if c.HostNames != "" {
		return "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n" + c.HostNames
	}
	return "127.0.0.1 localhost " + c.Hostname + "\n::1 localhost ip6-localhost ip6-loopback " + c.Hostname + "\n"
}

// nsswitch asks the files only: no service of the host answers inside.
const nsswitch = `passwd: files
group: files
shadow: files
hosts: files dns
networks: files
protocols: files
services: files
`

// passwd is a passwd(5) file: the root's own entries but for the ids and names
// that the sandbox gives away itself.
func passwd(base string, c Context) string {
	var b strings.Builder
	own := accountLine(c)
	b.WriteString(own)
	if c.UID != 0 {
		b.WriteString("root:x:0:0:root:/root:/bin/sh\n")
	}
	copyOthers(&b, base, map[string]bool{c.User: true, "root": true, "nobody": true}, map[string]bool{strconv.Itoa(c.UID): true})
	b.WriteString("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n")
	return b.String()
}

func accountLine(c Context) string {
	field := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r == ':' || r == '\n' {
				return '_'
			}
			return r
		}, s)
	}
	return strings.Join([]string{field(c.User), "x", strconv.Itoa(c.UID), strconv.Itoa(c.GID), field(c.User), field(c.Home), field(c.Shell)}, ":") + "\n"
}

// group is a group(5) file, made like passwd.
func group(base string, c Context) string {
	var b strings.Builder
	name := strings.NewReplacer(":", "_", "\n", "_").Replace(c.User)
	b.WriteString(name + ":x:" + strconv.Itoa(c.GID) + ":\n")
	if c.GID != 0 {
		b.WriteString("root:x:0:\n")
	}
	copyOthers(&b, base, map[string]bool{c.User: true, "root": true, "nogroup": true}, map[string]bool{strconv.Itoa(c.GID): true})
	b.WriteString("nogroup:x:65534:\n")
	return b.String()
}

// copyOthers copies the lines of base whose name and id (the first and the
// third field) are not taken.
func copyOthers(b *strings.Builder, base string, names, ids map[string]bool) {
	for line := range strings.Lines(base) {
		fields := strings.SplitN(strings.TrimRight(line, "\n"), ":", 4)
		if len(fields) < 3 || names[fields[0]] || ids[fields[2]] {
			continue
		}
		b.WriteString(strings.TrimRight(line, "\n") + "\n")
	}
}
