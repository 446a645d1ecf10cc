package profiles

import (
	"encoding/json"
	"reflect"
	"regexp"
	"testing"

	"github.com/BurntSushi/toml"
)

// treeOf decodes TOML the way JSON would be decoded, which is what a validator
// of JSON Schema works on.
func treeOf(t testing.TB, text string) any {
	t.Helper()
	var v map[string]any
	if _, err := toml.Decode(text, &v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return jsonTree(v)
}

func jsonTree(v any) any {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		panic(err)
	}
	return tree
}

// valid judges v by the keywords of JSON Schema that schema.json uses; an
// unknown keyword panics, so that none is left out of the judgement.
func valid(schema object, v any) bool {
	for word, arg := range schema {
		if !validWord(word, arg, schema, v) {
			return false
		}
	}
	return true
}

func validWord(word string, arg any, schema object, v any) bool {
	text, isText := v.(string)
	number, isNumber := v.(float64)
	table, isTable := v.(object)
	list, isList := v.([]any)
	switch word {
	case "$schema", "title", "description", "then":
		return true
	case "type":
		switch arg {
		case "string":
			return isText
		case "number":
			return isNumber
		case "integer":
			return isNumber && number == float64(int64(number))
		case "object":
			return isTable
		case "array":
			return isList
		case "boolean":
			_, ok := v.(bool)
			return ok
		}
	case "const":
		return reflect.DeepEqual(arg, v)
	case "enum":
		for _, w := range arg.([]any) {
			if reflect.DeepEqual(w, v) {
				return true
			}
		}
		return false
	case "pattern":
		return !isText || regexp.MustCompile(arg.(string)).MatchString(text)
	case "minLength":
		return !isText || len([]rune(text)) >= int(arg.(float64))
	case "minimum":
		return !isNumber || number >= arg.(float64)
	case "maximum":
		return !isNumber || number <= arg.(float64)
	case "items":
		for _, e := range list {
			if !valid(arg.(object), e) {
				return false
			}
		}
		return true
	case "required":
		for _, name := range arg.([]any) {
			if _, ok := table[name.(string)]; isTable && !ok {
				return false
			}
		}
		return true
	case "properties":
		for name, s := range arg.(object) {
			if e, ok := table[name]; ok && !valid(s.(object), e) {
				return false
			}
		}
		return true
	case "propertyNames":
		for name := range table {
			if !valid(arg.(object), name) {
				return false
			}
		}
		return true
	case "additionalProperties":
		known, _ := schema["properties"].(object)
		for name, e := range table {
			if _, ok := known[name]; ok {
				continue
			}
			if s, ok := arg.(object); !ok || !valid(s, e) {
				return false
			}
		}
		return true
	case "anyOf", "oneOf":
		fits := 0
		for _, s := range arg.([]any) {
			if valid(s.(object), v) {
				fits++
			}
		}
		return fits == 1 || fits > 1 && word == "anyOf"
	case "allOf":
		for _, s := range arg.([]any) {
			if !valid(s.(object), v) {
				return false
			}
		}
		return true
	case "if":
		return !valid(arg.(object), v) || valid(schema["then"].(object), v)
	}
	panic("the validator does not know " + word)
}
