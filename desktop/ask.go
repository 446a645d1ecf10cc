package desktop

import (
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/mounts"
)

// The program snug-desktop is asked over its standard input, and answers on its
// standard output, one JSON value each. It lives until its input ends.

// Request is the first question.
type Request struct {
	Config Config `json:"config"`
	Run    Run    `json:"run"`
	Join   bool   `json:"join,omitempty"` // the program joins a run: only files are to be handed over
	Look   bool   `json:"look,omitempty"` // nothing is to be made, only said
	Log    string `json:"log,omitempty"`  // a file for what is said on the session bus

	Mounts []mounts.Mount `json:"mounts,omitempty"` // of the profile; those inside of a private home need a place there
}

// Answer is what follows.
type Answer struct {
	Layout   Layout             `json:"layout"`
	Notes    []string           `json:"notes,omitempty"`
	Problems []*problem.Problem `json:"problems,omitempty"` // without their Err
}

// Path is the name of a file, which is bytes: JSON's strings hold nothing but
// UTF-8.
type Path []byte

// More is a further question, or news.
type More struct {
	PID   int    `json:"pid,omitempty"`   // the command's; there is no answer
	Files []Path `json:"files,omitempty"` // to be handed over
}

// Handed says where the files are inside, in the order of the question. What has
// no name could not be handed over.
type Handed struct {
	Files []Path `json:"files"`
	Why   string `json:"why,omitempty"`
}
