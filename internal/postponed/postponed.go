//go:build snug_light && linux && (amd64 || arm64) && !cgo && !race && go1.26 && !go1.27

// Package postponed keeps the packages that most command lines have no use for from
// being initialized when the program starts: their tables are made, by whoever needs
// them, when somebody does. It takes the light start of package child to do that; in
// all other programs it does nothing.
//
// A package may be listed here only if nothing can get at it but through the function
// of its list. A test of package ladder compares the lists with what the program links.
package postponed

import _ "unsafe" // for go:linkname

// task is what the linker makes of a package's initializers (runtime.initTask in
// $GOROOT/src/runtime/proc.go).
type task struct {
	state uint32 // initial, or done
	_     uint32 // how many functions follow
}

const (
	initial = 0
	done    = 2
)

//go:linkname unicodeTask unicode..inittask
var unicodeTask task

//go:linkname tokenTask go/token..inittask
var tokenTask task

//go:linkname scannerTask go/scanner..inittask
var scannerTask task

//go:linkname syntaxTask regexp/syntax..inittask
var syntaxTask task

//go:linkname regexpTask regexp..inittask
var regexpTask task

//go:linkname lazyregexpTask internal/lazyregexp..inittask
var lazyregexpTask task

//go:linkname docTask go/doc..inittask
var docTask task

//go:linkname kongTask github.com/alecthomas/kong..inittask
var kongTask task

//go:linkname tomlInternalTask github.com/BurntSushi/toml/internal..inittask
var tomlInternalTask task

//go:linkname tomlTask github.com/BurntSushi/toml..inittask
var tomlTask task

//go:linkname doInit runtime.doInit
func doInit(tasks []*task)

// zone is the sync.Once by which package time finds out the local time zone.
//
//go:linkname zone time.localOnce
var zone struct {
	done, _, _ uint32
}

// The lists are in the order in which the linker has them.
var (
	grammar = []*task{&unicodeTask, &tokenTask, &scannerTask, &syntaxTask, &regexpTask, &lazyregexpTask, &docTask, &kongTask}
	toml    = []*task{&tomlInternalTask, &tomlTask}
)

// Packages are initialized by ascending import path, as far as their own imports allow
// (the Go specification, Package initialization). This one, which has none, therefore
// comes before those of the lists, which have some, or a greater path.
func init() {
	grammar = postpone(grammar)
	toml = postpone(toml)
}

// postpone returns those of list that were not initialized yet.
func postpone(list []*task) []*task {
	n := 0
	for _, t := range list {
		if t.state == initial {
			t.state = done
			list[n] = t
			n++
		}
	}
	return list[:n]
}

// Never has all packages initialized in their turn after all. It is for package never.
func Never() {
	for _, t := range append(grammar, toml...) {
		t.state = initial
	}
	grammar, toml = nil, nil
}

// Grammar initializes kong, and what nobody else uses.
func Grammar() { initialize(&grammar) }

// TOML initializes the parser of TOML. It asks for the local time zone, for times
// without one, which no profile has: a file to read. It gets UTC.
func TOML() {
	if len(toml) == 0 {
		return
	}
	asked := zone.done
	zone.done = 1
	initialize(&toml)
	zone.done = asked
}

func initialize(list *[]*task) {
	for _, t := range *list {
		t.state = initial
	}
	doInit(*list)
	*list = nil
}
