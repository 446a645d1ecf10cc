package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"github.com/snug-sandbox/snug/internal/desktopentry"
	"github.com/snug-sandbox/snug/internal/problem"
)

// places are the directories of desktop entries and their like.
type places struct {
	home string   // of data, the user's own
	dirs []string // of the system, the first counts
}

func dataPlaces() places {
	p := places{home: os.Getenv("XDG_DATA_HOME")}
	if !filepath.IsAbs(p.home) {
		p.home = filepath.Join(os.Getenv("HOME"), ".local/share")
	}
	dirs := os.Getenv("XDG_DATA_DIRS")
	if dirs == "" {
		dirs = "/usr/local/share:/usr/share"
	}
	for _, dir := range filepath.SplitList(dirs) {
		if filepath.IsAbs(dir) {
			p.dirs = append(p.dirs, dir)
		}
	}
	return p
}

func (p places) own(id string) string { return filepath.Join(p.home, "applications", id+".desktop") }

func (p places) service(id string) string {
	return filepath.Join(p.home, "dbus-1", "services", id+".service")
}

// saved is where a file of the user's own is kept while install's is in its place.
func (p places) saved(name string) string {
	return filepath.Join(p.home, "snug", "entries", filepath.Base(name))
}

// replace writes a file. One that the user wrote there is kept.
func (p places) replace(name, text string) error {
	was, err := os.ReadFile(name)
	if err == nil && !marked(string(was)) {
		err = write(p.saved(name), string(was))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return write(name, text)
}

// restore takes away what replace wrote, and puts back what was there.
func (p places) restore(name string) error {
	if err := os.Remove(name); err != nil {
		return err
	}
	was, err := os.ReadFile(p.saved(name))
	if err != nil {
		return nil
	}
	return errors.Join(write(name, string(was)), os.Remove(p.saved(name)))
}

// marked reports whether a file was written here.
func marked(text string) bool {
	if f, err := desktopentry.Parse(text); err == nil {
		return f.Main().Get(desktopentry.Marker) != ""
	}
	s, err := desktopentry.ParseService(text)
	return err == nil && s.Group(desktopentry.Service).Get(desktopentry.Marker) != ""
}

// find returns the entry of an application: the user's own, unless it was
// written here, else the system's.
func (p places) find(id string) (string, *desktopentry.File, error) {
	list := append(below(filepath.Join(p.home, "applications"), id), p.saved(p.own(id)))
	for _, dir := range p.dirs {
		list = append(list, below(filepath.Join(dir, "applications"), id)...)
	}
	for _, name := range list {
		f, err := read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", nil, err
		}
		if f.Main().Get(desktopentry.Marker) == "" {
			return name, f, nil
		}
	}
	return "", nil, fs.ErrNotExist
}

