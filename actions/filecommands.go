package actions

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// maxFile is how much is read of a file that a step handed values over in. The
// runner takes 1 MiB of a summary, and outputs of 1 MiB each.
const maxFile = 1 << 20

// pair is one value of a file like $GITHUB_OUTPUT.
type pair struct{ name, value string }

// parsePairs reads the form of $GITHUB_OUTPUT and $GITHUB_ENV: "name=value", or
// "name<<DELIMITER", lines, and the delimiter alone on one
// (actions/runner, FileCommandManager.cs). An error tells the line; what came
// before it is returned.
func parsePairs(text string) ([]pair, error) {
	var list []pair
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		equals, heredoc := strings.Index(line, "="), strings.Index(line, "<<")
		switch {
		case line == "":
		case equals > 0 && (heredoc < 0 || equals < heredoc):
			list = append(list, pair{line[:equals], line[equals+1:]})
		case heredoc > 0 && line[heredoc+2:] != "":
			end := line[heredoc+2:]
			first := i + 1
			for i++; i < len(lines) && lines[i] != end; i++ {
			}
			if i >= len(lines) {
				return list, fmt.Errorf("line %d: the delimiter %q does not come again", first, end)
			}
			list = append(list, pair{line[:heredoc], strings.Join(lines[first:i], "\n")})
		default:
			return list, fmt.Errorf("line %d: neither name=value nor name<<DELIMITER", i+1)
		}
	}
	return list, nil
}

// formatPair writes a value with a delimiter that nobody can have foreseen.
func formatPair(p pair) string {
	end := "snug_" + token()
	return p.name + "<<" + end + "\n" + p.value + "\n" + end + "\n"
}

// token is 128 random bits.
func token() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// readHanded reads what a step left in a file of ours. It was bound there, so
// that it is still the same file.
func readHanded(path string) (text string, cut bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if len(b) > maxFile {
		b, cut = b[:maxFile], true
	}
	return string(b), cut, err
}

// appendFile adds text to a file of the runner, one of $GITHUB_OUTPUT and its
// like. Without such a file nothing is to be told.
func appendFile(path, text string) error {
	if path == "" || text == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// validName reports whether a name can be that of an output or a variable.
func validName(s string) bool {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || !(r == '-' || r >= '0' && r <= '9')) {
			return false
		}
	}
	return s != "" && utf8.ValidString(s)
}
