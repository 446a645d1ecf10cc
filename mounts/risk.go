package mounts

import "path"

// risks are sources that give away much more than they look like.
var risks = [...]struct{ name, why string }{
	{"docker.sock", "as good as root: it starts any container"},
	{"podman.sock", "as good as the user: it starts any container"},
	{"containerd.sock", "as good as root: it starts any container"},
	{"crio.sock", "as good as root: it starts any container"},
	{"private", "as good as the user: it is a service manager's own socket"},
	{"bus", "as good as the user: the session bus starts programs outside"},
	{"system_bus_socket", "the system bus: services that run as root listen there"},
	{"S.gpg-agent", "signs and decrypts with the user's keys"},
	{"agent.sock", "signs with the user's keys"},
}

// Risk says why a bind gives away more than it looks like, or nothing.
func (r Resolved) Risk() string {
	if r.Type != Bind && r.Type != DevBind {
		return ""
	}
	source := path.Clean(r.Source)
	base := path.Base(source)
	for _, k := range risks {
		if base == k.name && (base != "bus" && base != "private" || path.Dir(source) != "/") {
			return k.why
		}
	}
	switch {
	case source == "/run" || source == "/var/run":
		return "holds sockets that are as good as root"
	case source == "/" && r.Writable:
		return "the whole host, writable"
	case path.Dir(source) == "/run/user" || path.Base(path.Dir(source)) == "systemd":
		return "holds sockets that are as good as the user"
	case base == ".ssh" || base == ".gnupg" || base == ".aws" || base == ".kube":
		return "holds the user's keys"
	}
	return ""
}
