// Package running knows the sandboxes that run: each has a record, a file that
// whoever runs the sandbox holds a lock on (flock(2)). With its holder ends the
// lock, so that a crash never leaves a sandbox that seems to run; the file is
// then removed by whoever sees it next. There is no daemon. What the record says
// is in the holder's memory, where no sandbox can forge it.
package running

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/internal/cgroupfs"
)

// Record is what is known of a running sandbox.
type Record struct {
	Version int    `json:"version"`
	Name    string `json:"name"`
	Profile string `json:"profile"`

	// Supervisor is the process that holds the lock, and SupervisorStart when it
	// was started, in clock ticks after boot.
	Supervisor      int    `json:"supervisor"`
	SupervisorStart uint64 `json:"supervisor_start"`

	Started time.Time `json:"started"`
	Command []string  `json:"command"`

	// Options are those of the command line that changed what the profile says.
	Options []string `json:"options,omitempty"`

	// Sources are the files of the profile, by their absolute paths.
	Sources []string `json:"sources,omitempty"`

	// Cgroup is the directory of the sandbox's control group, if it has one.
	Cgroup string `json:"cgroup,omitempty"`

	// Instance is what package snug needs to enter the sandbox.
	Instance json.RawMessage `json:"instance"`
}

// version is the only one of Record that this program reads.
const version = 2

// most is how large a record may be.
const most = 1 << 20

const maxName = 64

// ValidName reports whether a sandbox may be called so: letters, digits and
// "-_.", a letter or digit in front, at most 64 bytes.
func ValidName(name string) bool {
	if name == "" || len(name) > maxName || strings.IndexByte("-_.", name[0]) >= 0 {
		return false
	}
	return strings.IndexFunc(name, foreign) < 0
}

func foreign(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
}

// NameOf makes a valid name of any text, with a suffix that is one.
func NameOf(text, suffix string) string {
	text = strings.TrimLeft(strings.Map(func(r rune) rune {
		if foreign(r) {
			return '-'
		}
		return r
	}, text), "-_.")
	text = text[:min(len(text), maxName-1-len(suffix))]
	if text == "" {
		text = "snug"
	}
	return text + "-" + suffix
}

// parse reads what a file says of where a record is. What was written by somebody
// else, or not completely, is nothing.
func parse(text []byte) (pointer, bool) {
	var p pointer
	ok := json.Unmarshal(text, &p) == nil && p.Version == version && p.Supervisor > 0 && p.Descriptor >= 0
	return p, ok
}

// ErrInUse is the reason when a sandbox of that name runs.
var ErrInUse = errors.New("a sandbox of this name runs")

// Lock is the hold on a name.
type Lock struct {
	path   string
	file   *os.File
	mu     sync.Mutex // guards sealed
	sealed *os.File   // the record, once there is one
}

// Reserve takes a name for a sandbox of this process. It fails with ErrInUse
// while another one holds it, and with another error where there is no
// directory to keep records in.
func Reserve(name string) (*Lock, error) {
	dir, err := directory()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, name)
	// Who looks at an abandoned record holds its lock for a moment, too.
	for tries := 0; ; tries++ {
		l, err := hold(path)
		if err != ErrInUse || tries == 20 {
			return l, err
		}
		if _, ok := read(path, name); ok {
			return nil, ErrInUse
		}
		time.Sleep(time.Millisecond)
	}
}

// hold takes the lock of the file at path, which is made if there is none.
func hold(path string) (*Lock, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	l := &Lock{path: path, file: os.NewFile(uintptr(fd), path)}
	if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) != nil || !l.current() {
		l.file.Close()
		return nil, ErrInUse
	}
	if !owned(fd, unix.S_IFREG) {
		l.file.Close()
		return nil, &os.PathError{Op: "open", Path: path, Err: unix.EPERM}
	}
	if size, err := l.file.Seek(0, io.SeekEnd); err != nil || size > 0 {
		return l, l.file.Truncate(0)
	}
	return l, nil
}

// current reports whether the file is still the one at its path: it may have
// been removed between being opened and being locked.
func (l *Lock) current() bool {
	var mine, there unix.Stat_t
	return unix.Fstat(int(l.file.Fd()), &mine) == nil && unix.Lstat(l.path, &there) == nil && mine.Ino == there.Ino && mine.Dev == there.Dev
}

