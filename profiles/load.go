package profiles

import (
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/spec"
)

// maxDepth is how long a chain of extends may be.
const maxDepth = 32

// loader gathers the files that make up a profile, and the mistakes in them.
type loader struct {
	in       *Inputs
	files    []*file // in the order in which they apply: what is extended comes first
	chain    []*file // the files that are being opened, each extended by the one before
	mistakes []*mistake
	unnamed  bool // nobody chose the profile: what the working directory holds is not used
	missing  bool // a file could not be read, so what is inherited is not known
}

// open reads a profile that the caller names.
func (l *loader) open(name string) {
	f, err := l.find(name, nil)
	if err != nil {
		l.missing = true
		l.addFailure(name, err)
		return
	}
	l.visit(f)
}

// visit reads what f extends and puts f after it. A file that is reached by
// several ways applies once, at its first place: else the base that two
// profiles share would undo what the first of them changed.
func (l *loader) visit(f *file) {
	for _, known := range l.files {
		if known.path == f.path {
			return
		}
	}
	l.chain = append(l.chain, f)
	if f.tree == nil {
		l.parse(f)
	}
	l.extend(f)
	l.chain = l.chain[:len(l.chain)-1]
	l.files = append(l.files, f)
}

func (l *loader) parse(f *file) {
	if bad := f.parse(); bad != nil {
		l.missing = true
		l.mistakes = append(l.mistakes, bad...)
	}
}

// extend opens the profiles that f names under extends.
func (l *loader) extend(f *file) {
	v, ok := f.tree["extends"]
	if !ok {
		return
	}
	d := decoder{loader: l, file: f}
	at := &keyPath{key: "extends"}
	if list, ok := v.([]any); ok {
		for i, v := range list {
			d.base(at.element(i), v)
		}
		return
	}
	d.base(at, v)
}

// base opens one profile that d.file extends.
func (d *decoder) base(at *keyPath, v any) {
	name, ok := v.(string)
	if !ok {
		d.wrong(at, "the name or path of a profile, or a list of them", v)
		return
	}
	if name, ok = d.expand(at, name, false); !ok {
		return
	}
	if name == "" || strings.ContainsRune(name, 0) {
		d.wrong(at, "the name or path of a profile", name)
		return
	}
	l := d.loader
	f, err := l.find(name, d.file)
	if err != nil {
		l.missing = true
		d.bad(at, Mistake{Got: name, why: l.because(err), Hint: err.Fix, cause: err})
		return
	}
	for _, above := range l.chain {
		if above.path == f.path {
			l.missing = true
			d.bad(at, Mistake{Got: name, why: "profiles extend each other in a circle: " + l.chainTo(f),
				Hint: "take one of these extends out"})
			return
		}
	}
	if len(l.chain) >= maxDepth {
		l.missing = true
		d.bad(at, Mistake{Got: name, why: "more than " + strconv.Itoa(maxDepth) + " profiles extend each other: " + l.chainTo(f)})
		return
	}
	l.visit(f)
}

// because is why a profile was not found, with the way to the file that asks
// for it where the caller did not name that file.
func (l *loader) because(err *problem.Problem) string {
	why := err.What + ": " + err.Why
	if len(l.chain) > 1 {
		why += " (extended by " + l.chainTo(nil) + ")"
	}
	return why
}

func (l *loader) chainTo(last *file) string {
	var b strings.Builder
	for i, f := range l.chain {
		if i > 0 {
			b.WriteString(" -> ")
		}
		b.WriteString(f.name)
	}
	if last != nil {
		b.WriteString(" -> " + last.name)
	}
	return b.String()
}

// apply puts all files into s, the later over the earlier.
func (l *loader) apply(s *spec.Spec, t *tracer) {
	d := decoder{loader: l, spec: s, trace: t}
	for _, f := range l.files {
		d.file = f
		d.profile()
	}
}
