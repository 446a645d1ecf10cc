package desktop

import (
	"path"
	"strings"

	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
)

// HomeDir is where the private home of a profile is kept.
func (f Facts) HomeDir(name string) string {
	return path.Join(f.dataHome(), "snug", "homes", Element(name))
}

func (b *builder) home() {
	home := b.f.Home
	switch b.Home {
	case Private:
		dir := b.f.HomeDir(b.r.Name)
		p := b.add("home", "a home directory of its own, kept in "+dir)
		b.work.Make, b.work.Home = append(b.work.Make, dir), dir
		p.Mounts = append(p.Mounts, mounts.Mount{Type: mounts.Bind, Source: dir, Target: home, Writable: true})
	case Ephemeral:
		p := b.add("home", "an empty home directory, gone at the end")
		p.Mounts = append(p.Mounts, mounts.Mount{Type: mounts.Tmpfs, Target: home, Mode: perm(0o700)})
	case Overlay:
		p := b.add("home", "your home directory; what is written to it is gone at the end")
		p.Risk = "it can read everything in your home directory: keys, tokens, mail"
		p.Mounts = append(p.Mounts, mounts.Mount{Type: mounts.Overlay, Lower: []string{home}, Target: home, Writable: true})
	}
}

func (b *builder) downloads() {
	if !on(b.Downloads) {
		return
	}
	dir := b.f.userDir("DOWNLOAD", "Downloads")
	if dir == "/" || dir == b.f.Home || strings.HasPrefix(b.f.Home, dir+"/") {
		b.bad("downloads", "your directory for downloads is your home directory, or above it: "+dir+" (user-dirs.dirs)", "xdg-user-dirs-update --set DOWNLOAD \"$HOME/Downloads\"")
		return
	}
	how := map[string]string{"ro": "to read", "rw": "to read and write"}[b.Downloads]
	p := b.add("downloads", "your downloads, "+dir+", "+how)
	if b.Downloads == "rw" {
		b.work.Make = append(b.work.Make, dir)
	}
	p.Mounts = append(p.Mounts, mounts.Mount{Type: mounts.Bind, Source: dir, Target: dir, Writable: b.Downloads == "rw", Optional: b.Downloads == "ro"})
	p.bind(path.Join(b.f.configHome(), "user-dirs.dirs"))
}

// userDir is one of the user's directories (xdg-user-dirs).
func (f Facts) userDir(name, usual string) string {
	dir := path.Join(f.Home, usual)
	for line := range strings.Lines(f.read(path.Join(f.configHome(), "user-dirs.dirs"))) {
		value, ok := strings.CutPrefix(strings.TrimSpace(line), "XDG_"+name+"_DIR=")
		if !ok {
			continue
		}
		end := strings.LastIndexByte(value, '"')
		if end <= 0 || value[0] != '"' {
			continue
		}
		value = value[1:end]
		if rest, ok := strings.CutPrefix(value, "$HOME"); ok && (rest == "" || rest[0] == '/') {
			value = f.Home + rest
		}
		if path.IsAbs(value) {
			dir = path.Clean(units.Unescape(value))
		}
	}
	return dir
}