// below are the files that an id may stand for: a dash is one, or parts a folder
// from what is in it (Desktop Entry specification, "Desktop File ID").
func below(dir, id string) []string {
	list := []string{filepath.Join(dir, id+".desktop")}
	for i, c := range id {
		if folder := filepath.Join(dir, id[:i]); c == '-' && i > 0 && i+1 < len(id) && isFolder(folder) {
			list = append(list, below(folder, id[i+1:])...)
		}
	}
	return list
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

func read(name string) (*desktopentry.File, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f, err := desktopentry.Parse(string(text))
	if err != nil {
		return nil, &problem.Problem{What: name, Why: err.Error(), Err: err, Fix: "desktop-file-validate " + name}
	}
	return f, nil
}

// entry returns the entry that a word of the command line stands for, and its id:
// the word is an id, a file, or a program. For a program that no entry starts a
// new one is made. The name is that of the file.
func (p places) entry(word string) (id, name string, f *desktopentry.File, err error) {
	id = strings.TrimSuffix(filepath.Base(word), ".desktop")
	if !validID(id) {
		return "", "", nil, &problem.Problem{What: problem.Printable(word), Why: "not a name for a desktop entry", Fix: "the name of a file in /usr/share/applications, without .desktop, or of a program"}
	}
	if strings.Contains(word, "/") && strings.HasSuffix(word, ".desktop") {
		f, err = read(word)
		if err != nil || f.Main().Get(desktopentry.Marker) == "" {
			return id, word, f, err
		}
	}
	name, f, err = p.find(id)
	if !errors.Is(err, fs.ErrNotExist) {
		return id, name, f, err
	}
	written := slices.DeleteFunc(p.ids(word), func(id string) bool { _, _, err := p.find(id); return err != nil })
	switch {
	case len(written) == 1:
		id = written[0]
		name, f, err = p.find(id)
	case len(written) > 1:
		err = &problem.Problem{What: word, Why: "several desktop entries start it: " + problem.Printable(strings.Join(written, ", ")), Fix: "name one of them"}
	default:
		if f, err = read(p.own(id)); err == nil { // written here, from elsewhere
			f.Unboxed()
			return id, p.own(id), f, nil
		}
		f, err = p.fresh(word, id)
	}
	return id, name, f, err
}

// install writes the entry of an application, so that it starts in a sandbox.
func install(args []string) error {
	flags := flag.NewFlagSet("install", flag.ContinueOnError)
	profile := flags.String("profile", "", "")
	self := flags.String("snug", "snug", "")
	label := flags.String("name", "", "")
	icon := flags.String("icon", "", "")
	types := flags.String("mime", "", "")
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args); err != nil || flags.NArg() != 1 {
		return fmt.Errorf("usage: snug desktop install NAME|COMMAND")
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(*types, ";"), ";") {
		if name != "" && !mimeType.MatchString(name) {
			return &problem.Problem{What: "--mime " + name, Why: "not a type of files", Fix: "one such as image/png, or x-scheme-handler/mailto for links"}
		}
	}
	p, word := dataPlaces(), flags.Arg(0)
	id, from, f, err := p.entry(word)
	if err != nil {
		return err
	}
	if err := f.Startable(); err != nil {
		return &problem.Problem{What: cmp.Or(from, id), Why: err.Error(), Err: err, Fix: "choose another entry, or name the program"}
	}
	service, err := p.busService(id)
	if err != nil {
		return err
	}
	if service == nil && f.Main().Get("Exec") == "" {
		return &problem.Problem{What: cmp.Or(from, id), Why: "it is started by the bus alone, and there is no " + id + ".service", Fix: "install the program whole"}
	}
	if *profile == "" {
		*profile = guess(id, f)
	}
	if *label != "" {
		f.Main().Delete("Name")
		f.Main().Set("Name", desktopentry.Escape(*label))
	}
	if *icon != "" {
		f.Main().Set("Icon", desktopentry.Escape(*icon))
	}
	if *types != "" {
		f.Main().Set("MimeType", *types)
	}
	if err := f.Sandboxed([]string{*self, "run", "-p", *profile, "--"}, *profile); err != nil {
		return &problem.Problem{What: id, Why: err.Error(), Err: err}
	}
	if err := p.replace(p.own(id), f.String()); err != nil {
		return err
	}
	if service != nil {
		if err := service.SandboxedService([]string{*self, "run", "-p", *profile, "--"}, *profile); err != nil {
			return &problem.Problem{What: id + ".service", Why: err.Error(), Err: err}
		}
		if err := p.replace(p.service(id), service.String()); err != nil {
			return err
		}
	}
	p.refresh()
	fmt.Printf("%s starts in the sandbox %q: %s\n", id, *profile, p.own(id))
	return nil
}

func mustRead(name string) string {
	text, _ := os.ReadFile(name)
	return string(text)
}

// mimeType is a type of files, or a scheme of links (RFC 6838, section 4.2).
var mimeType = regexp.MustCompile(`^[[:alnum:]][[:alnum:]!#$&^_.+-]*/[[:alnum:]][[:alnum:]!#$&^_.+-]*$`)

// validID keeps to names that files of entries have: they may hold blanks and
// letters of all languages, and nothing that ends a line of a list.
func validID(id string) bool {
	return id != "" && id[0] != '.' && id[0] != '-' && len(id) < 200 && utf8.ValidString(id) && strings.IndexFunc(id, unicode.IsControl) < 0
}

// fresh makes an entry of a command.
func (p places) fresh(word, id string) (*desktopentry.File, error) {
	program, err := exec.LookPath(word)
	if err != nil {
		return nil, &problem.Problem{What: word, Why: "there is no desktop entry of this name, and no such program", Fix: "the name of a file in /usr/share/applications, without .desktop, or of a program", Err: err}
	}
	if program, err = filepath.Abs(program); err != nil {
		return nil, err
	}
	f := desktopentry.New()
	g := f.Main()
	g.Set("Type", "Application")
	g.Set("Version", "1.0")
	first, size := utf8.DecodeRuneInString(id)
	g.Set("Name", desktopentry.Escape(string(unicode.ToUpper(first))+id[size:]))
	g.Set("Exec", desktopentry.Exec(append(desktopentry.Percent([]string{program}), "%U")))
	g.Set("Icon", p.icon(id))
	g.Set("Terminal", "false")
	g.Set("Categories", "Utility;")
	return f, nil
}

