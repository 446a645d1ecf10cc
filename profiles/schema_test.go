package profiles

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/snug-sandbox/snug/cgroups"
	"github.com/snug-sandbox/snug/desktop"
	"github.com/snug-sandbox/snug/internal/units"
	"github.com/snug-sandbox/snug/mounts"
	"github.com/snug-sandbox/snug/network"
	"github.com/snug-sandbox/snug/seccomp"
	"github.com/snug-sandbox/snug/spec"
	"github.com/snug-sandbox/snug/userns"
)

type object = map[string]any

func TestSchemaIsFresh(t *testing.T) {
	want, err := json.MarshalIndent(schemaOf(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	fresh(t, "schema.json", append(want, '\n'))
}

// schemaOf makes the JSON Schema from the tables of this package, the structs
// that they fill, and the comments of those structs.
func schemaOf(t *testing.T) object {
	doc := readDocs(t)
	tops := object{
		"version":     object{"const": 1, "description": "The version of the profile's language."},
		"description": object{"type": "string", "description": "One sentence about the profile."},
		"extends": object{"description": "Names or paths of profiles to start from; later ones win, and lists add up.",
			"anyOf": []any{nonEmpty(), object{"type": "array", "items": nonEmpty()}}},
		"mounts": object{"type": "array", "items": mountSchema(doc), "description": doc["Spec.Mounts"]},
	}
	var zero spec.Spec
	for i := range tables {
		fields := object{}
		for j := range tables[i].keys {
			k := &tables[i].keys[j]
			var s object
			if _, isIO := k.at(&zero).(*[]cgroups.IO); isIO {
				s = ioSchema(doc)
			} else {
				s = fieldSchema(k.at(&zero), k.name, &k.rule)
			}
			switch k.name {
			case "seccomp":
				s = filterSchema(doc)
			case "dbus":
				s = busesSchema(doc)
			}
			s["description"] = doc[tables[i].name+"."+k.name]
			fields[k.name] = s
		}
		tops[tables[i].name] = object{"type": "object", "additionalProperties": false, "properties": fields,
			"description": doc[tables[i].name]}
	}
	return object{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "A profile of Snug", "type": "object", "additionalProperties": false, "properties": tops,
	}
}

func ioSchema(doc map[string]string) object {
	fields := object{"remove": object{"type": "boolean", "description": "Take the inherited limits for this path or device out."}}
	var zero cgroups.IO
	for i := range ioKeys {
		k := &ioKeys[i]
		s := fieldSchema(k.at(&zero), k.name, &k.rule)
		s["description"] = doc["limits.io."+k.name]
		fields[k.name] = s
	}
	one := []any{object{"required": []any{"path"}}, object{"required": []any{"device"}}}
	return object{"type": "array", "items": object{"type": "object", "additionalProperties": false, "properties": fields, "oneOf": one}}
}

// filterSchema is a word or a table.
func filterSchema(doc map[string]string) object {
	var zero seccomp.Config
	fields := object{}
	for i := range filterKeys {
		k := &filterKeys[i]
		s := fieldSchema(k.at(&zero), k.name, &k.rule)
		s["description"] = doc["security.seccomp."+k.name]
		fields[k.name] = s
	}
	return object{"anyOf": []any{object{"enum": filterWords}, object{"type": "object", "additionalProperties": false, "properties": fields}}}
}

// busesSchema is a table of each bus, which are alike.
func busesSchema(doc map[string]string) object {
	var zero desktop.Bus
	buses := object{}
	for i := range busTables {
		fields := object{}
		for j := range busKeys {
			s := fieldSchema(busKeys[j].at(&zero), busKeys[j].name, &busKeys[j].rule)
			s["description"] = doc["desktop.bus."+busKeys[j].name]
			fields[busKeys[j].name] = s
		}
		buses[busTables[i].name] = object{"type": "object", "additionalProperties": false, "properties": fields, "description": doc["desktop.dbus."+busTables[i].name]}
	}
	return object{"type": "object", "additionalProperties": false, "properties": buses}
}

func mountSchema(doc map[string]string) object {
	var zero mounts.Mount
	fields := object{
		"remove": object{"type": "boolean", "description": "Take the inherited mount with this target out."},
		"when":   whenSchema(),
	}
	for i := range mountKeys {
		k := &mountKeys[i]
		s := fieldSchema(k.at(&zero), k.name, &k.rule)
		s["description"] = doc["mounts."+k.name]
		fields[k.name] = s
	}
	return object{"type": "object", "additionalProperties": false, "properties": fields, "allOf": mountRules()}
}

// mountRules say which keys each type takes. An entry without a type is a bind,
// and "properties" holds for what is missing.
func mountRules() []any {
	var rules []any
	for _, kind := range mountTypeTable {
		names := []any{"when", "remove"}
		for i := range mountKeys {
			if mountKeys[i].in&kind.bit != 0 {
				names = append(names, mountKeys[i].name)
			}
		}
		is := object{"properties": object{"type": object{"const": kind.name}}}
		then := object{"propertyNames": object{"enum": names}}
		if kind.bit == inBind {
			then["anyOf"] = []any{object{"required": []any{"source"}}, object{"required": []any{"target"}}}
		} else {
			is["required"] = []any{"type"}
		}
		if kind.need != nil {
			then["required"] = kind.need
		}
		rules = append(rules, object{"if": is, "then": then})
	}
	return rules
}

func whenSchema() object {
	fields := object{}
	for _, k := range whenKeys {
		fields[k.name] = object{"description": k.doc, "anyOf": []any{nonEmpty(), object{"type": "array", "items": nonEmpty()}}}
	}
	return object{"type": "object", "additionalProperties": false, "properties": fields,
		"description": "Conditions that must all hold for the entry to be used."}
}

func nonEmpty() object { return object{"type": "string", "minLength": 1} }

const (
	bytesPattern    = `^\s*\+?[0-9]+(\.[0-9]*)?\s*([TGMK]iB|[TGMKk]B|[TGMKk]|B)?\s*$`
	durationPattern = `^\s*[-+]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+\s*$`
	modePattern     = `^(0o)?0*[0-7]{1,4}$`
	namePattern     = `^!?[^=*]*\*?$`
)

func fieldSchema(field any, name string, r *rule) object {
	switch field.(type) {
	case *bool:
		return object{"type": "boolean"}
	case *string:
		return stringSchema(r)
	case *int64, **int:
		return bounded(r)
	case *float64:
		return object{"anyOf": []any{object{"type": "number", "minimum": 0}, object{"type": "string", "pattern": `^\s*\+?[0-9]*\.?[0-9]+%?\s*$`}}}
	case *units.Bytes:
		return object{"anyOf": []any{object{"type": "string", "pattern": bytesPattern}, object{"type": "integer", "minimum": r.min}}}
	case *units.Memory:
		percent := `|^[0-9]+(\.[0-9]*)?%$`
		return object{"anyOf": []any{object{"type": "string", "pattern": bytesPattern + percent}, object{"type": "integer", "minimum": 0}}}
	case *units.Rate:
		rate := strings.TrimSuffix(bytesPattern, `\s*$`) + `(/s)?\s*$`
		return object{"anyOf": []any{object{"type": "string", "pattern": rate}, object{"type": "integer", "minimum": 1}}}
	case **units.Rlimit:
		return object{"anyOf": []any{object{"type": "string", "minLength": 1}, bounded(&rule{max: r.max})}}
	case *map[string]units.Bytes:
		return object{"type": "object", "propertyNames": object{"pattern": bytesPattern},
			"additionalProperties": fieldSchema(new(units.Bytes), name, r)}
	case **units.Limit:
		limit := strings.TrimSuffix(bytesPattern, "$") + `$|^infinity$|^unlimited$`
		return object{"anyOf": []any{object{"type": "string", "pattern": limit}, object{"type": "integer", "minimum": 0}}}
	case *units.Duration:
		return object{"type": "string", "pattern": durationPattern}
	case **units.FileMode:
		return object{"type": "string", "pattern": modePattern}
	case *[]int:
		return object{"type": "array", "items": object{"anyOf": []any{bounded(r), object{"type": "string", "pattern": "^![0-9]+$"}}}}
	case *[]string:
		s := object{"type": "array", "items": itemSchema(name, r)}
		if r.no != "" {
			s = object{"anyOf": []any{s, object{"type": "boolean"}}}
		}
		return s
	case *seccomp.Config, *desktop.DBus:
		return object{}
	case *units.Bandwidth:
		return object{"type": "string", "minLength": 1}
	case *network.Bandwidth:
		fields := object{}
		var zero network.Bandwidth
		for i := range bandwidthKeys {
			field := fieldSchema(bandwidthKeys[i].at(&zero), bandwidthKeys[i].name, &bandwidthKeys[i].rule)
			field["description"] = bandwidthDocs[bandwidthKeys[i].name]
			fields[bandwidthKeys[i].name] = field
		}
		return object{"type": "object", "additionalProperties": false, "properties": fields}
	case *map[string]string:
		return object{"type": "object", "propertyNames": object{"pattern": "^[^=]+$"}, "additionalProperties": object{"type": "string"}}
	}
	panic("no schema for the key " + name)
}

// bandwidthDocs say what the keys of network.bandwidth are.
var bandwidthDocs = map[string]string{
	"up": "What the command may send, as bits in a second.", "down": "What the command may receive, as bits in a second.",
	"latency": "Added to the way there and back.",
}

func bounded(r *rule) object {
	s := object{"type": "integer", "minimum": r.min}
	if r.max != 0 {
		s["maximum"] = r.max
	}
	return s
}

func stringSchema(r *rule) object {
	switch {
	case r.enum != nil && r.no != "":
		words := []any{false}
		if r.yes != "" {
			words = append(words, true)
		}
		for _, w := range r.enum {
			words = append(words, w)
		}
		return object{"enum": words}
	case r.no != "":
		return object{"anyOf": []any{nonEmpty(), object{"type": "boolean"}}}
	case r.enum != nil:
		return object{"enum": r.enum}
	case r.text >= hostPath || r.word != nil:
		return nonEmpty()
	}
	return object{"type": "string"}
}

func itemSchema(name string, r *rule) object {
	var words []string
	switch name {
	case "capabilities":
		words = append([]string{"ALL"}, userns.Capabilities[:]...)
	case "unmask":
		words = append([]string{"ALL"}, protectedPaths()...)
	case "audio":
		words = desktop.AudioWords
	case "portals":
		words = append([]string{"all"}, desktop.PortalWords()...)
	case "keep", "unset":
		return object{"type": "string", "pattern": namePattern, "minLength": 1}
	default:
		return stringSchema(r)
	}
	for _, w := range words {
		words = append(words, "!"+w)
	}
	return object{"enum": words}
}

// readDocs returns the comment of every field of a Spec, by its key.
func readDocs(t *testing.T) map[string]string {
	comments := make(map[string]map[string]string) // "process.Command" → field → text
	for _, name := range []string{"spec/spec.go", "process/process.go", "userns/userns.go", "namespaces/namespaces.go",
		"network/network.go", "cgroups/cgroups.go", "seccomp/seccomp.go", "landlock/landlock.go", "process/hardening.go", "mounts/mounts.go", "desktop/desktop.go"} {
		readComments(t, "../"+name, comments)
	}
	docs := make(map[string]string)
	top := reflect.TypeFor[spec.Spec]()
	for i := range top.NumField() {
		f := top.Field(i)
		name := f.Tag.Get("toml")
		text := comments["spec.Spec"][f.Name]
		switch {
		case name == "mounts":
			docs["Spec.Mounts"] = text
			fieldDocs("mounts.", f.Type.Elem(), comments, docs)
		case f.Type.Kind() == reflect.Struct:
			docs[name] = text
			fieldDocs(name+".", f.Type, comments, docs)
			if name == "limits" {
				fieldDocs("limits.io.", reflect.TypeFor[cgroups.IO](), comments, docs)
			}
			if name == "desktop" {
				fieldDocs("desktop.dbus.", reflect.TypeFor[desktop.DBus](), comments, docs)
				fieldDocs("desktop.bus.", reflect.TypeFor[desktop.Bus](), comments, docs)
			}
		}
	}
	return docs
}

func readComments(t *testing.T, file string, comments map[string]map[string]string) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		decl, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if body, ok := decl.Type.(*ast.StructType); ok {
			comments[parsed.Name.Name+"."+decl.Name.Name] = structComments(body)
		}
		return false
	})
}

