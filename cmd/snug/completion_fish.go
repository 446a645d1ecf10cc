package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// fishScript returns completion for fish 3.4 or newer.
func fishScript(app *kong.Application) string {
	var b strings.Builder
	b.WriteString(fishHead)
	var names []string
	for _, f := range valued(entries(app)) {
		names = append(names, spellings(f)...)
	}
	fmt.Fprintf(&b, fishState, strings.Join(names, " "))
	b.WriteString("\ncomplete -c snug -f\n")
	b.WriteString("complete -c snug -n '__snug_at \"\"' -s h -l help -d 'Show help and exit'\n")
	b.WriteString("complete -c snug -n '__snug_at \"\"' -s V -l version -d 'Show the version and exit'\n")
	for _, n := range app.Children {
		fmt.Fprintf(&b, "complete -c snug -n '__snug_at \"\"' -a %s -d %s\n", n.Name, quote(n.Help))
	}
	for _, e := range entries(app) {
		fishEntry(&b, e)
	}
	return b.String()
}

// fishEntry writes what may follow one verb.
func fishEntry(b *strings.Builder, e entry) {
	at := fmt.Sprintf("complete -c snug -n '__snug_at \"%s\"'", e.path)
	for _, c := range e.node.Children {
		fmt.Fprintf(b, "%s -a %s -d %s\n", at, c.Name, quote(c.Help))
	}
	for _, f := range e.node.Flags {
		line := at + " -l " + f.Name
		if f.Short != 0 {
			line += " -s " + string(f.Short)
		}
		if !f.IsBool() {
			line += fishValue(f.Value, f.PlaceHolder)
		}
		fmt.Fprintf(b, "%s -d %s\n", line, quote(f.Help))
		if f.Tag.Negatable != "" {
			fmt.Fprintf(b, "%s -l no-%s -d %s\n", at, f.Name, quote("Not: "+f.Help))
		}
	}
	for _, arg := range e.node.Positional {
		action := fishAction(arg, argumentUsage(arg))
		if kindOf(arg, argumentUsage(arg)) == wholeCommand {
			at = fmt.Sprintf("complete -c snug -n '__snug_command_of \"%s\"'", e.path)
		}
		if action != "" {
			fmt.Fprintf(b, "%s%s\n", at, action)
		}
	}
}

// fishValue says that an option takes a value, and which ones there are.
func fishValue(v *kong.Value, placeholder string) string {
	switch kindOf(v, placeholder) {
	case files:
		return " -rF"
	case nothing:
		return " -x"
	}
	return " -x" + fishAction(v, placeholder)
}

func fishAction(v *kong.Value, placeholder string) string {
	switch kindOf(v, placeholder) {
	case words:
		return " -a " + quote(strings.Join(choices(placeholder), " "))
	case verbWords:
		return " -a " + quote(strings.Join(verbNames(), " "))
	case namespaceWords:
		return " -a " + quote("(__fish_append , "+strings.Join(namespaceNames[:], " ")+")")
	case profileNames:
		return " -a '(__snug_profiles)'"
	case sandboxNames:
		return " -a '(command snug ps -q 2>/dev/null)'"
	case files:
		return " -F"
	case dirs:
		return " -a '(__fish_complete_directories)'"
	case variables:
		return " -a '(set -nx)'"
	case wholeCommand:
		return " -a '(__snug_command)'"
	}
	return ""
}

const fishHead = `# Completion of snug for fish, printed by "snug completion fish".
`

// fishState finds the verb on the command line; its verb %s is the options that
// take a value.
const fishState = `
# The verb that is being completed, and where the command in the sandbox starts.
function __snug_state
    set -l valued %s
    set -g __snug_verb ""
    set -g __snug_first 0
    set -l pending 0
    set -l named 0
    set -l tokens (commandline -opc)
    for i in (seq 2 (count $tokens))
        set -l word $tokens[$i]
        if test $pending = 1
            set pending 0
        else if test -z "$__snug_verb"
            set -g __snug_verb $word
        else if test "$word" = --
            set -g __snug_first (math $i + 1)
            return
        else if string match -q -- '-*' $word
            contains -- $word $valued; and set pending 1
        else if test "$__snug_verb" = profile
            set -g __snug_verb "profile $word"
        else if contains -- "$__snug_verb" run explain; or test $named = 1
            set -g __snug_first $i
            return
        else if test "$__snug_verb" = exec
            set named 1
        end
    end
    if test $named = 1; and not string match -q -- '-*' (commandline -ct)
        set -g __snug_first (math (count $tokens) + 1)
    end
end

# Is this the verb, with the cursor before any command?
function __snug_at
    __snug_state
    test "$__snug_verb" = "$argv[1]" -a $__snug_first = 0
end

# Is the cursor where a command of this verb may stand, or behind it?
function __snug_command_of
    __snug_state
    test "$__snug_verb" = "$argv[1]"; or return 1
    test $__snug_first != 0 -o "$argv[1]" != exec; or return 1
    test $__snug_first != 0; or not string match -q -- '-*' (commandline -ct)
end

# Completions of the command in the sandbox.
function __snug_command
    __snug_state
    set -l words (commandline -opc) (commandline -ct)
    test $__snug_first = 0; and set -g __snug_first (count $words)
    set -l line (string escape -- $words[$__snug_first..-1])
    set line[-1] $words[-1]
    complete -C "$line"
end

# Profiles by name, or by path.
function __snug_profiles
    command snug profile list --names 2>/dev/null
    complete -C "__fish_command_without_completions "(commandline -ct) | string match -r '^.*(?:\.toml|/)$'
end
`