// icon is the program's own where a theme has one.
func (p places) icon(id string) string {
	for _, dir := range append([]string{p.home}, p.dirs...) {
		for _, pattern := range []string{"icons/hicolor/*/apps/" + id + ".*", "pixmaps/" + id + ".*"} {
			if list, _ := filepath.Glob(filepath.Join(dir, pattern)); len(list) > 0 {
				return id
			}
		}
	}
	return "application-x-executable"
}

// busService is the file by which the bus starts the application; nil when there
// is none.
func (p places) busService(id string) (*desktopentry.File, error) {
	list := []string{p.service(id), p.saved(p.service(id))}
	for _, dir := range p.dirs {
		list = append(list, filepath.Join(dir, "dbus-1", "services", id+".service"))
	}
	for _, name := range list {
		text, err := os.ReadFile(name)
		if err != nil || marked(string(text)) {
			continue
		}
		f, err := desktopentry.ParseService(string(text))
		if err != nil {
			return nil, &problem.Problem{What: name, Why: err.Error(), Err: err}
		}
		return f, nil
	}
	return nil, nil
}

// write writes a file whole, or not at all.
func write(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".snug-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// refresh has the types of files looked up anew, where there is what does.
func (p places) refresh() {
	exec.Command("update-desktop-database", "-q", filepath.Join(p.home, "applications")).Run()
}

// remove takes back what install wrote.
func remove(args []string) error {
	p := dataPlaces()
	if len(args) == 0 {
		return errors.New("usage: snug desktop remove NAME")
	}
	for _, word := range args {
		id := strings.TrimSuffix(filepath.Base(word), ".desktop")
		if !validID(id) || !marked(mustRead(p.own(id))) {
			return &problem.Problem{What: word, Why: "snug desktop install wrote no entry of this name", Fix: "one of those that snug desktop list shows"}
		}
		if err := p.restore(p.own(id)); err != nil {
			return err
		}
		if marked(mustRead(p.service(id))) {
			if err := p.restore(p.service(id)); err != nil {
				return err
			}
		}
		fmt.Printf("%s starts without a sandbox again\n", id)
	}
	p.refresh()
	return nil
}

// list shows what install wrote.
func list([]string) error {
	p := dataPlaces()
	entries, err := os.ReadDir(filepath.Join(p.home, "applications"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "NAME\tPROFILE\tTITLE")
	for _, entry := range entries {
		id, ok := strings.CutSuffix(entry.Name(), ".desktop")
		f, err := desktopentry.Parse(mustRead(p.own(id)))
		if !ok || err != nil {
			continue
		}
		if profile := f.Main().Get(desktopentry.Marker); profile != "" {
			fmt.Fprintf(out, "%s\t%s\t%s\n", problem.Printable(id),
				problem.Printable(desktopentry.Unescape(profile)), problem.Printable(desktopentry.Unescape(f.Main().Get("Name"))))
		}
	}
	return out.Flush()
}

// guess chooses a built-in profile by what the entry says of the program.
func guess(id string, f *desktopentry.File) string {
	words, _ := desktopentry.Words(f.Main().Get("Exec"))
	program := id
	if len(words) > 0 {
		program = filepath.Base(words[0])
	}
	for _, by := range []struct{ part, profile string }{
		{"chrom", "chromium"}, {"brave", "chromium"}, {"vivaldi", "chromium"}, {"edge", "chromium"}, {"firefox", "firefox"}, {"librewolf", "firefox"},
		{"code", "code-editor"}, {"steam", "game"}, {"lutris", "game"}, {"libreoffice", "office"}, {"soffice", "office"},
	} {
		if strings.Contains(program, by.part) || strings.Contains(id, by.part) {
			return by.profile
		}
	}
	categories := strings.Split(f.Main().Get("Categories"), ";")
	has := func(words ...string) bool {
		for _, w := range words {
			found := false
			for _, c := range categories {
				found = found || c == w
			}
			if !found {
				return false
			}
		}
		return true
	}
	switch {
	case has("Game"):
		return "game"
	case has("TerminalEmulator"):
		return "terminal"
	case has("Office", "Viewer"):
		return "pdf-reader"
	case has("Graphics", "Viewer"):
		return "image-viewer"
	case has("Office"):
		return "office"
	case has("AudioVideo"), has("Audio"), has("Video"):
		return "media-player"
	case has("Development", "IDE"), has("TextEditor"):
		return "code-editor"
	case has("Qt"), has("KDE"):
		return "qt"
	case has("GTK"), has("GNOME"):
		return "gtk"
	}
	return "generic-wayland"
}
