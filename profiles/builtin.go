package profiles

import _ "embed" // for the built-in profiles' text

//go:embed builtin/default.toml
var defaultText string

//go:embed builtin/strict.toml
var strictText string

//go:embed builtin/shell.toml
var shellText string

//go:embed builtin/build.toml
var buildText string

//go:embed builtin/ci.toml
var ciText string

//go:embed builtin/ci-go.toml
var ciGoText string

//go:embed builtin/ci-node.toml
var ciNodeText string

//go:embed builtin/ci-python.toml
var ciPythonText string

// builtin is one of the profiles that come with Snug.
type builtin struct {
	name string
	text *string
	// tree is what the text says, as Go: every run uses a built-in, and parsing
	// it would cost more than all the rest of loading.
	tree func() map[string]any
}

var builtins = []builtin{
	{"default", &defaultText, defaultTree},
	{"strict", &strictText, strictTree},
	{"shell", &shellText, shellTree},
	{"build", &buildText, buildTree},
	{"ci", &ciText, ciTree},
	{"ci-go", &ciGoText, ciGoTree},
	{"ci-node", &ciNodeText, ciNodeTree},
	{"ci-python", &ciPythonText, ciPythonTree},
	{"desktop", &desktopText, desktopTree},
	{"generic-wayland", &genericWaylandText, genericWaylandTree},
	{"generic-x11", &genericX11Text, genericX11Tree},
	{"gtk", &gtkText, gtkTree},
	{"qt", &qtText, qtTree},
	{"chromium", &chromiumText, chromiumTree},
	{"firefox", &firefoxText, firefoxTree},
	{"electron", &electronText, electronTree},
	{"terminal", &terminalText, terminalTree},
	{"image-viewer", &imageViewerText, imageViewerTree},
	{"pdf-reader", &pdfReaderText, pdfReaderTree},
	{"media-player", &mediaPlayerText, mediaPlayerTree},
	{"office", &officeText, officeTree},
	{"code-editor", &codeEditorText, codeEditorTree},
	{"game", &gameText, gameTree},
}

func findBuiltin(name string) *builtin {
	for i := range builtins {
		if builtins[i].name == name {
			return &builtins[i]
		}
	}
	return nil
}

func (b *builtin) file(place int) *file {
	return &file{name: label + b.name, path: label + b.name, text: *b.text, tree: b.tree(), stem: b.name, place: place}
}
