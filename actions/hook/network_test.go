package hook

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/internal/kerneltest"
)

// set changes a variable of the runner.
func (r *runner) set(name, value string) { r.env = append(r.env, name+"="+value) }

// ownAddress is an address of this machine that is not its loopback's.
func ownAddress(t *testing.T) string {
	t.Helper()
	list, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return ""
}

// TestPrivateNetwork has a job in a network of its own that reaches out: the
// default, where the helper is installed.
func TestPrivateNetwork(t *testing.T) {
	kerneltest.Require(t, "net")
	r := newRunner(t)
	r.set("SNUG_ACTIONS_NETWORK", "auto")
	busybox, _ := os.ReadFile(mustFind(t, "busybox"))
	r.image("web", busybox, map[string]string{"srv/index.html": "from the service\n"}, `"Entrypoint":["httpd","-f","-p","8080","-h","/srv"],"Env":["PATH=/bin"]`)
	a := r.prepare(r.jobContainer("debian"), container{ContextName: "web", Image: "web", CreateOptions: `--network-alias www --health-cmd "nc web 8080 </dev/null" --health-interval 100ms --health-retries 600`})
	if strings.Contains(a.out, "private network") || strings.Contains(string(a.state), "shared") {
		t.Errorf("not in a private network: %s, %s", a.out, a.state)
	}
	const get = "printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc %s 8080 | tail -n 1"
	for _, host := range []string{"web", "www"} {
		for _, command := range []string{"run_script_step", "run_container_step"} {
			line := container{Image: "debian", EntryPoint: "sh", EntryPointArgs: []string{"-c", fmt.Sprintf(get, host)}}
			if got := r.hook(command, line, a.state); got.out != "from the service\n" {
				t.Errorf("%s, %s: %d, %q", command, host, got.code, got.out)
			}
		}
	}
	if got := r.step(a, "ip route | grep -c ^default; grep -c ^nameserver /etc/resolv.conf; grep -c \" $(hostname)$\" /etc/hosts"); !strings.HasPrefix(got.out, "1\n") || !strings.HasSuffix(got.out, "\n1\n") || strings.Contains(got.out, "\n0\n") {
		t.Errorf("%d: %q", got.code, got.out)
	}
	r.reachesOut(a)
}

// reachesOut holds that a step reaches the world by its network, and neither this
// machine's loopback nor what clouds keep their keys at.
func (r *runner) reachesOut(a answer) {
	l, err := net.Listen("tcp4", ":0")
	if err != nil {
		r.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "from outside\n")
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if own := ownAddress(r.T); own != "" {
		if got := r.step(a, "nc "+own+" "+port+" </dev/null"); got.out != "from outside\n" {
			r.Errorf("%d: %q", got.code, got.out)
		}
	}
	for _, address := range []string{"127.0.0.1 " + port, "169.254.169.254 80", "168.63.129.16 80"} {
		if got := r.step(a, "nc -w 5 "+address+" </dev/null"); got.code == 0 || got.out == "from outside\n" {
			r.Errorf("%s is reached: %s", address, got.out)
		}
	}
}

// TestNoPrivateNetwork holds that the reason is told where there is none, and
// that who insists on one gets an error.
func TestNoPrivateNetwork(t *testing.T) {
	r := newRunner(t)
	empty := t.TempDir()
	for _, program := range []string{"snug", "snug-actions"} {
		text, err := os.ReadFile(programs + "/" + program)
		if err == nil {
			err = os.WriteFile(empty+"/"+program, text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	was := programs
	defer func() { programs = was }()
	programs = empty
	r.set("SNUG_ACTIONS_NETWORK", "private")
	args := prepareArgs{Container: r.jobContainer("debian")}
	if a := r.hook("prepare_job", args, nil); a.code != 125 || !strings.Contains(a.out, "snug-net") {
		t.Errorf("%d: %s", a.code, a.out)
	}
	r.nothingLeft("without the helper")
	r.set("SNUG_ACTIONS_NETWORK", "auto")
	if a := r.hook("prepare_job", args, nil); a.code != 0 || !strings.Contains(a.out, "each other and nothing else") || !strings.Contains(a.out, "snug-net") {
		t.Errorf("%d: %s", a.code, a.out)
	}
	r.set("SNUG_ACTIONS_NETWORK", "some")
	if a := r.hook("prepare_job", args, nil); a.code != 125 || !strings.Contains(a.out, "not one of auto, none, private, host") {
		t.Errorf("%d: %s", a.code, a.out)
	}
}