// Publish makes the record known. Readers see all of it or nothing: what is not
// complete is no JSON.
func (l *Lock) Publish(r Record) error {
	r.Version, r.Name = version, filepath.Base(l.path)
	r.Supervisor = os.Getpid()
	r.SupervisorStart = StartTime(r.Supervisor)
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sealed, err = seal(text); err != nil {
		return err
	}
	text, err = json.Marshal(pointer{version, r.Supervisor, r.SupervisorStart, int(l.sealed.Fd()), r.Cgroup})
	if err == nil {
		_, err = l.file.WriteAt(text, 0)
	}
	return err
}

// Release removes the record and gives the name back.
func (l *Lock) Release() {
	if l != nil {
		unix.Unlink(l.path)
		l.file.Close()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sealed.Close()
	}
}

// read reads the record at path; false is none.
func read(path, name string) (Record, bool) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return Record{}, false
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if !owned(fd, unix.S_IFREG) {
		return Record{}, false
	}
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return Record{}, false
	}
	p, ok := parse(text)
	if !ok {
		return Record{}, false
	}
	r, ok := p.record()
	return r, ok && r.Name == name
}

// List returns the sandboxes of this user that run, by name, and removes
// records that nobody holds.
func List() []Record {
	var list []Record
	for _, dir := range known() {
		for _, name := range names(dir) {
			if Collect(dir, name) {
				continue
			}
			if r, ok := wait(dir, name); ok {
				list = append(list, r)
			}
		}
	}
	slices.SortFunc(list, func(a, b Record) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// wait is read for a sandbox that may just be starting: its record is held, and
// empty for a moment.
func wait(dir, name string) (Record, bool) {
	path := filepath.Join(dir, name)
	var st unix.Stat_t
	for end := time.Now().Add(time.Second); unix.Lstat(path, &st) == nil && st.Size == 0 && st.Mode&unix.S_IFMT == unix.S_IFREG && time.Now().Before(end); {
		time.Sleep(2 * time.Millisecond)
		if Collect(dir, name) {
			return Record{}, false
		}
	}
	return read(path, name)
}

// Find returns the record of the sandbox that a supervisor runs under a name,
// and whether it still does.
func Find(name string, supervisor int) (Record, bool) {
	for _, dir := range known() {
		if Collect(dir, name) {
			continue
		}
		if r, ok := read(filepath.Join(dir, name), name); ok && r.Supervisor == supervisor {
			return r, true
		}
	}
	return Record{}, false
}

// Disbelieved returns the file that somebody holds as the record of a name, though
// it leads to no record; "" is none.
func Disbelieved(name string) string {
	for _, dir := range known() {
		path := filepath.Join(dir, name)
		if !ValidName(name) || Collect(dir, name) || unix.Access(path, unix.F_OK) != nil {
			continue
		}
		if _, ok := wait(dir, name); !ok {
			return path
		}
	}
	return ""
}

// names are those of a directory's files that can be records.
func names(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	all, _ := f.Readdirnames(-1)
	return slices.DeleteFunc(all, func(name string) bool { return !ValidName(name) })
}

// Collect removes a record that nobody holds, and reports whether it did.
func Collect(dir, name string) bool {
	path := filepath.Join(dir, name)
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	l := &Lock{path: path, file: os.NewFile(uintptr(fd), path)}
	defer l.file.Close()
	if !owned(fd, unix.S_IFREG) || unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) != nil || !l.current() {
		return false
	}
	l.endGroup()
	return unix.Unlink(path) == nil
}

// endGroup ends what an abandoned record's sandbox has left in its control group:
// where it was paused, its first process could not see that the supervisor is
// gone.
func (l *Lock) endGroup() {
	var p pointer
	if json.NewDecoder(io.LimitReader(l.file, most)).Decode(&p) == nil && p.Cgroup != "" {
		cgroupfs.Collect(p.Cgroup)
	}
}

// CollectSome removes records that nobody holds, but looks at no more than a
// few: a run does it beside its command.
func (l *Lock) CollectSome() {
	const few = 8
	dir := filepath.Dir(l.path)
	all := names(dir)
	for i := range min(few, len(all)) {
		if name := all[(i+os.Getpid())%len(all)]; name != filepath.Base(l.path) {
			Collect(dir, name)
		}
	}
}
