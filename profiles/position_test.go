package profiles

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestEveryKeyHasItsLineAndColumn(t *testing.T) {
	text := strings.Join([]string{
		"# a comment with [brackets] and key = 1", // 1
		"top = 1",                                   // 2
		"  \"quoted key\"   = 'x' # key = 2",        // 3
		"a.b . c = {x = 1, \"y.z\" = [1, {w = 2}]}", // 4
		"",                           // 5
		"[ table . 'sub' ]",          // 6
		"key = \"\"\"",               // 7
		"inside = 1",                 // 8
		"[inside]",                   // 9
		"\\\"\"\"\"\"",               // 10
		"after = '''it's",            // 11
		"not = a key'''",             // 12
		"list = [ # comment ]",       // 13
		"  'a', # b",                 // 14
		"  \"]\",",                   // 15
		"  [1, 2],",                  // 16
		"]",                          // 17
		"date = 1979-05-27 07:32:00", // 18
		"[[entry]]",                  // 19
		"v = 1",                      // 20
		"[entry.when]",               // 21
		"w = 1",                      // 22
		"[[entry]]",                  // 23
		"é = 'ü' ",                   // 24: not TOML, but the columns go on
		"[[entry.deep]]",             // 25
		"\"ü\" = \"\\u00fc\\\"\"",    // 26
		"x = {\"ä\" = 1, b = 2,",     // 27
		"  c = 3 }",                  // 28
		"\"esc\\u0041\\\"\" = 1",     // 29
	}, "\n")
	text = strings.Replace(text, "é = 'ü' ", "e = 'ü' ", 1)
	if err := toml.Unmarshal([]byte(text), new(map[string]any)); err != nil {
		t.Fatal(err)
	}
	found := scan(text, nil)
	for key, want := range map[string]string{
		"top": "2:1", `"quoted key"`: "3:3", "a": "4:1", "a.b": "4:3", "a.b.c": "4:7", "a.b.c.x": "4:12",
		`a.b.c."y.z"`: "4:19", `a.b.c."y.z"[0]`: "4:28", `a.b.c."y.z"[1]`: "4:31", `a.b.c."y.z"[1].w`: "4:32",
		"table": "6:3", "table.sub": "6:11", "table.sub.key": "7:1", "table.sub.after": "11:1", "table.sub.list": "13:1",
		"table.sub.list[0]": "14:3", "table.sub.list[1]": "15:3", "table.sub.list[2]": "16:3", "table.sub.list[2][1]": "16:7",
		"table.sub.date": "18:1", "entry": "19:3", "entry[0]": "19:3", "entry[0].v": "20:1", "entry[0].when": "21:8",
		"entry[0].when.w": "22:1", "entry[1]": "23:3", "entry[1].e": "24:1", "entry[1].deep[0]": "25:9",
		`entry[1].deep[0]."ü"`: "26:1", "entry[1].deep[0].x": "27:1", `entry[1].deep[0].x."ä"`: "27:6",
		"entry[1].deep[0].x.b": "27:15", "entry[1].deep[0].x.c": "28:3", `entry[1].deep[0]."escA\""`: "29:1",
	} {
		if at := found[key]; fmt.Sprintf("%d:%d", at.line, at.column) != want {
			t.Errorf("%s is at %d:%d, want %s", key, at.line, at.column, want)
		}
	}
	for key := range found {
		if strings.Contains(key, "inside") || strings.Contains(key, "not") {
			t.Errorf("%s is inside a string", key)
		}
	}
}

func TestLinesEndWithOrWithoutACarriageReturn(t *testing.T) {
	text := "a = 1\r\n\r\n# c\r\n[b]\r\nc = \"\"\"\r\nx\r\n\"\"\"\r\nd = [\r\n  1,\r\n]\r\n"
	with, without := scan(text, nil), scan(strings.ReplaceAll(text, "\r", ""), nil)
	if len(with) != len(without) || with["b.d[0]"] != (position{9, 3}) {
		t.Errorf("%v and %v", with, without)
	}
	for key, at := range without {
		if with[key] != at {
			t.Errorf("%s is at %v and %v", key, with[key], at)
		}
	}
}

// keysOf are the keys that the parser saw, which have no indexes.
func keysOf(t testing.TB, text string) ([]string, bool) {
	var v any
	md, err := toml.Decode(text, &v)
	if err != nil {
		return nil, false
	}
	var keys []string
	for _, key := range md.Keys() {
		keys = append(keys, strings.Join(key, "\x00"))
	}
	return keys, true
}

func scannedKeys(text string) []string {
	var keys []string
	scan(text, func(key []string) { keys = append(keys, strings.Join(key, "\x00")) })
	return keys
}

func TestTheScannerSeesTheKeysThatTheParserSees(t *testing.T) {
	for _, text := range seeds(t) {
		if keys, ok := keysOf(t, text); ok && !slices.Equal(keys, scannedKeys(text)) {
			t.Errorf("in %q the parser saw\n%q, the scanner\n%q", text, keys, scannedKeys(text))
		}
	}
}

func TestAMissingKeyIsBlamedOnWhatIsAboveIt(t *testing.T) {
	f := &file{text: "\n[[mounts]]\nsource = 'x'\n"}
	for key, want := range map[string]position{"mounts[0].target": {2, 3}, "mounts[0].lower[3]": {2, 3}, "nowhere": {1, 1},
		`mounts[0]."a.b[0]"`: {2, 3}, "mounts[7].x": {2, 3}} {
		if line, column := f.find(key); (position{line, column}) != want {
			t.Errorf("%s is at %d:%d", key, line, column)
		}
	}
}
