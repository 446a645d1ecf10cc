package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// bashScript returns completion for bash 4.4 or newer, with or without the
// package bash-completion.
func bashScript(app *kong.Application) string {
	var b strings.Builder
	b.WriteString(bashHead)
	fmt.Fprintf(&b, "\n_snug_verbs='%s'\n\n# What may follow a verb: options, and words below it.\n_snug_options() {\n\tcase $1 in\n", strings.Join(verbNames(), " "))
	for _, e := range entries(app) {
		var all []string
		for _, f := range e.node.Flags {
			all = append(all, spellings(f)...)
		}
		fmt.Fprintf(&b, "\t'%s') echo '%s' ;;\n", e.path, strings.Join(all, " "))
	}
	b.WriteString("\tesac\n}\n\n# Does this option take a value?\n_snug_takes_value() {\n\tcase $1 in\n\t")
	var names []string
	for _, f := range valued(entries(app)) {
		names = append(names, spellings(f)...)
	}
	fmt.Fprintf(&b, "%s) return 0 ;;\n\tesac\n\treturn 1\n}\n\n# Complete the value of an option.\n_snug_value() {\n\tcase $1 in\n", strings.Join(names, "|"))
	for _, f := range valued(entries(app)) {
		if action := bashAction(f.Value, f.PlaceHolder); action != "" {
			fmt.Fprintf(&b, "\t%s) %s ;;\n", strings.Join(spellings(f), "|"), action)
		}
	}
	b.WriteString("\tesac\n}\n\n# Complete an argument of a verb.\n_snug_argument() {\n\tcase $1 in\n")
	for _, e := range entries(app) {
		if action := bashArgument(e.node); action != "" {
			fmt.Fprintf(&b, "\t'%s') %s ;;\n", e.path, action)
		}
	}
	b.WriteString("\tesac\n}\n" + bashTail)
	return b.String()
}

func bashArgument(n *kong.Node) string {
	if len(n.Children) > 0 {
		return bashWords(childNames(n))
	}
	if len(n.Positional) == 0 {
		return ""
	}
	return bashAction(n.Positional[0], argumentUsage(n.Positional[0]))
}

// bashAction returns the function that completes a value; $2 is what is typed.
func bashAction(v *kong.Value, placeholder string) string {
	switch kindOf(v, placeholder) {
	case words:
		return bashWords(choices(placeholder))
	case verbWords:
		return `_snug_words "$_snug_verbs" "$2"`
	case namespaceWords:
		return `_snug_list '` + strings.Join(namespaceNames[:], " ") + `' "$2"`
	case profileNames:
		return `_snug_profiles "$2"`
	case sandboxNames:
		return `_snug_words "$(command snug ps -q 2>/dev/null)" "$2"`
	case files:
		return `_snug_files -f "$2"`
	case dirs:
		return `_snug_files -d "$2"`
	case variables:
		return `mapfile -t COMPREPLY < <(compgen -e -- "$2")`
	case wholeCommand:
		return `_snug_command "$3"`
	}
	return ""
}

func bashWords(list []string) string {
	return `_snug_words '` + strings.Join(list, " ") + `' "$2"`
}

const bashHead = `# Completion of snug for bash, printed by "snug completion bash".

_snug_words() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

# The last word of a comma-separated list.
_snug_list() {
	local before=
	[[ $2 == *,* ]] && before=${2%,*},
	mapfile -t COMPREPLY < <(compgen -P "$before" -W "$1" -- "${2##*,}")
}

# Paths, also the one after a colon.
_snug_files() {
	local before= path=$2
	if [[ $path == *:* ]]; then
		[[ $COMP_WORDBREAKS == *:* ]] || before=${path%:*}:
		path=${path##*:}
	fi
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen "$1" -P "$before" -- "$path")
}

# Profiles by name, or by path when a path is being typed.
_snug_profiles() {
	if [[ $1 == */* || $1 == .* || $1 == *.toml ]]; then
		_snug_files -f "$1"
	else
		_snug_words "$(command snug profile list --names 2>/dev/null)" "$1"
		[[ ${COMPREPLY[0]} ]] || _snug_files -f "$1"
	fi
}

# The command in the sandbox, whose first word is COMP_WORDS[$1].
_snug_command() {
	if declare -F _comp_command_offset >/dev/null; then
		_comp_command_offset "$1"
	elif declare -F _command_offset >/dev/null; then
		_command_offset "$1"
	elif ((COMP_CWORD == $1)); then
		mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
	else
		_snug_files -f "${COMP_WORDS[COMP_CWORD]}"
	fi
}
`

const bashTail = `
_snug() {
	local -a line=() at=()
	local i word glue= verb= pending= first= named=
	COMPREPLY=()

	# Bash splits words at = and : too; put them together again.
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if ((i > 1)) && [[ $glue || $word == [=:]* ]]; then
			line[${#line[@]}-1]+=$word
		else
			line+=("$word")
			at+=("$i")
		fi
		glue=
		[[ $word == [=:]* ]] && glue=1
	done

	# What came before the word at the cursor?
	for ((i = 1; i < ${#line[@]} - 1; i++)); do
		word=${line[i]}
		if [[ $pending ]]; then
			pending=
		elif [[ ! $verb ]]; then
			verb=$word
		elif [[ $word == -- ]]; then
			first=$((i + 1))
			break
		elif [[ $word == -* ]]; then
			_snug_takes_value "$word" && pending=$word
		elif [[ $verb == profile ]]; then
			verb+=" $word"
		elif [[ $verb == run || $verb == explain || $named ]]; then
			first=$i
			break
		elif [[ $verb == exec ]]; then
			named=1
		fi
	done

	local last=$((${#line[@]} - 1))
	local cur=${line[last]}
	[[ $named && ! $first && ! $pending && $cur != -* ]] && first=$last
	if [[ $first && $verb == exec ]]; then
		_snug_command "${at[first]}"
	elif [[ $first ]]; then
		_snug_argument "$verb" "$cur" "${at[first]}"
	elif [[ $pending ]]; then
		_snug_value "$pending" "$cur"
	elif [[ ! $verb ]]; then
		_snug_words "$_snug_verbs --help --version" "$cur"
	elif [[ $cur == --*=* ]]; then
		_snug_value "${cur%%=*}" "${cur#*=}"
		[[ $COMP_WORDBREAKS == *=* ]] || COMPREPLY=("${COMPREPLY[@]/#/${cur%%=*}=}")
	elif [[ $cur == -* ]]; then
		_snug_words "$(_snug_options "$verb")" "$cur"
	else
		_snug_argument "$verb" "$cur" "${at[last]}"
	fi
}

complete -F _snug snug
`
