//go:build snug_light && linux && (amd64 || arm64) && !cgo && !race && go1.26 && !go1.27

package postponed_test

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/BurntSushi/toml"
	_ "github.com/alecthomas/kong"

	"github.com/snug-sandbox/snug/internal/postponed"
)

// before says what could be done before anything was initialized late.
var before []string

// TestMain comes before package testing has a use for regexp.
func TestMain(m *testing.M) {
	if digits() == nil {
		before = append(before, "regexp")
	}
	if date() == nil {
		before = append(before, "toml")
	}
	postponed.Grammar()
	os.Exit(m.Run())
}

// digits uses a table that package regexp/syntax makes while it initializes.
func digits() error {
	_, err := regexp.Compile(`\d`)
	return err
}

// date uses a time zone that package toml makes while it initializes.
func date() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	var all map[string]any
	_, err = toml.Decode("at = 2020-01-01T10:00:00", &all)
	return err
}

func TestPackagesAreInitializedLate(t *testing.T) {
	if len(before) > 0 {
		t.Errorf("initialized at the start: %v", before)
	}
	if err := digits(); err != nil {
		t.Errorf("after Grammar: %v", err)
	}
	postponed.TOML()
	if err := date(); err != nil {
		t.Errorf("after TOML: %v", err)
	}
}
