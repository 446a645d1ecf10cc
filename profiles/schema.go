package profiles

import _ "embed" // for the JSON Schema

//go:embed schema.json
var schemaText []byte

// Schema returns the JSON Schema (draft 2020-12) of a profile, for editors. It
// is made from the structs of the Spec and their comments.
func Schema() []byte { return append([]byte(nil), schemaText...) }
