package hook

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snug-sandbox/snug/process"
)

func TestInstall(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's a runner")
	os.Mkdir(dir, 0o755)
	env := filepath.Join(dir, ".env")
	if err := os.WriteFile(env, []byte("LANG=C\nACTIONS_RUNNER_CONTAINER_HOOKS=/old.sh"), 0o644); err != nil {
		t.Fatal(err)
	}
	fake := filepath.Join(dir, "snug")
	os.WriteFile(fake, []byte("#!/bin/sh\necho called with \"$@\"\n"), 0o755)
	for range 2 {
		if err := Install(&strings.Builder{}, fake, []string{dir}); err != nil {
			t.Fatal(err)
		}
	}
	script := filepath.Join(dir, "snug-hook.sh")
	if out, err := exec.Command("bash", "-e", script).CombinedOutput(); err != nil || string(out) != "called with actions hook\n" {
		t.Errorf("%s, %v", out, err)
	}
	if text, _ := os.ReadFile(env); string(text) != "LANG=C\nACTIONS_RUNNER_CONTAINER_HOOKS="+script+"\nACTIONS_RUNNER_REQUIRE_JOB_CONTAINER=true\n" {
		t.Errorf("%s", text)
	}
	for _, words := range [][]string{{}, {dir, dir}, {"--force", dir}, {dir + "/none"}} {
		if err := Install(&strings.Builder{}, fake, words); err == nil {
			t.Errorf("%q is taken", words)
		}
	}
}

