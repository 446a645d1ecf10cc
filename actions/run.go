package actions

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/workflow"
)

// Process is what a run has of the process that it runs in.
type Process struct {
	Environ []string  // of the process
	Out     io.Writer // the log of the step, which the runner reads commands from
	Snug    string    // path of the program snug
}

// Main is Run for inputs that were read with an error, or without one.
func Main(in Inputs, wrong error, p Process) int {
	if wrong != nil {
		in.Annotate = true
		(&runner{Process: p, Inputs: in}).fail(wrong)
		return snug.CodeFailed
	}
	return Run(in, p)
}

// Run runs the step that inputs describe, and returns the exit code. Everything
// that is to be said is said on p.Out: the runner reads standard error before
// standard output where both have lines.
func Run(in Inputs, p Process) int {
	r := &runner{Process: p, Inputs: in, began: time.Now()}
	err := r.run()
	if err != nil {
		r.fail(err)
		return snug.CodeFailed
	}
	return r.report.code()
}

type runner struct {
	Process
	Inputs
	began  time.Time
	job    job
	step   *step
	told   bool // what went wrong is in the log already
	report Report
}

func (r *runner) run() (err error) {
	if r.job, err = newJob(r.Environ); err != nil {
		return err
	}
	l, err := newLayout(r.job.temp)
	if err != nil {
		return &problem.Problem{What: "RUNNER_TEMP " + r.job.temp, Why: bareError(err).Error(), Err: err}
	}
	defer remove(l.dir)
	r.step = &step{Inputs: r.Inputs, job: r.job, layout: l}
	if err := r.prepare(); err != nil {
		return err
	}
	profile, err := r.step.profile()
	if err != nil {
		return err
	}
	if err := r.sandbox(profile); err != nil {
		return err
	}
	if err := r.collect(); err != nil {
		return err
	}
	return r.tell()
}

// prepare writes the script, and finds what the step must not see.
func (r *runner) prepare() (err error) {
	s := r.step
	if err := r.prepareScript(); err != nil {
		return err
	}
	if s.hidden, err = findSecrets(r.job.workspace); err != nil {
		return err
	}
	r.report.Hidden = s.hidden.dropped
	return s.writeClean()
}

// prepareScript writes the script.
func (r *runner) prepareScript() (err error) {
	s := r.step
	var name string
	if s.words, name, err = shellWords(s.Shell, s.scriptDir()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.layout.path("snug"), name), []byte(scriptText(s.Shell, s.Run)), 0o755)
}

// profileName is the profile that the step's own is put on top of. The workspace
// is what a pull request wrote: a name is not looked for there, a path is.
func (r *runner) profileName() (string, error) {
	if !strings.Contains(r.Profile, "/") && !strings.HasSuffix(r.Profile, ".toml") {
		return r.Profile, nil
	}
	if filepath.IsAbs(r.Profile) {
		return r.Profile, nil
	}
	if !filepath.IsLocal(r.Profile) {
		return "", &problem.Problem{What: "input profile", Why: r.Profile + " leads out of the workspace"}
	}
	return filepath.Join(r.job.workspace, r.Profile), nil
}

// sandbox runs the step, with its host set up where that is needed.
func (r *runner) sandbox(profile []byte) error {
	r.delegate()
	code, err := r.start(profile)
	if err != nil {
		return err
	}
	r.report.Sandbox = readReport(r.step.layout.path("report.json"))
	if s := r.report.Sandbox; code == snug.CodeFailed && (s == nil || s.Reached != "run" && s.Cause == snug.CauseSetup) {
		mended, forbidden := r.setUpHost(s)
		switch {
		case forbidden != nil && r.Bare == "landlock":
			code, err = r.withoutNamespaces(forbidden)
		case forbidden != nil:
			return forbidden
		case mended:
			code, err = r.start(profile)
		}
		if err != nil {
			return err
		}
		r.report.Sandbox = readReport(r.step.layout.path("report.json"))
	}
	if s := r.report.Sandbox; s == nil || s.Cause == snug.CauseSetup {
		return r.notRun(s)
	}
	r.report.ExitCode = code
	return nil
}

