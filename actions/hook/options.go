package hook

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
)

// options are what "options:" of a container may say. They come from a workflow,
// which anybody may have written who may write a pull request: what would take
// from the sandbox is refused.
type options struct {
	memory, cpus, user, entrypoint, hostname, workdir string
	pids                                              int64
	nofile                                            string
	env                                               map[string]string
	names                                             []string // --network-alias
	hosts                                             [][2]string
	tmpfs                                             []mounts.Mount
	readOnly                                          bool
	hasEntrypoint                                     bool
	left                                              []string // options that nothing comes of
	health                                            health
}

// ignored are options that say what is so anyway, or that containers of a job can
// do without. The value is whether they take a word.
var ignored = map[string]bool{
	"init": false, "rm": false, "interactive": false, "tty": false, "detach": false, "no-healthcheck": false,
	"name": true, "label": true, "restart": true, "pull": true, "platform": true, "shm-size": true, "log-driver": true, "log-opt": true,
	"cap-drop": true, "stop-timeout": true, "stop-signal": true, "expose": true, "memory-swap": true, "memory-reservation": true, "cpu-shares": true,
	"health-start-interval": true, "dns": true, "oom-kill-disable": false,
}

// missed are those of them whose effect somebody may wait for: that there is none is
// told.
var missed = []string{"shm-size", "dns", "platform", "restart", "cpu-shares", "memory-swap", "memory-reservation", "stop-timeout", "stop-signal", "log-driver", "log-opt", "oom-kill-disable"}

// alone are options without a value that are refused.
var alone = []string{"privileged", "publish-all", "use-api-socket"}

// letters are the short forms.
var letters = map[byte]string{
	'e': "env", 'm': "memory", 'u': "user", 'w': "workdir", 'h': "hostname", 'i': "interactive", 't': "tty", 'd': "detach", 'l': "label", 'v': "volume", 'p': "publish", 'c': "cpu-shares",
}

// parseOptions reads a text of options as a shell would part it.
func parseOptions(text string) (o options, err error) {
	o.env = map[string]string{}
	words, err := split(text)
	if err != nil {
		return o, refuse(text, err.Error())
	}
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		name, value, has := strings.Cut(strings.TrimPrefix(word, "--"), "=")
		switch {
		case strings.HasPrefix(word, "--"):
		case len(word) > 1 && word[0] == '-' && letters[word[1]] != "":
			name, value, has = letters[word[1]], strings.TrimPrefix(word[2:], "="), len(word) > 2
			if takes, known := ignored[name]; known && !takes && has {
				words, has = append([]string{"-" + value}, words...), false // -it
			}
		default:
			return o, refuse(word, "this is not an option")
		}
		takes, skip := ignored[name]
		if slices.Contains(missed, name) {
			o.left = append(o.left, "--"+name)
		}
		if name == "read-only" || skip && !takes {
			if err := o.mark(name, value, has); err != nil {
				return o, err
			}
			continue
		}
		if !has {
			if slices.Contains(alone, name) {
				return o, dangerous(name, "")
			}
			if len(words) == 0 {
				return o, refuse(word, "it needs a value")
			}
			value, words = words[0], words[1:]
		}
		if skip {
			continue
		}
		if err := o.set(name, value); err != nil {
			return o, err
		}
	}
	return o, nil
}

// mark takes an option that may stand without its value.
func (o *options) mark(name, value string, has bool) error {
	on, bad := strconv.ParseBool(value)
	switch {
	case !has:
		on = true
	case bad != nil:
		return refuse("--"+name+"="+value, "neither true nor false")
	}
	switch name {
	case "read-only":
		o.readOnly = on
	case "no-healthcheck":
		o.health.none = on
	}
	return nil
}

func refuse(option, why string) error {
	return &problem.Problem{What: "options: " + option, Why: why}
}

