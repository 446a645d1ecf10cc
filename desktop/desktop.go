// Package desktop is what a program of a desktop needs of it: windows, sound,
// fonts, buses. Each key of the table [desktop] is a bundle of mounts,
// environment and helpers, one file each, in the words of the freedesktop
// specifications.
//
//	parts, err := config.Parts(facts, run)
//
// It is pure: what is known of the session comes in as Facts, and what has to
// run beside the sandbox comes out as data, for the program snug-desktop to carry
// out.
package desktop

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
)

// Words of several keys.
const (
	None = "none" // what false stands for
	Auto = "auto"
)

// Values of Config.Wayland, beside None and Auto.
const (
	Context = "context" // only through a security context
	Plain   = "plain"   // the compositor's own socket; of X11, the server's
)

// Values of Config.X11, beside None and Plain.
const (
	Fallback = "fallback" // an isolated server or the plain socket, where there is no Wayland
	Xwayland = "xwayland" // a server of its own, on Wayland
	Xephyr   = "xephyr"   // a server of its own, in a window of the caller's
)

// Values of Config.Home, beside None.
const (
	Private   = "private"   // one of its own, which is kept
	Ephemeral = "ephemeral" // one of its own, which is gone at the end
	Overlay   = "overlay"   // the real one; what is written is gone at the end
)

// Values of Config.Audio, beside Auto.
const (
	PipeWire = "pipewire"
	Pulse    = "pulse"
	ALSA     = "alsa"
)

// Values of Config.Keyring, Camera and Printing, beside None.
const (
	Portal  = "portal"  // by a portal, which asks the user
	Service = "service" // org.freedesktop.secrets, with all passwords of the user
	Devices = "devices" // the device nodes
	Cups    = "cups"    // the socket of CUPS
)

// Config is the table [desktop]. Its zero value opens nothing.
type Config struct {
	// AppID is the application's id, a name such as "org.example.App": portals
	// know the program by it. Default: "org.snug_sandbox." and the profile's name.
	AppID string `toml:"app_id"`

	// Home is the home directory: "private" (one of its own, kept between runs in
	// $XDG_DATA_HOME/snug/homes), "ephemeral" (empty, and gone at the end),
	// "overlay" (the real one, where what is written is gone at the end), or
	// "none" (default: what the mounts say).
	Home string `toml:"home"`

	// Downloads shows the directory for downloads (xdg-user-dirs): "rw", "ro" or
	// "none" (default).
	Downloads string `toml:"downloads"`

	// Wayland is "auto" (a security context where the compositor has it, else the
	// plain socket), "context" (nothing else), "plain" (the compositor's own
	// socket: a program may then use every extension there is, such as pictures of
	// the whole screen), or "none" (default).
	Wayland string `toml:"wayland"`

	// X11 is "fallback" (where there is no Wayland: Xephyr if it is installed, else
	// the plain socket), "xwayland" (a server of its own on Wayland), "xephyr" (a
	// server of its own in a window), "plain" (the caller's server: every program
	// there can read the keys and windows of all others), or "none" (default).
	X11 string `toml:"x11"`

	// GPU hands in the devices for rendering, /dev/dri and their like.
	GPU bool `toml:"gpu"`

	// Audio lists what plays sound: "pulse" (a PulseAudio or pipewire-pulse server,
	// through a filter that lets nothing but playback through), "pipewire" (its
	// socket, which can record too), "alsa" (the devices), "auto" (pulse where there
	// is one). True stands for "auto".
	Audio []string `toml:"audio"`

	// Record lets the program record by the pulse server, too.
	Record bool `toml:"record"`

	// DBus is what the program may say on the session bus and the system bus. It
	// reaches no bus where nothing is named here or by another key. On the session
	// bus it may own the application's id, the names of the installed desktop entries
	// that start it, and, when root has installed it, those made of its own name,
	// such as org.gnome.NAME.
	DBus DBus `toml:"dbus"`

	// Portals lists the portals that may be called: "file_chooser", "open_uri",
	// "notification", "settings" and others; "all", for which true stands, are
	// those that ask the user or give nothing away.
	Portals []string `toml:"portals"`

	// Notifications lets the program show notifications.
	Notifications bool `toml:"notifications"`

	// Tray lets the program have an icon in the tray. What it offers there runs
	// outside when it is clicked.
	Tray bool `toml:"tray"`

	// MPRIS is the name of the media player on the bus, org.mpris.MediaPlayer2.NAME.
	// True stands for the program's name, and for the application's id.
	MPRIS string `toml:"mpris"`

	// Keyring is "portal" (true: a secret of the program's own), "service" (the
	// keyring of the session, with all of its passwords) or "none" (default).
	Keyring string `toml:"keyring"`

	// A11y connects the program to the accessibility bus: it may be read, but it
	// may not watch the keyboard.
	A11y bool `toml:"a11y"`

	// InputMethod is "ibus", "fcitx", "auto" (true: the one of the session) or
	// "none" (default). On Wayland the compositor hands over most text without it.
	InputMethod string `toml:"input_method"`

	// Camera is "portal" (true), "devices" (/dev/video*) or "none" (default).
	Camera string `toml:"camera"`

	// Joystick hands in game controllers.
	Joystick bool `toml:"joystick"`

	// Printing is "portal" (true), "cups" (the socket of CUPS) or "none" (default).
	Printing string `toml:"printing"`

	// OpenLinks puts a program xdg-open inside that has links and files opened
	// outside, by the portal.
	OpenLinks bool `toml:"open_links"`

	// Fonts shows the user's own fonts and their settings.
	Fonts bool `toml:"fonts"`

	// Theme shows the user's own themes, icons, cursors and toolkit settings.
	Theme bool `toml:"theme"`

	// Locale passes on the language, the time zone and the names of the user's
	// directories.
	Locale bool `toml:"locale"`
}