// notRun is the error of a step that never ran. There is no way but a sandbox.
func (r *runner) notRun(s *sandboxReport) error {
	p := &problem.Problem{What: "the sandbox could not be made", Why: "snug said nothing of the reason"}
	if s != nil && s.Error != "" {
		p.Why, p.Fix, r.told = s.Error, s.Fix, true
	}
	return p
}

// start runs snug once. What the step prints goes to the log between the marks
// that have the runner take no commands.
func (r *runner) start(profile []byte) (code int, err error) {
	name, err := r.profileName()
	if err != nil {
		return 0, err
	}
	memory, err := inMemory(profile)
	if err != nil {
		return 0, err
	}
	defer memory.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer read.Close()
	cmd := exec.Command(r.Snug, "run", "-p", name, "-p", "/proc/self/fd/3", "--quiet", "--report", r.step.layout.path("report.json"))
	cmd.Dir = r.step.layout.dir
	cmd.Env = r.Environ
	cmd.Stdout, cmd.Stderr = write, write // one pipe, so that the order is that of the step
	cmd.ExtraFiles = []*os.File{memory}
	stop := "snug-" + token()
	fmt.Fprintf(r.Out, "::stop-commands::%s\n", stop)
	defer fmt.Fprintf(r.Out, "::%s::\n", stop)
	signals := make(chan os.Signal, 4) // of a canceled job: an interrupt, later the request to end
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	if err := cmd.Start(); err != nil {
		write.Close()
		return 0, &problem.Problem{What: r.Snug, Why: bareError(err).Error(), Err: err}
	}
	write.Close()
	go forward(signals, cmd.Process)
	watched := watch(cmd.Process.Pid)
	defer func() { r.report.Memory = watched() }()
	d := workflow.NewDefuser(r.Out)
	_, err = io.Copy(d, read)
	if closed := d.Close(); err == nil {
		err = closed
	}
	read.Close() // where the log takes no more, the step does not wait for it
	r.report.Commands += d.Commands
	waited := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case errors.As(waited, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode(), err
	case errors.As(waited, &exit):
		return 128 + int(exit.Sys().(syscall.WaitStatus).Signal()), err
	case waited != nil:
		return 0, waited
	}
	return 0, err
}

// inMemory returns a file that holds text and has no name: values of secrets are
// in it.
func inMemory(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("step.toml", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "step.toml")
	_, err = f.Write(text)
	return f, err
}

// forward hands signals on (actions/runner, ProcessInvoker.cs).
func forward(signals <-chan os.Signal, p *os.Process) {
	for s := range signals {
		p.Signal(s)
	}
}

// remove removes the files of a run. The step may have taken rights off its
// directories.
func remove(dir string) {
	if os.RemoveAll(dir) == nil {
		return
	}
	filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if e != nil && e.IsDir() {
			os.Chmod(path, 0o700)
		}
		return nil
	})
	os.RemoveAll(dir)
}

// fail tells why nothing ran.
func (r *runner) fail(err error) {
	var text strings.Builder
	problem.Print(&text, err)
	if !r.told {
		d := workflow.NewDefuser(r.Out)
		io.WriteString(d, text.String())
		d.Close()
	}
	if r.Annotate {
		fmt.Fprintln(r.Out, r.annotation("error", "Snug", strings.TrimSpace(text.String())))
	}
}

// writeReport leaves the report where later steps find it.
func (r *runner) writeReport() (path string, err error) {
	text, err := json.MarshalIndent(r.report, "", "  ")
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(r.job.temp, "snug-report-*.json")
	if err != nil {
		return "", err
	}
	_, err = f.Write(append(text, '\n'))
	if closed := f.Close(); err == nil {
		err = closed
	}
	return f.Name(), err
}
