package profiles

import _ "embed" // for the built-in profiles' text

// The profiles of desktop programs.
var (
	//go:embed builtin/desktop.toml
	desktopText string

	//go:embed builtin/generic-wayland.toml
	genericWaylandText string

	//go:embed builtin/generic-x11.toml
	genericX11Text string

	//go:embed builtin/gtk.toml
	gtkText string

	//go:embed builtin/qt.toml
	qtText string

	//go:embed builtin/chromium.toml
	chromiumText string

	//go:embed builtin/firefox.toml
	firefoxText string

	//go:embed builtin/electron.toml
	electronText string

	//go:embed builtin/terminal.toml
	terminalText string

	//go:embed builtin/image-viewer.toml
	imageViewerText string

	//go:embed builtin/pdf-reader.toml
	pdfReaderText string

	//go:embed builtin/media-player.toml
	mediaPlayerText string

	//go:embed builtin/office.toml
	officeText string

	//go:embed builtin/code-editor.toml
	codeEditorText string

	//go:embed builtin/game.toml
	gameText string
)
