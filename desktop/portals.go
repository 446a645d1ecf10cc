package desktop

// portal is one interface of the desktop portal.
type portal struct {
	word, name string
	apart      bool // not one of "all": it starts programs outside, or acts for the user
}

const portalPath = "/org/freedesktop/portal/desktop"

// portals are the interfaces of xdg-desktop-portal(7).
var portals = []portal{
	{word: "account", name: "Account"},
	{word: "background", name: "Background", apart: true},
	{word: "camera", name: "Camera"},
	{word: "clipboard", name: "Clipboard", apart: true},
	{word: "documents", name: "Documents"},
	{word: "dynamic_launcher", name: "DynamicLauncher", apart: true},
	{word: "email", name: "Email"},
	{word: "file_chooser", name: "FileChooser"},
	{word: "file_transfer", name: "FileTransfer"},
	{word: "game_mode", name: "GameMode"},
	{word: "global_shortcuts", name: "GlobalShortcuts"},
	{word: "inhibit", name: "Inhibit"},
	{word: "input_capture", name: "InputCapture", apart: true},
	{word: "location", name: "Location"},
	{word: "memory_monitor", name: "MemoryMonitor"},
	{word: "network_monitor", name: "NetworkMonitor"},
	{word: "notification", name: "Notification"},
	{word: "open_uri", name: "OpenURI"},
	{word: "power_profile_monitor", name: "PowerProfileMonitor"},
	{word: "print", name: "Print"},
	{word: "proxy_resolver", name: "ProxyResolver"},
	{word: "realtime", name: "Realtime"},
	{word: "remote_desktop", name: "RemoteDesktop", apart: true},
	{word: "screen_cast", name: "ScreenCast"},
	{word: "screenshot", name: "Screenshot"},
	{word: "secret", name: "Secret"},
	{word: "settings", name: "Settings"},
	{word: "trash", name: "Trash"},
	{word: "usb", name: "Usb"},
	{word: "wallpaper", name: "Wallpaper", apart: true},
}

// PortalWords are what Config.Portals may list, beside "all".
func PortalWords() []string {
	words := make([]string, len(portals))
	for i := range portals {
		words[i] = portals[i].word
	}
	return words
}

func portalName(word string) string {
	for i := range portals {
		if portals[i].word == word {
			return portals[i].name
		}
	}
	return ""
}

// allPortals are the words that "all" stands for.
func allPortals() (words []string) {
	for i := range portals {
		if !portals[i].apart {
			words = append(words, portals[i].word)
		}
	}
	return words
}

// portalRules are the options of xdg-dbus-proxy(1) for these portals. The answer
// to a request is a signal of an object below the portal's, and so is a change of
// a setting.
func portalRules(words []string) (rules []string) {
	const call, desktop = "--call=", "org.freedesktop.portal.Desktop="
	for _, word := range words {
		switch name := "org.freedesktop.portal." + portalName(word); word {
		case "documents", "file_transfer":
			rules = append(rules, call+"org.freedesktop.portal.Documents="+name+".*@/org/freedesktop/portal/documents")
		default:
			rules = append(rules, call+desktop+name+".*@"+portalPath)
		}
	}
	if len(rules) > 0 {
		rules = append(rules,
			call+desktop+"org.freedesktop.DBus.Properties.*@"+portalPath,
			call+desktop+"org.freedesktop.DBus.Introspectable.*@"+portalPath,
			call+"org.freedesktop.portal.Documents=org.freedesktop.DBus.Properties.*@/org/freedesktop/portal/documents",
			call+desktop+"org.freedesktop.portal.Request.*@"+portalPath+"/*",
			call+desktop+"org.freedesktop.portal.Session.*@"+portalPath+"/*",
			"--broadcast="+desktop+"*@"+portalPath+"/*",
		)
	}
	return rules
}
