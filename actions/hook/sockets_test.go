package hook

import (
	"testing"

	"golang.org/x/sys/unix"
)

// What came while a call was interrupted is not waited for once more.
func TestInterruptedCallsAreMadeAgain(t *testing.T) {
	for last, want := range map[error]bool{nil: true, unix.EAGAIN: false, unix.EBADF: true} {
		answers := []error{unix.EINTR, unix.ECONNABORTED, unix.EINTR, last}
		got := tried(func() (err error) {
			err, answers = answers[0], answers[1:]
			return err
		})
		if got != want || len(answers) > 0 {
			t.Errorf("%v: %v, and %d calls were not made", last, got, len(answers))
		}
	}
}