// set takes an option with its value.
func (o *options) set(name, value string) (err error) {
	switch name {
	case "cpus":
		if n, bad := strconv.ParseFloat(value, 64); bad != nil || !(n > 0 && n < 1<<16) {
			err = refuse("--cpus "+value, "not a number of CPUs")
		}
		o.cpus = value
	case "memory":
		o.memory = dockerSize(value)
		if _, bad := units.ParseMemory(o.memory); bad != nil {
			err = refuse("--memory "+value, "not a size of memory")
		}
	case "pids-limit":
		if o.pids, err = strconv.ParseInt(value, 10, 32); err != nil {
			err = refuse("--pids-limit "+value, "not a number")
		}
	case "env":
		k, v, ok := strings.Cut(value, "=")
		if !ok || k == "" {
			return refuse("--env "+value, "not NAME=VALUE: a container gets nothing of the runner's own environment")
		}
		o.env[k] = v
	case "user":
		o.user = value
	case "workdir":
		o.workdir = value
	case "hostname":
		o.hostname = value
	case "entrypoint":
		o.entrypoint, o.hasEntrypoint = value, true
	case "network-alias":
		if !plainHost(value) {
			return refuse("--network-alias "+value, "not a name of a host")
		}
		o.names = append(o.names, value)
	case "tmpfs":
		return o.addTmpfs(value)
	case "add-host":
		end := max(strings.IndexAny(value, ":="), 0) // docker takes both
		host, address := value[:end], strings.Trim(value[min(end+1, len(value)):], "[]")
		if _, bad := netip.ParseAddr(address); !plainHost(host) || bad != nil {
			return refuse("--add-host "+value, "not HOST:ADDRESS with an address of numbers; the host's own services are not there for containers")
		}
		o.hosts = append(o.hosts, [2]string{host, address})
	case "ulimit":
		kind, limit, _ := strings.Cut(value, "=")
		if kind != "nofile" {
			o.left = append(o.left, "--ulimit "+kind) // it is the runner's own
			return nil
		}
		o.nofile = limit
	case "security-opt":
		if !slices.Contains([]string{"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"}, value) {
			return dangerous(name, value)
		}
	case "health-cmd":
		o.health.command = value
	case "health-interval":
		o.health.interval, err = span(name, value)
	case "health-timeout":
		o.health.timeout, err = span(name, value)
	case "health-start-period":
		o.health.startPeriod, err = span(name, value)
	case "health-retries":
		if o.health.retries, err = strconv.Atoi(value); err != nil || o.health.retries < 1 {
			err = refuse("--health-retries "+value, "not a number")
		}
	default:
		return dangerous(name, value)
	}
	return err
}

// addTmpfs takes PATH or PATH:OPTION,OPTION.
func (o *options) addTmpfs(value string) error {
	target, settings, _ := strings.Cut(value, ":")
	m := mounts.Mount{Type: mounts.Tmpfs, Target: path.Clean("/" + target)}
	for _, setting := range strings.FieldsFunc(settings, func(r rune) bool { return r == ',' }) {
		key, text, _ := strings.Cut(setting, "=")
		var err error
		switch key {
		case "rw", "nosuid", "nodev", "exec":
		case "noexec":
			m.Noexec = true
		case "ro":
			m.ReadOnly = true
		case "size":
			m.Size, err = units.ParseBytes(dockerSize(text))
		case "mode":
			var mode units.FileMode
			mode, err = units.ParseFileMode(text)
			m.Mode = &mode
		default:
			err = fmt.Errorf("%q is none of rw, ro, noexec, size and mode", setting)
		}
		if err != nil {
			return refuse("--tmpfs "+value, err.Error())
		}
	}
	o.tmpfs = append(o.tmpfs, m)
	return nil
}

// plainHost reports whether a text can be a name in hosts(5).
func plainHost(s string) bool {
	for _, r := range s {
		if !(r == '-' || r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return false
		}
	}
	return s != ""
}

// dockerSize is a size of docker, whose "m" and "g" are powers of 1024.
func dockerSize(s string) string {
	lower := strings.TrimSuffix(strings.ToLower(s), "b")
	for letter, unit := range map[string]string{"k": "KiB", "m": "MiB", "g": "GiB", "t": "TiB"} {
		if digits, ok := strings.CutSuffix(lower, letter); ok {
			return digits + unit
		}
	}
	return lower
}

func span(name, value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		return 0, refuse("--"+name+" "+value, "not a time")
	}
	return d, nil
}

// dangerous is the refusal of an option that is not in the list.
func dangerous(name, value string) error {
	p := &problem.Problem{What: strings.TrimSpace("options: --" + name + " " + value), Why: "the workflow's author may not decide about this"}
	switch name {
	case "privileged", "cap-add", "device", "security-opt", "userns", "pid", "ipc", "uts", "cgroupns", "cgroup-parent", "runtime":
		p.Why = "it would take the container out of its sandbox"
	case "volume", "mount", "volumes-from":
		p.Why, p.Fix = "mounts are not given as options", "volumes: of the container"
	case "network", "net", "publish":
		p.Why, p.Fix = "the job's containers have one network of their own", "ports: of the service"
	default:
		p.Why = fmt.Sprintf("%q is none of the options that a container may have here", "--"+name)
	}
	return p
}

// split parts a text as a shell does: spaces, quotes, backslashes.
func split(text string) (words []string, err error) {
	var word strings.Builder
	in, quote := false, rune(0)
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, in = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			if in {
				words = append(words, word.String())
				word.Reset()
			}
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("a quote has no end")
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}