func TestOptions(t *testing.T) {
	o, err := parseOptions(`--cpus 1.5 -m 512m --memory=1g -e A=b --env "C=d e" --health-cmd "pg_isready -U 'x y'" --health-interval=5s --health-retries 7 -it --name x --hostname db --network-alias one --user 1:2 --pids-limit 50 --entrypoint "" --tmpfs /t:rw,size=16m,mode=1777 --read-only --ulimit nofile=10:20 --add-host a:1.2.3.4 --label l --shm-size 1g --ulimit memlock=-1:-1 --add-host "v6:[::1]" --add-host new=::2`)
	if err != nil {
		t.Fatal(err)
	}
	if o.cpus != "1.5" || o.memory != "1GiB" || o.env["A"] != "b" || o.env["C"] != "d e" || o.health.command != "pg_isready -U 'x y'" || o.health.interval != 5*time.Second ||
		o.health.retries != 7 || o.hostname != "db" || !slices.Equal(o.names, []string{"one"}) || o.user != "1:2" || o.pids != 50 || !o.hasEntrypoint || o.entrypoint != "" ||
		len(o.tmpfs) != 1 || o.tmpfs[0].Target != "/t" || o.tmpfs[0].Size != 16<<20 || *o.tmpfs[0].Mode != 0o1777 || !o.readOnly || o.nofile != "10:20" || !slices.Equal(o.hosts, [][2]string{{"a", "1.2.3.4"}, {"v6", "::1"}, {"new", "::2"}}) || !slices.Equal(o.left, []string{"--shm-size", "--ulimit memlock"}) {
		t.Errorf("%+v", o)
	}
	for _, text := range []string{"--privileged", "-v /:/h", "-v/:/h", "--volume=/:/h", "--unknown x", "--read-only=maybe", "--no-healthcheck=", "word", "--cpus", "--cpus none", "--memory x", "'open", "--add-host a", "--add-host 'a:1 b'", "--add-host host.docker.internal:host-gateway", "--add-host a:1.2.3", "-e NAME", "-e =x", "--network-alias 'a b'", "--tmpfs /t:size=x", "--tmpfs /t:uid=5", "--health-retries 0", "--gpus all", "-p 80:80", "-itv /:/h"} {
		if _, err := parseOptions(text); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

func TestPrivilegedIsRefusedForWhatItIs(t *testing.T) {
	for _, text := range []string{"--privileged", "--privileged --cpus 1", "--privileged=true"} {
		if _, err := parseOptions(text); err == nil || !strings.Contains(err.Error(), "--privileged") || !strings.Contains(err.Error(), "out of its sandbox") || strings.Contains(err.Error(), "cpus") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzOptions holds that a text is read or refused, and that nothing in it
// becomes a way out.
func FuzzOptions(f *testing.F) {
	f.Add("--cpus 1 -e A='b c' --health-cmd \"x\"")
	f.Add("-itv /:/h")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := parseOptions(text)
		if err != nil {
			return
		}
		for _, h := range o.hosts {
			if strings.ContainsAny(h[0]+h[1], " \n\t") {
				t.Fatalf("%q: a line of hosts(5): %q", text, h)
			}
		}
		for _, n := range o.names {
			if strings.Contains(hosts([]string{n}, nil), n+"\n") && !plainHost(n) {
				t.Fatalf("%q: %q is in hosts(5)", text, n)
			}
		}
	})
}

func TestHealthIsOver(t *testing.T) {
	h := health{interval: 10 * time.Second, startPeriod: time.Minute, retries: 3}
	for _, c := range []struct {
		failures int
		waited   time.Duration
		want     bool
	}{{3, 5 * time.Second, false}, {9, 89 * time.Second, false}, {2, time.Hour, false}, {3, 91 * time.Second, true}} {
		if got := h.over(c.failures, c.waited); got != c.want {
			t.Errorf("%d failures in %v: %v", c.failures, c.waited, got)
		}
	}
}

func TestMappings(t *testing.T) {
	for text, want := range map[string]mapping{
		"80": {0, 80, "tcp"}, "8080:80": {8080, 80, "tcp"}, "127.0.0.1:8080:80/tcp": {8080, 80, "tcp"}, ":80": {0, 80, "tcp"}, "53:53/UDP": {53, 53, "udp"}, "[::1]:8080:80": {8080, 80, "tcp"},
	} {
		if m, err := parseMapping(text); m != want || err != nil {
			t.Errorf("%s: %+v, %v", text, m, err)
		}
	}
	for _, text := range []string{"", "0", "80/x", "80/", "x:80", "70000", "8080:"} {
		if _, err := parseMapping(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// FuzzRequest holds that what a runner writes is read or refused, and that a state
// names this program's own things or none.
func FuzzRequest(f *testing.F) {
	f.Add(`{"command":"prepare_job","responseFile":null,"state":{"pod":"gha-00000000-000000000000"},"args":{"container":{"image":"x","prependPath":"a","portMappings":["80:8080"]},"services":[]}}`)
	f.Add(`{"args":{"prependPath":["a","b"],"environmentVariables":{"A":null}},"state":"x"}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := readRequest(strings.NewReader(text))
		if err != nil {
			return
		}
		if s, ok := r.state(); ok != podName.MatchString(s.Pod) || strings.ContainsAny(s.Pod, "/.") {
			t.Fatalf("%q: the pod %q", text, s.Pod)
		}
		args[prepareArgs](r)
		if s, err := args[script](r); err == nil {
			for _, kv := range stepEnv(process.Env{}, s) {
				if name, _, ok := strings.Cut(kv, "="); !ok || name == "" {
					t.Fatalf("%q: the variable %q", text, kv)
				}
			}
			for _, name := range scripts(s.EntryPointArgs) {
				if !filepath.IsLocal(name) || strings.Contains(name, "/") {
					t.Fatalf("%q: the script %q", text, name)
				}
			}
		}
		if c, err := args[container](r); err == nil {
			for _, p := range c.PortMappings {
				if m, err := parseMapping(p); err == nil && (m.inside < 1 || m.inside > 65535 || m.outside < 0 || m.outside > 65535) {
					t.Fatalf("%q: %+v", p, m)
				}
			}
		}
	})
}

// A file of outputs that is too large comes back not at all, and is told of; the
// others do.
func TestHandOut(t *testing.T) {
	runner, job := t.TempDir(), t.TempDir()
	var f files
	for name, size := range map[string]int64{"large": maxCommands + 1, "full": maxCommands, "small": 3} {
		if err := errors.Join(os.WriteFile(filepath.Join(runner, name), nil, 0o600), os.WriteFile(filepath.Join(job, name), nil, 0o600), os.Truncate(filepath.Join(job, name), size)); err != nil {
			t.Fatal(err)
		}
		f.copies = append(f.copies, handed{runner, job, name})
	}
	if err := f.handOut(); err == nil || !strings.Contains(err.Error(), "large") || !strings.Contains(err.Error(), "8388609 bytes") {
		t.Error(err)
	}
	for name, size := range map[string]int64{"large": 0, "full": maxCommands, "small": 3} {
		if info, err := os.Stat(filepath.Join(runner, name)); err != nil || info.Size() != size {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}
