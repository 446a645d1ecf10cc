package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/running"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
)

// session is the helper program that has a desktop ready for one run. What it
// made is gone when it ends, and it ends when its input does, which is when this
// process ends, however that comes.
type session struct {
	to     *json.Encoder
	from   *json.Decoder
	input  io.Closer
	cmd    *exec.Cmd
	answer desktop.Answer
	hands  bool // the profile has portals, and with them that for files
}

// openSession asks the helper for what a Config says; nil where it says nothing.
func openSession(s *sandbox, request desktop.Request, std streams) (*session, error) {
	if s.Spec.Desktop.Empty() {
		return nil, nil
	}
	if err := s.Spec.Validate(); err != nil {
		return nil, err
	}
	request.Config = s.Spec.Desktop
	request.Mounts = s.Spec.Mounts
	request.Run = desktop.Run{Name: s.appName(), Program: s.program(), HostNet: hostNet(s.Spec)}
	helper, err := ownProgram(desktop.Helper)
	if err != nil {
		return nil, &problem.Problem{What: "desktop", Why: err.Error(), Err: err}
	}
	h := &session{cmd: exec.Command(helper, "serve"), hands: s.Spec.Desktop.UsesPortals()}
	h.cmd.Stderr = std.err
	// What the terminal sends is for the command.
	h.cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	in, err := h.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, &problem.Problem{What: "desktop", Why: "the helper program does not start: " + err.Error(), Err: err}
	}
	h.input, h.to, h.from = in, json.NewEncoder(in), json.NewDecoder(out)
	if err := errors.Join(h.to.Encode(request), h.from.Decode(&h.answer)); err != nil {
		h.close()
		return nil, &problem.Problem{What: "desktop", Why: "the helper program ended without an answer", Err: err}
	}
	if h.answer.Problems != nil && !request.Look {
		h.close()
		return nil, problem.List(h.answer.Problems)
	}
	return h, nil
}

// close ends the helper, and waits until everything of it is gone.
func (h *session) close() {
	if h != nil {
		h.input.Close()
		h.cmd.Wait()
	}
}

// appName is what a program of a desktop is known by: the name of its profile,
// with that of the program where the profile is for any.
func (s *sandbox) appName() string {
	name, program := profileName(s.Spec.Name), desktop.Started(s.Spec.Command.Args)
	if s.box.program != "" {
		program = filepath.Base(s.box.program)
	}
	if s.box.own || program == "" || program == name {
		return name
	}
	return name + "." + program
}

// program is what is started, which is not the command where that only watches
// it; "" when there is none.
func (s *sandbox) program() string {
	if s.box.program == "" && len(s.Spec.Command.Args) > 0 {
		return s.Spec.Command.Args[0]
	}
	return s.box.program
}

func profileName(name string) string {
	name, _, _ = strings.Cut(name, "+")
	return strings.TrimSuffix(filepath.Base(name), ".toml")
}

func hostNet(s snug.Spec) bool {
	return s.Namespaces.Net == namespaces.Share || s.Network.Mode == network.Host
}

// apply puts into s what the desktop opens. What the profile mounts or sets
// itself counts, but for an empty home directory that another one takes the place
// of.
func (h *session) apply(s *sandbox) {
	for _, part := range h.answer.Layout.Parts {
		for _, m := range part.Mounts {
			if m.Target == "/etc/machine-id" && s.Spec.Rootfs.HasTree() {
				continue // another system has its own
			}
			if at := slices.IndexFunc(s.Spec.Mounts, func(o mounts.Mount) bool { return o.Target == m.Target && o.Type != mounts.Tmpfs }); at >= 0 {
				if s.added[at] == "" || !strings.HasPrefix(s.added[at], "desktop.") {
					continue
				}
			}
			s.added[len(s.Spec.Mounts)] = part.Key
			s.Spec.Mounts = append(s.Spec.Mounts, m)
		}
		for name, value := range part.Env {
			if _, given := s.Spec.Env.Set[name]; given {
				continue
			}
			if s.Spec.Env.Set == nil {
				s.Spec.Env.Set = map[string]string{}
			}
			s.Spec.Env.Set[name] = value
		}
	}
	if onX11(h.answer.Layout) && hostNet(s.Spec) {
		s.Spec.Security.OpenAbstract = true
	}
	s.Spec.Desktop = desktop.Config{} // it is opened
}

func onX11(l desktop.Layout) bool {
	return slices.ContainsFunc(l.Parts, func(p desktop.Part) bool { return p.Key == "desktop.x11" })
}

