package actions

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
)

// What keeps ordinary users from making user namespaces, and the value that
// does not (Ubuntu 23.10 and newer; Debian's and Arch's own).
var restrictions = [][2]string{
	{"kernel.apparmor_restrict_unprivileged_userns", "0"},
	{"kernel.unprivileged_userns_clone", "1"},
}

// appArmorFile is where the profile goes that lets Snug, and no other program,
// make user namespaces.
const appArmorFile = "/etc/apparmor.d/snug"

func appArmorProfile(exe string) string {
	return "abi <abi/4.0>,\ninclude <tunables/global>\nprofile snug " + strconv.Quote(exe) + " flags=(unconfined) {\n  userns,\n  include if exists <local/snug>\n}\n"
}

// setUpHost mends a machine where no sandbox could be made, as far as host-setup
// allows it. It reports whether something was changed, so that trying again
// makes sense. That the machine is at fault is found out by making the smallest
// sandbox, not by reading a setting.
func (r *runner) setUpHost(failed *sandboxReport) (mended bool, err error) {
	works, mend := r.doctor()
	if works {
		return false, nil // it is this sandbox, not the machine
	}
	refusal := &problem.Problem{What: "this machine makes no sandbox", Why: "snug doctor says so", Fix: mend}
	if failed != nil && failed.Error != "" {
		refusal.Why = failed.Error
	}
	switch r.HostSetup {
	case "none":
		refusal.Fix = strings.TrimSpace("host-setup: auto\n" + mend)
		return false, refusal
	case "sysctl":
		err = r.liftSysctls()
	default:
		if err = r.allowSnug(); err != nil {
			err = r.liftUserns(err)
		}
	}
	if err != nil {
		refusal.Why += "; " + err.Error()
		return false, refusal
	}
	if works, _ := r.doctor(); !works {
		return false, refusal
	}
	return true, nil
}

// doctor has snug make the smallest sandbox. mend is what would help.
func (r *runner) doctor() (works bool, mend string) {
	cmd := exec.Command(r.Snug, "doctor", "--json")
	cmd.Env, cmd.Dir = r.Environ, "/"
	out, _ := cmd.Output()
	var report struct {
		OK     bool
		Checks []struct{ State, Mend string }
	}
	if json.Unmarshal(out, &report) != nil {
		return false, ""
	}
	var list []string
	for _, c := range report.Checks {
		if c.State == "missing" && c.Mend != "" && !contains(list, c.Mend) {
			list = append(list, c.Mend)
		}
	}
	return report.OK, strings.Join(list, "\n")
}

// allowSnug loads the narrow profile: the restriction stays for everybody else.
func (r *runner) allowSnug() error {
	if readSetting(restrictions[0][0]) != "1" {
		return fmt.Errorf("it is not AppArmor that forbids it")
	}
	exe, err := filepath.EvalSymlinks(r.Snug)
	if err != nil {
		return err
	}
	if err := r.sudo(appArmorProfile(exe), "tee", appArmorFile); err != nil {
		return err
	}
	return r.sudo("", "apparmor_parser", "-r", "-W", appArmorFile)
}

// liftUserns allows user namespaces where a distribution's own setting forbids
// them to everybody: there is nothing narrower.
func (r *runner) liftUserns(was error) error {
	if readSetting(restrictions[1][0]) != "0" {
		return was
	}
	return r.sudo("", "sysctl", "-q", "-w", restrictions[1][0]+"="+restrictions[1][1])
}

// liftSysctls takes the restrictions away for the whole machine, which is thrown
// away after the job.
func (r *runner) liftSysctls() error {
	changed := false
	for _, s := range restrictions {
		if is := readSetting(s[0]); is == "" || is == s[1] {
			continue
		}
		if err := r.sudo("", "sysctl", "-q", "-w", s[0]+"="+s[1]); err != nil {
			return err
		}
		changed = true
	}
	if !changed {
		return fmt.Errorf("no sysctl forbids it")
	}
	return nil
}

// settings is where the kernel shows its settings.
var settings = "/proc/sys"

func readSetting(name string) string {
	b, _ := os.ReadFile(filepath.Join(settings, strings.ReplaceAll(name, ".", "/")))
	return strings.TrimSpace(string(b))
}

// sudo runs a command as root, where that takes no question.
func (r *runner) sudo(stdin string, words ...string) error {
	cmd := exec.Command(words[0], words[1:]...)
	if os.Geteuid() != 0 {
		cmd = exec.Command("sudo", append([]string{"-n", "--"}, words...)...)
	}
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		if text := firstLine(string(out)); text != "" {
			err = fmt.Errorf("%s", text)
		}
		return fmt.Errorf("sudo %s: %w", strings.Join(words, " "), err)
	}
	return nil
}

// delegation is what makes systemd hand its user managers what limits need.
const delegation = "/etc/systemd/system/user@.service.d/snug-delegate.conf"

// delegate has systemd hand out the controllers that were asked for by name.
// Without it the step runs with what each process carries by itself, and says so.
func (r *runner) delegate() {
	uid := strconv.Itoa(os.Getuid())
	have, err := os.ReadFile("/sys/fs/cgroup/user.slice/user-" + uid + ".slice/user@" + uid + ".service/cgroup.controllers")
	if err != nil || r.HostSetup == "none" || r.Memory == "" && r.CPUs == "" && r.PIDs == "" {
		return
	}
	list := strings.Fields(string(have))
	if contains(list, "cpu") && contains(list, "memory") && contains(list, "pids") {
		return
	}
	if err := r.sudo("", "mkdir", "-p", filepath.Dir(delegation)); err != nil {
		return
	}
	if r.sudo("[Service]\nDelegate=cpu cpuset io memory pids\n", "tee", delegation) == nil {
		r.sudo("", "systemctl", "daemon-reload")
	}
}
