// Snug-image fills, shows and empties the store of images for snug, which
// does not have to link what that needs: every start would pay for it.
//
// "snug image" calls it, in a sandbox where nothing but the store can be
// written: layers come from anywhere. There it is root, with the caller's
// subordinate ids where there are some. Its options are not for people; see
// "snug image --help".
//
// The exit code is 0; 1 when verify found something wrong; 125 when it failed.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/layer"
	"github.com/snug-sandbox/snug/internal/problem"
)

// errFound says that verify found something wrong, which it has told.
var errFound = errors.New("the store is damaged")

// tool is what every verb works with.
type tool struct {
	store *images.Store
	ids   images.IDs
	in    io.Reader
	out   io.Writer
	err   io.Writer

	// Options of some verbs.
	tag      string
	format   string
	platform string
	compress string
	json     bool
	all      bool
	quiet    bool
	unpack   layer.Options
}

// memory is what this program has the garbage collector hold to: a layer of any
// size fits, as little is kept of each entry.
const memory = 40 << 20

func main() {
	unix.Umask(0o022)
	endOnQuit()
	debug.SetMemoryLimit(memory)
	err := do(os.Args[1:])
	var by *interrupted
	switch {
	case err == nil:
	case errors.As(err, &by):
		problem.Print(os.Stderr, err)
		os.Exit(128 + int(by.signal))
	case errors.Is(err, errFound):
		os.Exit(1)
	default:
		problem.Print(os.Stderr, err)
		os.Exit(125)
	}
}

// quit is where the quit key goes while nothing else takes care of it.
var quit = make(chan os.Signal, 1)

// endOnQuit has the quit key end the program like any other, without Go's trace of
// what it was doing. What it leaves is that of a kill, which the next one removes.
func endOnQuit() {
	signal.Notify(quit, unix.SIGQUIT)
	go func() {
		<-quit
		os.Exit(128 + int(unix.SIGQUIT))
	}()
}

// verbs are the words that may come first.
var verbs = map[string]func(t *tool, args []string) error{
	"import": (*tool).importImage, "pull": (*tool).pull, "export": (*tool).export,
	"list": (*tool).list, "inspect": (*tool).inspect, "history": (*tool).history,
	"remove": (*tool).remove, "tag": (*tool).setTag, "prune": (*tool).prune, "verify": (*tool).verify,
	"diff": (*tool).diff, "commit": (*tool).commit, "convert": (*tool).convert,
	"copy": (*tool).copyImage, "drop": (*tool).drop,
}

func do(args []string) error {
	if len(args) == 0 || verbs[args[0]] == nil {
		return &problem.Problem{What: "snug-image", Why: "this program is for snug to call", Fix: "snug image --help"}
	}
	out := &told{w: os.Stdout}
	t := &tool{in: os.Stdin, out: out, err: os.Stderr}
	words, err := t.parse(args[1:])
	if err != nil {
		return err
	}
	return cmp.Or(verbs[args[0]](t, words), out.err)
}

// told is an output that remembers what went wrong: who could not be told must not
// think that all is well.
type told struct {
	w   io.Writer
	err error
}

func (t *told) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	t.err = cmp.Or(t.err, err)
	return n, err
}

func (t *tool) parse(args []string) ([]string, error) {
	set := flag.NewFlagSet("snug-image", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	dir := set.String("store", "", "")
	ids := set.String("ids", string(images.Single), "")
	set.StringVar(&t.tag, "tag", "", "")
	set.StringVar(&t.format, "format", "", "")
	set.StringVar(&t.platform, "platform", "", "")
	set.StringVar(&t.compress, "compress", "gzip", "")
	set.BoolVar(&t.json, "json", false, "")
	set.BoolVar(&t.all, "kept", false, "")
	set.BoolVar(&t.quiet, "quiet", false, "")
	set.BoolVar(&t.unpack.Absolute, "absolute-names", false, "")
	set.Int64Var(&t.unpack.Limits.Bytes, "max-size", 0, "")
	set.Int64Var(&t.unpack.Limits.Files, "max-files", 0, "")
	t.addMore(set)
	if err := set.Parse(args); err != nil {
		return nil, fmt.Errorf("snug-image: %w", err)
	}
	var wrong error // before anything is read or pulled
	set.Visit(func(f *flag.Flag) {
		if f.Name == "tag" {
			_, wrong = images.Normal(t.tag)
		}
	})
	if wrong != nil {
		return nil, wrong
	}
	t.ids = images.IDs(*ids)
	t.unpack.Chown = t.ids == images.Range
	store, err := images.Open(*dir)
	t.store = store
	return set.Args(), err
}

// note tells something that was done without.
func (t *tool) note(text string) {
	if !t.quiet {
		fmt.Fprintf(t.err, "snug: note: %s\n", problem.Printable(text))
	}
}