func structComments(body *ast.StructType) map[string]string {
	all := make(map[string]string)
	for _, f := range body.Fields.List {
		text := f.Doc.Text()
		if text == "" {
			text = f.Comment.Text()
		}
		for _, name := range f.Names {
			all[name.Name] = strings.Join(strings.Fields(text), " ")
		}
	}
	return all
}

// fieldDocs adds the comments of a struct's fields, with keys in place of the
// names that the fields have in Go.
func fieldDocs(prefix string, s reflect.Type, comments map[string]map[string]string, docs map[string]string) {
	own := comments[path.Base(s.PkgPath())+"."+s.Name()]
	for i := range s.NumField() {
		f := s.Field(i)
		if f.Anonymous {
			fieldDocs(prefix, f.Type, comments, docs)
			continue
		}
		docs[prefix+f.Tag.Get("toml")] = inKeys(own[f.Name], s)
	}
}

func inKeys(text string, s reflect.Type) string {
	for i := range s.NumField() {
		f := s.Field(i)
		name := f.Tag.Get("toml")
		if rest, ok := strings.CutPrefix(text, f.Name+" "); ok {
			text = name + " " + rest
		}
		// Not CPUs or IPC, which are words of their own.
		if strings.ToUpper(f.Name[:2]) != f.Name[:2] && !f.Anonymous {
			text = regexp.MustCompile(`\b`+f.Name+`\b`).ReplaceAllString(text, name)
		}
	}
	return text
}

