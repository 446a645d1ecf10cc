package images

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// Types without methods, which package json decodes by reflection.
type (
	plainManifest Manifest
	plainConfig   Config
)

const wholeConfig = `{"created":"2024-05-06T07:08:09.123456789+02:00","author":"a","architecture":"arm64","os":"linux","variant":"v8","unknown":[1,{}],
"config":{"User":"7:8","ExposedPorts":{"80/tcp":{},"53/udp":{}},"Env":["A=b","PATH=/bin"],"Entrypoint":["/x"],"Cmd":[],"Volumes":{"/v":{}},"WorkingDir":"/w",
"Labels":{"k":"v","n":""},"StopSignal":"SIGINT","Healthcheck":{"Test":["CMD","true"],"Interval":30000000000,"Timeout":1,"StartPeriod":0,"Retries":3},"OnBuild":null},
"rootfs":{"type":"layers","diff_ids":["sha256:00","sha256:01"]},
"history":[{"created":"2024-05-06T07:08:09Z","created_by":"RUN <x> & y","comment":"é"},{"empty_layer":true,"author":"b"},null]}`

// What is decoded member by member is what package json makes of it.
func TestDecodedAsByReflection(t *testing.T) {
	for _, text := range []string{
		wholeConfig, `{}`, `null`, ` {"os":"linux"} `, `{"":"x"}`, `{"OS":"linux","Config":{"env":["A=b"],"cmd":["x"]}}`,
		`{"config":null,"rootfs":null,"history":null,"created":null}`, `{"config":{"Env":null,"Cmd":[null],"Labels":{"a":null},"Healthcheck":null,"Volumes":{}}}`,
		`{"config":{"Env":[]},"history":[],"rootfs":{"diff_ids":[]}}`, `{"config":{"Healthcheck":{}}}`,
		// A check once in a year, and a number of what nobody reads that no float64 is.
		`{"config":{"Healthcheck":{"Interval":31536000000000001}},"x":1e999}`, `{"config":{"Healthcheck":{"Interval":-9223372036854775808}}}`,
		// What is wrong is wrong for both.
		``, `[]`, `{`, `"x"`, `{} {}`, `{"os":1}`, `{"config":[]}`, `{"config":{"Env":"A=b"}}`, `{"config":{"Env":[1]}}`, `{"rootfs":{"diff_ids":{}}}`,
		`{"history":{}}`, `{"history":[1]}`, `{"history":[{"empty_layer":"yes"}]}`, `{"created":"yesterday"}`, `{"config":{"Labels":{"a":1}}}`,
		`{"config":{"Healthcheck":{"Interval":"30s"}}}`, `{"config":{"Healthcheck":{"Retries":1.5}}}`, `{"config":{"Healthcheck":{"Retries":1e1}}}`, `{"config":{"Healthcheck":{"Interval":9223372036854775808}}}`, `{"config":{"Volumes":["/v"]}}`,
	} {
		var got Config
		var want plainConfig
		sameDecoded(t, text, &got, &want, func() bool { return reflect.DeepEqual(got, Config(want)) })
	}
	for _, text := range []string{
		`{"schemaVersion":2,"config":{"mediaType":"m","digest":"sha256:00","size":9007199254740993},"layers":[{"digest":"sha256:01","size":0},{"mediaType":"l"}],"annotations":{"a":"b"}}`,
		`{}`, `null`, `{"layers":null}`, `{"layers":[null]}`,
		``, `{"layers":{}}`, `{"layers":["x"]}`, `{"config":{"size":"1"}}`, `{"config":{"size":1e30}}`, `{"config":{"size":-0.5}}`, `{"config":{"digest":[]}}`,
	} {
		var got Manifest
		var want plainManifest
		sameDecoded(t, text, &got, &want, func() bool { return reflect.DeepEqual(got, Manifest(want)) })
	}
}

func sameDecoded(t *testing.T, text string, got, want any, same func() bool) {
	t.Helper()
	err, wantErr := json.Unmarshal([]byte(text), got), json.Unmarshal([]byte(text), want)
	if (err == nil) != (wantErr == nil) || err == nil && !same() {
		t.Errorf("%s:\n%+v, %v, want\n%+v, %v", text, got, err, want, wantErr)
	}
}

func TestADecodingMistakeIsNamed(t *testing.T) {
	var c Config
	err := json.Unmarshal([]byte(`{"config":{"Env":["A=b",7]}}`), &c)
	if err == nil || !strings.Contains(err.Error(), `"Env"`) {
		t.Error(err)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(wholeConfig)
	f.Fuzz(func(t *testing.T, text string) {
		var c, again Config
		if json.Unmarshal([]byte(text), &c) != nil {
			return
		}
		out, err := json.Marshal(c)
		if err != nil {
			return // a year that RFC 3339 has no room for
		}
		if err := json.Unmarshal(out, &again); err != nil {
			t.Errorf("%s: %v", out, err)
		}
		if twice, _ := json.Marshal(again); string(twice) != string(out) {
			t.Errorf("%s\n%s", out, twice)
		}
	})
}