// DBus is the table desktop.dbus.
type DBus struct {
	// Session is the bus of the caller's session.
	Session Bus `toml:"session"`
	// System is the bus of the machine.
	System Bus `toml:"system"`
}

// Bus says what may be said on one bus. Names may end in ".*", which stands for
// the name and all below it; rules are NAME=METHOD@PATH (xdg-dbus-proxy(1)).
type Bus struct {
	// Talk are names that may be called, with all that they offer.
	Talk []string `toml:"talk"`
	// Own are names that the program may take.
	Own []string `toml:"own"`
	// See are names that may be seen, but not called.
	See []string `toml:"see"`
	// Call are rules for what may be called, such as
	// "org.freedesktop.Notifications=org.freedesktop.Notifications.*@/org/freedesktop/Notifications".
	Call []string `toml:"call"`
	// Broadcast are rules for signals that reach the program.
	Broadcast []string `toml:"broadcast"`
}

// Empty reports whether nothing of a desktop is asked for.
func (c Config) Empty() bool { return reflect.ValueOf(c).IsZero() }

// Empty reports whether nothing may be said.
func (b Bus) Empty() bool {
	return len(b.Talk)+len(b.Own)+len(b.See)+len(b.Call)+len(b.Broadcast) == 0
}

// Validate reports what makes no sense on any machine.
func (c Config) Validate() error {
	var list problem.List
	bad := func(key, why, fix string) {
		list = append(list, &problem.Problem{What: "desktop." + key, Why: why, Fix: fix})
	}
	for _, w := range c.words() {
		if w.value != "" && !contains(w.words, w.value) {
			bad(w.key, strconv.Quote(w.value)+" is not a word of this key", "one of "+strings.Join(w.words, ", "))
		}
	}
	for _, p := range c.Portals {
		if p != "all" && portalName(p) == "" {
			bad("portals", strconv.Quote(p)+" is not a portal", "one of all, "+strings.Join(PortalWords(), ", "))
		}
	}
	for _, a := range c.Audio {
		if !contains(AudioWords, a) {
			bad("audio", strconv.Quote(a)+" is no way to play sound", "one of "+strings.Join(AudioWords, ", "))
		}
	}
	if c.Record && len(c.Audio) == 0 {
		bad("record", "it is for the sound server, and audio opens none", "audio = true")
	}
	if c.AppID != "" && CheckAppID(c.AppID) != "" {
		bad("app_id", CheckAppID(c.AppID), "a name such as org.example.App")
	}
	for _, why := range c.DBus.Session.mistakes() {
		bad("dbus.session", why, "")
	}
	for _, why := range c.DBus.System.mistakes() {
		bad("dbus.system", why, "")
	}
	return list.Err()
}

type word struct {
	key, value string
	words      []string
}

func (c Config) words() []word {
	return []word{
		{"wayland", c.Wayland, WaylandWords}, {"x11", c.X11, X11Words}, {"home", c.Home, HomeWords}, {"downloads", c.Downloads, DownloadWords},
		{"keyring", c.Keyring, KeyringWords}, {"input_method", c.InputMethod, InputWords}, {"camera", c.Camera, CameraWords}, {"printing", c.Printing, PrintingWords},
	}
}

// The words of each key.
var (
	WaylandWords  = []string{None, Auto, Context, Plain}
	X11Words      = []string{None, Fallback, Xwayland, Xephyr, Plain}
	HomeWords     = []string{None, Private, Ephemeral, Overlay}
	DownloadWords = []string{None, "ro", "rw"}
	AudioWords    = []string{Auto, Pulse, PipeWire, ALSA}
	KeyringWords  = []string{None, Portal, Service}
	InputWords    = []string{None, Auto, "ibus", "fcitx"}
	CameraWords   = []string{None, Portal, Devices}
	PrintingWords = []string{None, Portal, Cups}
)

func contains(words []string, word string) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}

// on reports whether a key that is a word asks for something.
func on(word string) bool { return word != "" && word != None }
