package main

import (
	"strings"
	"testing"
)

func TestWhatWasMissedIsProposed(t *testing.T) {
	home := written(t, 0o644, map[string]string{".config/wanted": "", ".ssh/id": "", "Müll\t${HOME}": "", "odd\xff": ""})
	m := newMisses(home, "/run/user/7")
	m.bus(strings.NewReader(`C1: -> org.example.Talk call org.example.X.Y at /x
*HIDDEN* (ping)
Filtering message due to arg0 org.example.Looked, policy: 0 (required 1)
Filtering message due to arg0 org.example.Mine, policy: 0 (required 3)
Filtering message due to arg0 org.mpris.MediaPlayer2.tune, policy: 0 (required 3)
Filtering message due to arg0 org.gnome.Shell, policy: 0 (required 3)
Filtering message due to arg0 org.freedesktop.Notifications, policy: 0 (required 1)
C2: -> org.freedesktop.systemd1 call org.freedesktop.systemd1.Manager.StartUnit at /org/freedesktop/systemd1 *HIDDEN*
`))
	m.trace(strings.NewReader(strings.Join([]string{
		`7 openat(AT_FDCWD, "` + home + `/.config/wanted", O_RDONLY) = -1 ENOENT (No such file or directory)`,
		`7 openat(AT_FDCWD, "` + home + `/.ssh/id", O_RDONLY) = -1 ENOENT (No such file or directory)`,
		`7 openat(AT_FDCWD, "` + home + `/.config", O_RDONLY|O_DIRECTORY) = -1 ENOENT (No such file or directory)`,
		`7 openat(AT_FDCWD, "` + home + `/M\303\274ll\t${HOME}", O_RDONLY) = -1 ENOENT (No such file or directory)`,
		`7 openat(AT_FDCWD, "` + home + `/odd\377", O_RDONLY) = -1 ENOENT (No such file or directory)`,
		`7 openat(AT_FDCWD, "` + home + `/nowhere", O_RDONLY) = -1 ENOENT (No such file or directory)`,
		`7 connect(3, {sa_family=AF_UNIX, sun_path="/run/user/7/pulse/native"}, 110) = -1 ENOENT (No such file or directory)`,
		`7 connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("192.0.2.1")}, 16) = -1 ENETUNREACH (Network is unreachable)`,
	}, "\n")))
	var b strings.Builder
	m.write(&b, "gtk", "a program\n")
	text := b.String()
	for _, want := range []string{
		"version = 1\nextends = \"gtk\"\n", "audio = true\n", "notifications = true\n", "mpris = \"tune\"\n", "mode = \"private\"",
		"dbus.session.talk = [\n  \"org.example.Looked\",  # once\n  \"org.example.Talk\",  # once\n]\n", "dbus.session.own = [\n  \"org.example.Mine\",  # once\n]\n",
		"# It asked for org.freedesktop.systemd1 once", "# It asked for org.gnome.Shell once", "source = \"~/.config/wanted\"\n",
		"source = \"~/Müll\\t$${HOME}\"\n", "# It asked for \"~/odd\\xff\", a name",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for _, never := range []string{".ssh", "nowhere", "\"~/.config\"", "\"org.gnome.Shell\"", "\"org.freedesktop.systemd1\""} {
		if strings.Contains(text, never) {
			t.Errorf("%q is in\n%s", never, text)
		}
	}
}