func TestEveryKeyOfTheSchemaIsDescribed(t *testing.T) {
	var schema object
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	walkProperties("", schema, func(at string, s object) {
		if text, _ := s["description"].(string); text == "" {
			t.Errorf("%s has no description", at)
		}
	})
}

func walkProperties(at string, schema object, visit func(string, object)) {
	if items, ok := schema["items"].(object); ok {
		walkProperties(at, items, visit)
	}
	fields, _ := schema["properties"].(object)
	for _, name := range sortedKeys(fields) {
		s := fields[name].(object)
		visit(at+"."+name, s)
		walkProperties(at+"."+name, s, visit)
	}
}

func TestSchemaForbidsKeysThatItDoesNotKnow(t *testing.T) {
	var schema object
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"nonsense = 1", "[command]\nnonsense = 1", "[[mounts]]\nsource = \"/x\"\nnonsense = 1",
		"[[mounts]]\nsource = \"/x\"\nwhen = { nonsense = \"\" }", "[network]\nmode = \"public\"",
		"version = 2", "[[mounts]]\nsource = \"/x\"\ncontent = \"y\"", "[[mounts]]\ntype = \"tmpfs\"", "[limits]\nnofile = -1",
		"[command]\numask = 22", "[limits]\ntimeout = 90"} {
		if valid(schema, treeOf(t, text)) {
			t.Errorf("the schema takes %q", text)
		}
	}
}
