package desktop

import (
	"path"
	"strings"

	"github.com/snug-sandbox/snug/mounts"
)

func (b *builder) audio() {
	for _, way := range b.Audio {
		switch way {
		case Auto:
			if b.f.pulseSocket() != "" && !contains(b.Audio, Pulse) {
				b.pulse()
			} else if !contains(b.Audio, Pulse) {
				b.add("audio", "nothing: there is no sound server")
			}
		case Pulse:
			b.pulse()
		case PipeWire:
			b.pipewire()
		case ALSA:
			b.alsa()
		}
	}
}

// pulseSocket finds the sound server as libpulse does (pulse-client.conf(5)); ""
// when there is none on this machine.
func (f Facts) pulseSocket() string {
	if server := f.Env["PULSE_SERVER"]; server != "" {
		return unixSocket(server)
	}
	for _, name := range []string{f.Env["PULSE_CLIENTCONFIG"], path.Join(f.configHome(), "pulse/client.conf"), "/etc/pulse/client.conf"} {
		if name == "" {
			continue
		}
		if server := setting(f.read(name), "default-server"); server != "" {
			return unixSocket(server)
		}
	}
	candidates := []string{"/run/pulse/native"}
	if id := strings.TrimSpace(f.read("/etc/machine-id")); id != "" {
		candidates = append([]string{path.Join(f.configHome(), "pulse", id+"-runtime", "native")}, candidates...)
	}
	for _, dir := range []string{f.RuntimeDir() + "/pulse", f.Env["PULSE_RUNTIME_PATH"]} {
		if path.IsAbs(dir) {
			candidates = append([]string{path.Join(dir, "native")}, candidates...)
		}
	}
	for _, name := range candidates {
		if f.exists(name) {
			return name
		}
	}
	return ""
}

// unixSocket is the path in a server string, "" when it is none: the string may
// begin with "{MACHINE}", and name several.
func unixSocket(server string) string {
	for _, s := range strings.Fields(server) {
		if _, rest, ok := strings.Cut(s, "}"); ok && s[0] == '{' {
			s = rest
		}
		s = strings.TrimPrefix(s, "unix:")
		if path.IsAbs(s) {
			return s
		}
	}
	return ""
}

// setting reads a line NAME = VALUE.
func setting(text, name string) (value string) {
	for line := range strings.Lines(text) {
		key, v, ok := strings.Cut(line, "=")
		if ok && strings.TrimSpace(key) == name {
			value = strings.TrimSpace(v)
		}
	}
	return value
}

func (b *builder) pulse() {
	server := b.f.pulseSocket()
	if server == "" || !b.f.exists(server) {
		b.bad("audio", "there is no PulseAudio or PipeWire server on this machine", "start one (systemctl --user start pipewire-pulse), or leave it out, or audio = \"auto\", which does without")
		return
	}
	what := "playback, through a filter before the sound server: no recording, no modules"
	if b.Record {
		what = "playback and recording, through a filter before the sound server: no modules"
	}
	p := b.add("audio", what)
	if b.Record {
		p.Risk = "it can listen to the microphone and to what other programs play"
	}
	b.work.Pulse = &Listener{Path: b.made("pulse"), Server: server, Record: b.Record}
	p.socket(b.made("pulse"), b.inside("pulse/native"))
	config := b.inside("pulse/client.conf")
	p.Mounts = append(p.Mounts, mounts.Mount{Type: mounts.File, Target: config, Content: "autospawn = no\nenable-shm = no\n"})
	p.Env["PULSE_SERVER"] = "unix:" + b.inside("pulse/native")
	p.Env["PULSE_CLIENTCONFIG"] = config
}

// pipewire shows the socket for clients, never that for managers, which has all
// rights (libpipewire-module-access(7)).
func (b *builder) pipewire() {
	name := b.f.Env["PIPEWIRE_REMOTE"]
	if name == "" || strings.HasSuffix(name, "-manager") {
		name = "pipewire-0"
	}
	socket := name
	if !path.IsAbs(name) {
		dir := b.f.Env["PIPEWIRE_RUNTIME_DIR"]
		if dir == "" {
			dir = b.f.RuntimeDir()
		}
		socket = path.Join(dir, name)
	}
	if !b.f.exists(socket) {
		b.bad("audio", "PipeWire does not listen at "+socket, "start it (systemctl --user start pipewire), or leave it out")
		return
	}
	p := b.add("audio", "sound and video by PipeWire's socket")
	p.Risk = "PipeWire decides what it may record; older versions let every program record"
	p.socket(socket, b.inside("pipewire-0"))
	p.Env["PIPEWIRE_REMOTE"] = "pipewire-0"
	p.keep(b.f, "PIPEWIRE_LATENCY")
}

func (b *builder) alsa() {
	p := b.add("audio", "the sound devices in /dev/snd")
	p.Risk = "the devices can record, too"
	cards := b.f.glob("/dev/snd/*")
	if cards == nil {
		p.Opens, p.Risk = "the settings of ALSA; there is no sound card in /dev/snd", ""
	}
	for _, n := range cards {
		p.device(n)
	}
	p.bind("/proc/asound")
	p.bind(path.Join(b.f.Home, ".asoundrc"), path.Join(b.f.configHome(), "alsa"))
}
