package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/snug-sandbox/snug"
	"github.com/snug-sandbox/snug/internal/problem"
)

// report is where to tell a program what happened.
type report struct {
	path   string   // a file to make or replace; "-": standard output; empty: none was asked for
	stream *os.File // what path is already, when that is no file: a pipe, /dev/stderr
}

// newReport makes sure, as far as that can be known before, that the report
// can be written: finding out after an hour's run would be too late.
func newReport(path string) (r report, err error) {
	if path == "" {
		return r, &problem.Problem{What: "--report", Why: "the name of the file is empty"}
	}
	if path == "-" {
		return report{path, os.Stdout}, nil
	}
	if r.path, err = filepath.Abs(path); err != nil {
		return r, reportProblem(path, err)
	}
	info, err := os.Stat(r.path)
	switch {
	case err == nil && info.IsDir():
		err = unix.EISDIR
	case err == nil && !info.Mode().IsRegular():
		// Opened now: later the command may have put something else there.
		r.stream, err = os.OpenFile(r.path, os.O_WRONLY|os.O_APPEND, 0)
	default:
		err = unix.Access(filepath.Dir(r.path), unix.W_OK|unix.X_OK)
	}
	if err != nil {
		return r, reportProblem(path, err)
	}
	return r, nil
}

// content is what a report says of a run.
func content(result *snug.Result, failed error) failure {
	f := failure{Result: result}
	if failed != nil {
		f.Error = failed.Error()
		if p := new(problem.Problem); errors.As(failed, &p) {
			f.Fix = p.Fix
		}
	}
	return f
}

// failure is what the report says when the sandbox could not be made.
type failure struct {
	*snug.Result
	Error string `json:"error,omitempty"`
	Fix   string `json:"try,omitempty"`
}

// write writes the report. Whoever waits for the file never sees half of it.
func (r report) write(result *snug.Result, failed error) error {
	if r.path == "" {
		return nil
	}
	text, err := json.MarshalIndent(content(result, failed), "", "  ")
	if err != nil {
		return reportProblem(r.path, err)
	}
	text = append(text, '\n')
	if r.stream != nil {
		_, err = r.stream.Write(text)
	} else {
		err = replace(r.path, text)
	}
	if err != nil {
		return reportProblem(r.path, err)
	}
	return nil
}

// replace puts text at path in one step. The command may have been able to
// write to the directory: a link that it left there is replaced, not followed.
func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".snug-report-")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

func reportProblem(path string, err error) error {
	return &problem.Problem{What: "--report " + path, Why: "the report cannot be written: " + bare(err), Err: err}
}

// bare is what an error of the file system says, without the file that it was
// about: that may be one of our own that the user never heard of.
func bare(err error) string {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err.Error()
	case errors.As(err, &link):
		return link.Err.Error()
	}
	return err.Error()
}
