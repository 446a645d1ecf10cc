package desktopentry

import (
	"errors"
	"fmt"
	"slices"
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

// Startable reports why an entry starts no program at all.
func (f *File) Startable() error {
	g := f.Main()
	switch kind := g.Get("Type"); {
	case kind != "" && kind != "Application":
		return errors.New("it is of Type=" + kind + ", which starts no program")
	case g.Get("Hidden") == "true":
		return errors.New("it says Hidden=true, which takes it out of the desktop")
	case g.Get("Exec") == "" && g.Get("DBusActivatable") != "true":
		return errors.New("it has no Exec: it names no program")
	}
	return nil
}

// starts are the groups that may have an Exec: the main one, and the actions.
func (f *File) starts() (list []*Group) {
	for _, g := range f.Groups {
		if g.Name == Main || strings.HasPrefix(g.Name, action) {
			list = append(list, g)
		}
	}
	return list
}

const action = "Desktop Action "

// Sandboxed changes every Exec of f so that it runs through command, which ends
// in "--": the entry's own and those of its actions. The program is no more to be
// started by the bus where there is another way, and not hidden when some other
// program is missing.
func (f *File) Sandboxed(command []string, marker string) error {
	byBus := f.Main().Get("Exec") == ""
	if !byBus {
		f.dropDead()
	}
	for _, g := range f.starts() {
		if exec := g.Get("Exec"); exec != "" {
			words, err := Words(exec)
			if err != nil {
				return fmt.Errorf("Exec of [%s]: %w", g.Name, err)
			}
			g.Set("Exec", Exec(append(Percent(command), words...)))
		}
		g.Delete("TryExec")
		if g.Get("DBusActivatable") != "" && !byBus {
			g.Set("DBusActivatable", "false")
		}
	}
	f.Main().Set(Marker, Escape(marker))
	return nil
}

// dropDead takes out the actions that the bus alone would start.
func (f *File) dropDead() {
	dead := map[string]bool{}
	for _, g := range f.starts() {
		if g.Get("Exec") == "" {
			dead[strings.TrimPrefix(g.Name, action)] = true
		}
	}
	if len(dead) == 0 {
		return
	}
	f.Groups = slices.DeleteFunc(f.Groups, func(g *Group) bool { name, is := strings.CutPrefix(g.Name, action); return is && dead[name] })
	names := slices.DeleteFunc(strings.Split(f.Main().Get("Actions"), ";"), func(name string) bool { return dead[name] })
	f.Main().Set("Actions", strings.Join(names, ";"))
}

// Unboxed takes back what Sandboxed did to each Exec.
func (f *File) Unboxed() {
	for _, g := range f.starts() {
		words, _ := Words(g.Get("Exec"))
		if at := slices.Index(words, "--"); at >= 0 {
			g.Set("Exec", Exec(words[at+1:]))
		}
	}
	f.Main().Delete(Marker)
}

// Marker is the key of entries that were written here; it holds the profile.
const Marker = "X-Snug-Profile"
