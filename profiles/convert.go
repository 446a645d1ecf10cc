package profiles

import (
	"errors"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/snug-sandbox/snug/cgroups"
	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/seccomp"
)

// set reads v, the value of the key at, into the field that to points to, and
// remembers where it came from.
func (d *decoder) set(at *keyPath, v any, to any, r *rule) {
	ok := false
	switch to := to.(type) {
	case *string:
		ok = d.str(at, v, to, r)
	case *bool:
		ok = d.boolean(at, v, to)
	case **int:
		ok = d.optionalInt(at, v, to, r)
	case *int64:
		*to, ok = d.integer(at, v, r)
	case *float64:
		ok = d.number(at, v, to)
	case *units.Bytes:
		ok = d.bytes(at, v, to, r)
	case *units.Duration:
		ok = d.duration(at, v, to, r)
	case **units.FileMode:
		ok = d.fileMode(at, v, to, r)
	case **units.Limit:
		ok = d.limit(at, v, to)
	case **units.Rlimit:
		ok = d.rlimit(at, v, to, r)
	case *units.Memory:
		ok = d.memory(at, v, to)
	case *units.Bandwidth:
		ok = d.bits(at, v, to)
	case *network.Bandwidth:
		d.shape(at, v, to)
	case *units.Rate:
		ok = d.rate(at, v, to)
	case *[]cgroups.IO:
		d.ioLimits(at, v, to)
	case *map[string]units.Bytes:
		d.hugetlb(at, v, to)
	case *[]string:
		d.strings(at, v, to, r)
	case *[]int:
		d.ints(at, v, to, r)
	case *map[string]string:
		d.stringTable(at, v, to, r)
	case *seccomp.Config:
		ok = d.filter(at, v, to, r)
	case *desktop.DBus:
		d.buses(at, v, to)
	}
	if ok {
		d.trace.single(d, at)
	}
}

// str reads one string.
func (d *decoder) str(at *keyPath, v any, to *string, r *rule) bool {
	s, ok := r.switched(v)
	if !ok {
		d.wrong(at, r.noun(), v)
		return false
	}
	if s, ok = d.text(at, s, r); ok {
		*to = s
	}
	return ok
}

// text replaces variables in s, makes a path of it where one is meant, and
// checks it.
func (d *decoder) text(at *keyPath, s string, r *rule) (string, bool) {
	written := s
	s, ok := d.expand(at, s, r.text != plain)
	if !ok {
		return "", false
	}
	if r.text >= hostPath {
		if s, ok = d.path(at, s, written, r.text); !ok {
			return "", false
		}
	}
	if !r.nul && strings.IndexByte(s, 0) >= 0 {
		d.wrong(at, "text without NUL bytes", s)
		return "", false
	}
	if r.enum != nil {
		return d.enum(at, s, r)
	}
	if r.word != nil {
		if want, near := r.word(s); want != "" {
			m := Mistake{Want: want, Got: describe(s)}
			if near != "" {
				m.Hint, m.near = "did you mean "+strconv.Quote(near)+"?", true
			}
			d.bad(at, m)
			return "", false
		}
	}
	return s, true
}

// enum reads one of the words that r knows.
func (d *decoder) enum(at *keyPath, s string, r *rule) (string, bool) {
	if !contains(r.enum, s) {
		hint, near := guess(s, r.enum)
		d.bad(at, Mistake{Want: choice(r.enum), Got: describe(s), Hint: hint, near: near})
		return "", false
	}
	if at.key == "overlay" && s == "none" {
		return "", true
	}
	return s, true
}

// path makes an absolute path of what is written.
func (d *decoder) path(at *keyPath, s, written string, t text) (string, bool) {
	switch {
	case s == "":
		d.wrong(at, "a path", written)
		return "", false
	case s == "~" || strings.HasPrefix(s, "~/"):
		if d.in.Home == "" {
			d.noHome(at)
			return "", false
		}
		s = strings.TrimSuffix(d.in.Home, "/") + s[1:]
	case s[0] == '~' && t != linkText:
		d.bad(at, Mistake{Want: "a path", Got: describe(written), Hint: "only ~/ is replaced; write ./" + s + " for a file of this name"})
		return "", false
	}
	switch {
	case t == linkText:
		return s, true
	case s[0] == '/' && t == insidePath:
		return path.Clean(s), true
	case s[0] == '/':
		return s, true
	case t == insidePath:
		d.wrong(at, "an absolute path", written)
		return "", false
	case d.file.dir == "":
		d.wrong(at, "an absolute path in a built-in profile", written)
		return "", false
	}
	return under(d.file.dir, s), true
}

// under is the relative path s below dir. It does not shorten "..": after a
// symbolic link that would lead elsewhere.
func under(dir, s string) string {
	for strings.HasPrefix(s, "./") {
		s = strings.TrimLeft(s[2:], "/")
	}
	if s == "." || s == "" {
		return dir
	}
	return strings.TrimSuffix(dir, "/") + "/" + s
}

func (d *decoder) boolean(at *keyPath, v any, to *bool) bool {
	b, ok := v.(bool)
	if !ok {
		m := Mistake{Want: "true or false", Got: describe(v)}
		if s, isString := v.(string); isString && (s == "true" || s == "false") {
			m.Hint = "write " + at.key + " = " + s + ", without quotes"
		}
		d.bad(at, m)
		return false
	}
	*to = b
	return true
}

