// Snug-desktop does beside a sandbox what programs of a desktop need: it has
// filters before buses and sound servers run, a security context made, an X
// server started, files handed over. So snug does not have to link what that
// takes. It is not for people, but for the words below "snug desktop".
//
//	snug-desktop serve
//
// is asked over standard input and answers on standard output (package desktop).
// What it made is gone when its input ends, however that comes.
//
//	snug-desktop install|remove|list|suggest …
//
// do what "snug desktop" says. Called as xdg-open, inside of a sandbox, it has a
// link or a file opened outside, by the portal.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/snug-sandbox/snug/internal/problem"
)

func main() {
	name, args := filepath.Base(os.Args[0]), os.Args[1:]
	if name == "xdg-open" {
		end(openLink(args))
	}
	if len(args) == 0 {
		end(fmt.Errorf("usage: snug-desktop serve|install|remove|list|suggest"))
	}
	switch word, args := args[0], args[1:]; word {
	case "serve":
		end(serve(os.Stdin, os.Stdout))
	case "install":
		end(install(args))
	case "remove":
		end(remove(args))
	case "list":
		end(list(args))
	case "suggest":
		end(suggest(args))
	default:
		end(fmt.Errorf("%q is not a word of snug-desktop", word))
	}
}

// end ends the program. Errors have the shape that those of snug have.
func end(err error) {
	if err != nil {
		problem.Print(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
