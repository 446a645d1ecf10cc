package desktopentry

import (
	"errors"
	"fmt"
	"strings"
)

// Words splits the value of the key Exec, escapes of strings undone first, into
// arguments. Field codes such as %f stay as they are.
func Words(exec string) ([]string, error) {
	var words []string
	var word strings.Builder
	in, quoted := false, false
	text := Unescape(exec)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\' && i+1 < len(text) && strings.IndexByte("\"`$\\", text[i+1]) >= 0:
			i++
			word.WriteByte(text[i])
		case c == '"':
			in, quoted = true, !quoted
		case !quoted && (c == ' ' || c == '\t' || c == '\n'):
			if in {
				words = append(words, word.String())
				word.Reset()
			}
			in = false
		default:
			in = true
			word.WriteByte(c)
		}
	}
	if quoted {
		return nil, errors.New("a quotation mark is open at the end")
	}
	if in {
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, errors.New("it names no program")
	}
	return words, nil
}

// reserved are the letters that an argument must be quoted for.
const reserved = " \t\n\"'\\><~|&;$*?#()`"

// Exec writes arguments as the value of the key Exec. A percent sign in them
// begins a field code; Percent is for words that hold none.
func Exec(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return Escape(strings.Join(quoted, " "))
}

// Percent writes words in which a percent sign is one.
func Percent(words []string) []string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = strings.ReplaceAll(w, "%", "%%")
	}
	return list
}

func quote(w string) string {
	if w != "" && !strings.ContainsAny(w, reserved) {
		return w
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`).Replace(w) + `"`
}

// Escape and Unescape are for values that are strings: \s, \n, \t, \r and \\.
func Escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(s)
}

// Unescape undoes Escape.
func Unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if at := strings.IndexByte(`sntr\`, s[i]); at >= 0 {
			b.WriteByte(" \n\t\r\\"[at])
		} else {
			b.WriteString(s[i-1 : i+1])
		}
	}
	return b.String()
}

// Sandboxed changes every Exec of f so that it runs through command, which ends
// in "--": the entry's own and those of its actions. The program is no more to be
// started by the bus, and not hidden when some other program is missing.
func (f *File) Sandboxed(command []string, marker string) error {
	for _, g := range f.Groups {
		if g.Name != Main && !strings.HasPrefix(g.Name, "Desktop Action ") {
			continue
		}
		if exec := g.Get("Exec"); exec != "" {
			words, err := Words(exec)
			if err != nil {
				return fmt.Errorf("Exec of [%s]: %w", g.Name, err)
			}
			g.Set("Exec", Exec(append(Percent(command), words...)))
		}
		g.Delete("TryExec")
		if g.Get("DBusActivatable") != "" {
			g.Set("DBusActivatable", "false")
		}
	}
	f.Main().Set(Marker, Escape(marker))
	return nil
}

// Marker is the key of entries that were written here; it holds the profile.
const Marker = "X-Snug-Profile"
