package main

import (
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/namespaces"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/userns"
)

// write tells the view to a person.
func (v *view) write(w io.Writer) {
	t := teller{w}
	t.line("Profile      %s (%s)", v.Profile, strings.Join(v.Sources, ", "))
	t.line("Command      %s, in %s", v.commandText(), v.Workdir)
	t.line("Identity     %s: user %d, group %d%s, home %s%s", v.User, v.UID, v.GID, v.groupsText(), v.Home, v.mapText())
	t.line("")
	t.line("Files")
	t.tree(v)
	if len(v.Hidden)+len(v.Readonly) > 0 {
		t.line("  Hidden in /proc: %s; read-only: %s", below(v.Hidden), below(v.Readonly))
	}
	t.line("")
	t.writeDesktop(v)
	t.line("Namespaces   %s", v.namespacesText())
	t.line("Network      %s", v.networkText())
	t.line("Environment  %s", strings.Join(v.Environment, " "))
	t.line("Privileges   %s", v.privilegesText())
	t.line("System calls %s", v.Seccomp)
	t.line("Landlock     %s", v.Landlock)
	t.line("Limits       %s", v.limitsText())
	t.delegation(v.Delegation)
	t.line("Descriptors  %s", v.descriptorsText())
	t.points("Reaches", v.Reaches, "nothing of the host but what is shown above")
	for _, warning := range v.Warnings {
		t.line("  ! %s", warning)
	}
	for _, note := range v.Notes {
		t.line("Note: %s", note)
	}
}

func (v *view) groupsText() string {
	text := ""
	for _, id := range v.Groups {
		text += ", " + strconv.Itoa(id)
	}
	return text
}

// teller writes lines. Names of files may be hostile to a terminal.
type teller struct{ w io.Writer }

func (t teller) line(format string, args ...any) {
	fmt.Fprintln(t.w, strings.TrimRight(oneLine(fmt.Sprintf(format, args...)), " "))
}

// oneLine shows one line of text as one: a name in a profile of somebody
// else's shall not add lines of its own.
func oneLine(text string) string {
	return problem.Printable(strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(text))
}

func (t teller) points(title string, list []string, none string) {
	if len(list) == 0 {
		list = []string{none}
	}
	for _, point := range list {
		t.line("%-12s %s", title, point)
		title = ""
	}
}

func (v *view) commandText() string {
	if len(v.Command) == 0 {
		return "a shell: " + v.Shell
	}
	words := make([]string, len(v.Command))
	for i, word := range v.Command {
		words[i] = shellWord(word)
	}
	return strings.Join(words, " ")
}

// shellWord quotes a word where a shell would not take it as one.
func shellWord(word string) string {
	if word == "" || strings.ContainsAny(word, " \t\n'\"\\$`*?[]{}()<>|&;#~!") {
		return quote(word)
	}
	return word
}

func (v *view) mapText() string {
	switch v.Map {
	case userns.MapRoot:
		return "; root inside only, yourself outside"
	case userns.MapRange:
		return "; with a range of further ids"
	}
	return "; yourself outside"
}

func (v *view) namespacesText() string {
	var fresh, shared []string
	for _, name := range []string{"user", "mount", "pid", "net", "ipc", "uts", "cgroup", "time"} {
		if v.Namespaces[name] == namespaces.New {
			fresh = append(fresh, name)
		} else {
			shared = append(shared, name)
		}
	}
	text := "new: " + strings.Join(fresh, " ")
	if len(fresh) == 0 {
		text = "none new"
	}
	if len(shared) > 0 {
		text += "; shared: " + strings.Join(shared, " ")
	}
	if v.Hostname != "" {
		text += "; host name " + v.Hostname
	}
	return text
}

func (v *view) networkText() string {
	text := v.modeText()
	if len(v.Exposed) > 0 {
		text += "; the image listens on " + strings.Join(v.Exposed, " ")
	}
	return text
}

func (v *view) modeText() string {
	switch v.Network {
	case network.Host:
		return "the host's"
	case network.None:
		if v.Namespaces["net"] == namespaces.Share {
			return "none: no sockets"
		}
		return "none but a loopback of its own"
	case joined:
		return "that of the sandbox " + v.Private.Join + ", with its loopback and its rules"
	}
	return v.Private.text()
}

// text says what a private network lets through.
func (p *privateView) text() string {
	parts := []string{"one of its own that reaches out, by " + p.Driver}
	switch {
	case len(p.Allow) > 0:
		parts = append(parts, "only to "+strings.Join(p.Allow, ", "))
	default:
		parts = append(parts, "to everything but the host's loopback and link-local addresses")
	}
	if len(p.Deny) > 0 {
		parts = append(parts, "never to "+strings.Join(p.Deny, ", "))
	}
	if p.AllowECH {
		parts = append(parts, "also by names that TLS hides")
	}
	if p.HostLoopback {
		parts = append(parts, "to the host's loopback as "+network.HostName)
	}
	for _, port := range p.Publish {
		parts = append(parts, "published "+port)
	}
	if p.Bandwidth != "" {
		parts = append(parts, "bandwidth "+p.Bandwidth)
	}
	if p.Interface != "" {
		parts = append(parts, p.Interface)
	}
	return strings.Join(parts, "; ")
}

func (v *view) privilegesText() string {
	text := "no capabilities"
	if len(v.Capabilities) > 0 {
		text = strings.Join(v.Capabilities, " ")
	}
	text += "; no new privileges by set-user-ID programs"
	if v.NestedUserns {
		return text + "; further user namespaces allowed"
	}
	return text + "; no further user namespaces"
}

func (v *view) limitsText() string {
	var parts []string
	for name, value := range v.Limits {
		parts = append(parts, name+" "+value)
	}
	if len(parts) == 0 {
		return "none"
	}
	sort.Strings(parts)
	return strings.Join(parts, ", ")
}

func (v *view) descriptorsText() string {
	var numbers []string
	for _, fd := range v.Descriptors {
		numbers = append(numbers, strconv.Itoa(fd))
	}
	text := strings.Join(numbers, " ")
	if v.Terminal {
		return text + ", on a terminal of its own"
	}
	return text + ", as the caller has them"
}

// below joins paths below /proc without saying /proc each time.
func below(paths []string) string {
	if len(paths) == 0 {
		return "nothing"
	}
	short := make([]string, len(paths))
	for i, p := range paths {
		short[i] = strings.TrimPrefix(p, "/proc/")
	}
	return strings.Join(short, " ")
}