// integer reads a whole number within the bounds of r.
func (d *decoder) integer(at *keyPath, v any, r *rule) (int64, bool) {
	low, high := r.min, r.max
	if high == 0 {
		high = math.MaxInt64
	}
	n, ok := v.(int64)
	if ok && n >= low && n <= high {
		return n, true
	}
	want := "a whole number from " + strconv.FormatInt(low, 10)
	if r.max != 0 {
		want += " to " + strconv.FormatInt(high, 10)
	} else {
		want += " up"
	}
	m := Mistake{Want: want, Got: describe(v)}
	if s, isString := v.(string); isString && at.key != "" {
		if _, err := strconv.ParseInt(s, 10, 64); err == nil {
			m.Hint = "write " + at.key + " = " + s + ", without quotes"
		}
	}
	d.bad(at, m)
	return 0, false
}

func (d *decoder) optionalInt(at *keyPath, v any, to **int, r *rule) bool {
	n, ok := d.integer(at, v, r)
	if ok {
		i := int(n)
		*to = &i
	}
	return ok
}

// number reads a count that may have a fraction.
func (d *decoder) number(at *keyPath, v any, to *float64) bool {
	f, ok := v.(float64)
	switch n := v.(type) {
	case int64:
		f, ok = float64(n), true
	case string:
		text, fine := d.expand(at, n, false)
		if !fine {
			return false
		}
		cpus, err := units.ParseCPUs(text)
		f, ok = cpus, err == nil
	}
	if !ok || !(f >= 0) || math.IsInf(f, 0) {
		d.wrong(at, "a number of CPUs from 0 up, such as 1.5 or \"150%\"", v)
		return false
	}
	*to = f + 0 // a negative zero is zero
	return true
}

// unit checks that v is a string without variables, for the types of package
// units.
func (d *decoder) unit(at *keyPath, v any, want string) (string, bool) {
	s, ok := v.(string)
	if !ok {
		d.wrong(at, want, v)
		return "", false
	}
	return d.expand(at, s, false)
}

// amount notes an amount that err says could not be read.
func (d *decoder) amount(at *keyPath, want string, got any, err error) {
	m := Mistake{Want: want, Got: describe(got)}
	if errors.Is(err, units.ErrRange) {
		m.why = err.Error()
	}
	d.bad(at, m)
}

const wantBytes = "an amount of bytes such as \"512MiB\" or 4096"

func (d *decoder) bytes(at *keyPath, v any, to *units.Bytes, r *rule) bool {
	b, ok := units.Bytes(0), false
	var err error
	if n, isInt := v.(int64); isInt {
		b, ok = units.Bytes(n), n >= 0
	} else {
		s, isText := d.unit(at, v, wantBytes)
		if !isText {
			return false
		}
		b, err = units.ParseBytes(s)
		ok = err == nil
	}
	switch {
	case !ok:
		d.amount(at, wantBytes, v, err)
	case int64(b) < r.min:
		d.wrong(at, "more than 0 bytes", v)
	default:
		*to = b
		return true
	}
	return false
}

func (d *decoder) duration(at *keyPath, v any, to *units.Duration, r *rule) bool {
	const want = "a span of time such as \"90s\" or \"1m30s\""
	if n, isInt := v.(int64); isInt {
		d.bad(at, Mistake{Want: want, Got: describe(v), Hint: "write " + at.key + " = \"" + strconv.FormatInt(n, 10) + "s\""})
		return false
	}
	s, ok := d.unit(at, v, want)
	if !ok {
		return false
	}
	span, err := units.ParseDuration(s)
	switch {
	case err != nil:
		d.amount(at, want, v, err)
	case span <= 0 && !r.signed:
		d.wrong(at, "a span of time of more than 0s", v)
	default:
		*to = span
		return true
	}
	return false
}

func (d *decoder) fileMode(at *keyPath, v any, to **units.FileMode, r *rule) bool {
	want := "a file mode in octal, as a string, from \"0000\" to \"" + units.FileMode(r.max).String() + "\""
	if n, isInt := v.(int64); isInt {
		d.bad(at, Mistake{Want: want, Got: describe(v), Hint: "write " + at.key + " = \"" + octal(n, r.max) + "\""})
		return false
	}
	s, ok := d.unit(at, v, want)
	if !ok {
		return false
	}
	mode, err := units.ParseFileMode(s)
	if err != nil || int64(mode) > r.max {
		d.wrong(at, want, v)
		return false
	}
	*to = &mode
	return true
}

// octal guesses which mode a number was meant to be: 755 stands for 0755, and
// 493, which is what TOML makes of 0o755, for 0755 too.
func octal(n, most int64) string {
	if digits := strconv.FormatInt(n, 10); !strings.ContainsAny(digits, "89-") && len(digits) <= 4 {
		return ("0000" + digits)[len(digits):]
	}
	switch {
	case n >= 0 && n <= most:
		return units.FileMode(n).String()
	case most == 0o777: // the umask
		return "0022"
	}
	return "0755"
}

func (d *decoder) limit(at *keyPath, v any, to **units.Limit) bool {
	const want = "a number, an amount of bytes such as \"8MiB\", or \"infinity\""
	l, ok := units.Limit(0), false
	var err error
	if n, isInt := v.(int64); isInt {
		l, ok = units.Limit(n), n >= 0
	} else {
		s, isText := d.unit(at, v, want)
		if !isText {
			return false
		}
		l, err = units.ParseLimit(s)
		ok = err == nil
	}
	if !ok {
		d.amount(at, want, v, err)
		return false
	}
	*to = &l
	return true
}

// describe says what a value is, for "got …".
func describe(v any) string {
	switch v := v.(type) {
	case string:
		return "the string " + strconv.Quote(shorten(v))
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(text, ".eIN") {
			text += ".0" // 1.0 is not 1
		}
		return text
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return "a date or time"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "an array of tables"
	}
	return fmt.Sprintf("a %T", v)
}

// shorten keeps a message on one line.
func shorten(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
