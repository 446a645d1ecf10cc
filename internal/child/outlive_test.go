package child

import (
	"os"
	"testing"
)

// Who ends with the run goes first, and who does not is not kept: the process that
// stays waits for a word or for the end, and not for ever.
func TestOutlive(t *testing.T) {
	ends := map[string]func(p *Process) error{
		"dismissed": func(p *Process) error { _, err := p.Dismiss(); return err },
		"forgotten": func(p *Process) error { _, err := p.Wait(); return err },
		"alone": func(p *Process) error {
			if p.control == nil {
				p.control = os.NewFile(p.fd, "control")
			}
			p.control.Close()
			_, err := waitFor(p.PID)
			return err
		},
	}
	for name, end := range ends {
		b := newBuilder()
		b.exec("exit 7")
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Start(&b.Program, Options{Files: []int{int(null.Fd())}, Killer: KillChildren})
		null.Close()
		if err != nil {
			t.Fatal(err)
		}
		p.Outlive()
		e := p.Receive()
		for ; e.Kind != Gone && e.Kind != Done; e = p.Receive() {
		}
		if o := p.Outcome(); e.Kind != Done || o.Status.ExitStatus() != 7 {
			t.Errorf("%s: event %d, %+v", name, e.Kind, o)
		}
		if err := end(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