// hand has the files that the command line names, and that the sandbox does not
// show, handed over, and puts where they are inside in their places. Where the
// portal for that does not answer they are shown themselves, if something can
// still be mounted. A profile without portals hands nothing over.
func (h *session) hand(s *sandbox, mountable bool) (notes []string, err error) {
	if !h.hands {
		return nil, nil
	}
	facts, err := s.Spec.Facts()
	if err != nil {
		return nil, err
	}
	args, places := s.Spec.Command.Args, map[int]int{} // words, and their files
	var files []string
	for i, arg := range args {
		path := fileOf(arg, facts.Workdir)
		if i == 0 || path == "" || path == facts.Home || s.hasItsOwn(path) || s.Spec.Shows(facts, path) {
			continue
		}
		places[i] = slices.Index(files, path)
		if places[i] < 0 {
			places[i], files = len(files), append(files, path)
		}
	}
	if files == nil {
		return nil, nil
	}
	inside, why, err := h.ask(files)
	if err != nil {
		return nil, &problem.Problem{What: "desktop", Why: "the helper program does not answer", Err: err}
	}
	for n, path := range files {
		switch {
		case inside[n] != "":
		case mountable:
			inside[n] = path
			s.added[len(s.Spec.Mounts)] = "the command line"
			s.Spec.Mounts = append(s.Spec.Mounts, mounts.Mount{Type: mounts.Bind, Source: path, Target: path, Writable: unix.Access(path, unix.W_OK) == nil})
			notes = append(notes, path+" is shown itself: "+why)
		default:
			return nil, &problem.Problem{What: path, Why: "it cannot be handed over to a sandbox that runs: " + why, Fix: "end the sandbox, and start it with this file; or install xdg-desktop-portal"}
		}
	}
	args = slices.Clone(args)
	for i, n := range places {
		args[i] = named(args[i], inside[n])
	}
	s.Spec.Command.Args = args
	return notes, nil
}

// ask has the helper hand files over. What has no name inside was not, for the
// reason why.
func (h *session) ask(files []string) (inside []string, why string, err error) {
	var more desktop.More
	for _, path := range files {
		more.Files = append(more.Files, desktop.Path(path))
	}
	var handed desktop.Handed
	err = errors.Join(h.to.Encode(more), h.from.Decode(&handed))
	if err == nil && len(handed.Files) != len(files) {
		err = errors.New("it answers for other files")
	}
	for _, path := range handed.Files {
		inside = append(inside, string(path))
	}
	return inside, handed.Why, err
}

// named writes a path as the word that it takes the place of does, a path or a
// link, which may lead to a part of the file.
func named(word, path string) string {
	u, err := url.Parse(word)
	if !strings.HasPrefix(word, "file:/") || err != nil {
		return path
	}
	u.Host, u.Path, u.RawPath, u.OmitHost = "", path, "", false
	return u.String()
}

// hasItsOwn reports whether the sandbox has something else at a path: its name is
// not that of a file of the caller's, but of that.
func (s *sandbox) hasItsOwn(path string) bool {
	for _, dir := range []string{"/proc", "/sys", "/dev"} {
		if path == dir || strings.HasPrefix(path, dir+"/") {
			return true
		}
	}
	own := []string{"/", "/run", "/tmp", "/var/tmp"}
	return slices.Contains(own, path) || slices.ContainsFunc(s.Spec.Mounts, func(m mounts.Mount) bool { return m.Target == path })
}

// fileOf is the file of the host that a word of the command line names, by its
// path or as a link; "" when it names none.
func fileOf(arg, workdir string) string {
	if strings.HasPrefix(arg, "file:/") {
		u, err := url.Parse(arg)
		if err != nil || u.Host != "" && u.Host != "localhost" || !strings.HasPrefix(u.Path, "/") {
			return ""
		}
		arg = u.Path
	}
	if arg == "" || strings.HasPrefix(arg, "-") {
		return ""
	}
	if !filepath.IsAbs(arg) {
		if workdir == "" {
			return ""
		}
		arg = filepath.Join(workdir, arg)
	}
	info, err := os.Stat(arg)
	if err != nil || !(info.Mode().IsRegular() || info.IsDir()) {
		return ""
	}
	return filepath.Clean(arg)
}

// tell lets the helper know the command's process.
func (h *session) tell(i snug.Instance) {
	if pid := running.Outer(i.Processes(), i.CommandPID); pid != 0 {
		h.to.Encode(desktop.More{PID: pid})
	}
}

// scopeUnit is the name of a unit for the application, as desktops expect it
// (systemd's "Desktop Environment Integration").
func scopeUnit(id string) string {
	return fmt.Sprintf("app-snug-%s-%d.scope", strings.ReplaceAll(id, "-", `\x2d`), os.Getpid())
}
