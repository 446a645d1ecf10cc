package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// zshScript returns a completion function for zsh's own system.
func zshScript(app *kong.Application) string {
	var b strings.Builder
	b.WriteString(zshHead)
	fmt.Fprintf(&b, "\n_snug_verbs() {\n\tlocal -a verbs=(\n%s\t)\n\t_describe -t verbs verb verbs\n}\n", zshDescriptions(app.Children))
	for _, e := range entries(app) {
		fmt.Fprintf(&b, "\n%s() {\n", zshName(e.path))
		if len(e.node.Children) > 0 {
			zshGroup(&b, e)
		} else {
			zshArguments(&b, e.node)
		}
		b.WriteString("}\n")
	}
	b.WriteString(zshTail)
	return b.String()
}

func zshName(path string) string { return "_snug_" + strings.ReplaceAll(path, " ", "_") }

func zshDescriptions(nodes []*kong.Node) string {
	var b strings.Builder
	for _, n := range nodes {
		fmt.Fprintf(&b, "\t\t%s\n", quote(n.Name+":"+n.Help))
	}
	return b.String()
}

// zshGroup writes the completion of a verb that has others below it.
func zshGroup(b *strings.Builder, e entry) {
	fmt.Fprintf(b, "\tlocal line state\n\tlocal -a verbs=(\n%s\t)\n", zshDescriptions(e.node.Children))
	b.WriteString("\t_arguments -C '1: :->verb' '*:: :->rest'\n\tcase $state in\n")
	b.WriteString("\tverb) _describe -t verbs verb verbs ;;\n")
	fmt.Fprintf(b, "\trest) (( $+functions[%s_$line[1]] )) && %s_$line[1] ;;\n\tesac\n", zshName(e.path), zshName(e.path))
}

// zshArguments writes the call of _arguments for a verb.
func zshArguments(b *strings.Builder, n *kong.Node) {
	b.WriteString("\t_arguments -s -S")
	for _, f := range n.Flags {
		for _, name := range spellings(f) {
			fmt.Fprintf(b, " \\\n\t\t%s", quote(zshOption(name, f)))
		}
	}
	for i, arg := range n.Positional {
		action := zshAction(arg, argumentUsage(arg))
		switch {
		case kindOf(arg, argumentUsage(arg)) == wholeCommand:
			fmt.Fprintf(b, " \\\n\t\t'(-)%d:command: _command_names -e' \\\n\t\t'*::arguments: _normal'", i+1)
		case arg.IsSlice():
			fmt.Fprintf(b, " \\\n\t\t%s", quote("*:"+zshText(strings.ToLower(arg.Name))+":"+action))
		default:
			fmt.Fprintf(b, " \\\n\t\t%s", quote("1:"+zshText(strings.ToLower(arg.Name))+":"+action))
		}
	}
	b.WriteString("\n")
}

// zshOption is one option as _arguments takes it. All may be repeated: zsh
// need not know which ones add up.
func zshOption(name string, f *kong.Flag) string {
	spec := "*" + name
	if !f.IsBool() && strings.HasPrefix(name, "--") {
		spec += "="
	}
	help := f.Help
	if strings.HasPrefix(name, "--no-") {
		help = "Not: " + help
	}
	spec += "[" + zshText(help) + "]"
	if !f.IsBool() {
		spec += ":" + zshText(f.PlaceHolder) + ":" + zshAction(f.Value, f.PlaceHolder)
	}
	return spec
}

func zshAction(v *kong.Value, placeholder string) string {
	switch kindOf(v, placeholder) {
	case words:
		return "(" + strings.Join(choices(placeholder), " ") + ")"
	case verbWords:
		return "_snug_verbs"
	case namespaceWords:
		return "_values -s , namespace " + strings.Join(namespaceNames[:], " ")
	case profileNames:
		return "_snug_profiles"
	case sandboxNames:
		return "_snug_sandboxes"
	case files:
		return "_snug_files"
	case dirs:
		return "_files -/"
	case variables:
		return "_parameters -g \"*export*\""
	}
	return ""
}

// zshText escapes what means something within an argument of _arguments.
func zshText(s string) string {
	return strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `:`, `\:`).Replace(s)
}

// quote writes s as one word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

const zshHead = `#compdef snug
# Completion of snug for zsh, printed by "snug completion zsh".

# Profiles by name, or by path.
_snug_profiles() {
	local -a names=(${(f)"$(command snug profile list --names 2>/dev/null)"})
	_alternative 'names:profile:compadd -a names' 'files:profile file:_files -g "*.toml(-.)"'
}

# Running sandboxes by name.
_snug_sandboxes() {
	local -a names=(${(f)"$(command snug ps -q 2>/dev/null)"})
	compadd -a names
}

# Paths, also the one after a colon.
_snug_files() {
	compset -P '*:'
	_files
}
`

const zshTail = `
_snug() {
	local line state
	_arguments -C \
		'(-)'{-h,--help}'[Show help and exit]' \
		'(-)'{-V,--version}'[Show the version and exit]' \
		'1: :->verb' '*:: :->rest'
	case $state in
	verb) _snug_verbs ;;
	rest) (( $+functions[_snug_$line[1]] )) && _snug_$line[1] ;;
	esac
}

# This file is either autoloaded as the function itself or sourced.
if [[ $funcstack[1] == _snug ]]; then
	_snug "$@"
else
	compdef _snug snug
fi
`
