package desktop

import "path"

func (b *builder) below(dir string, names ...string) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = path.Join(dir, name)
	}
	return list
}

// fonts shows the user's fonts. The caches are never writable: what one program
// puts there others would read.
func (b *builder) fonts() {
	if !b.Fonts {
		return
	}
	p := b.add("fonts", "your fonts and their settings, to read")
	p.bind("/var/cache/fontconfig")
	p.bind(b.below(b.f.dataHome(), "fonts")...)
	p.bind(b.below(b.f.configHome(), "fontconfig")...)
	p.bind(b.below(b.f.Home, ".fonts", ".fonts.conf")...)
}

func (b *builder) theme() {
	if !b.Theme {
		return
	}
	p := b.add("theme", "your themes, icons, cursors and settings of toolkits, to read")
	p.bind(b.below(b.f.dataHome(), "themes", "icons")...)
	p.bind(b.below(b.f.Home, ".themes", ".icons", ".gtkrc-2.0")...)
	p.bind(b.below(b.f.configHome(), "gtk-3.0/settings.ini", "gtk-3.0/gtk.css", "gtk-4.0/settings.ini", "gtk-4.0/gtk.css",
		"kdeglobals", "Kvantum", "qt5ct", "qt6ct")...)
	p.keep(b.f, "XCURSOR_THEME", "XCURSOR_SIZE", "GTK_THEME", "QT_STYLE_OVERRIDE", "GDK_SCALE", "GDK_DPI_SCALE", "QT_SCALE_FACTOR")
	if b.Theme && len(b.Portals) == 0 {
		p.keep(b.f, "QT_QPA_PLATFORMTHEME")
	}
}

func (b *builder) locale() {
	if !b.Locale {
		return
	}
	p := b.add("locale", "your language, time zone and the names of your directories")
	for name := range b.f.Env {
		if name == "LANG" || name == "LANGUAGE" || name == "TZ" || len(name) > 3 && name[:3] == "LC_" {
			p.keep(b.f, name)
		}
	}
	p.bind(b.below(b.f.configHome(), "user-dirs.dirs", "user-dirs.locale", "plasma-localerc")...)
}
