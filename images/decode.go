package images

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// A program that decodes a text or two by reflection spends most of that time on
// getting to know the types: a quarter of a millisecond of every start from an image.
// So what is read of images is taken member by member.

// object is a JSON object. Its members are found as package json finds them: a name
// in other letters counts where there is none in these, and null is nothing.
type object struct {
	members map[string]any
	failed  *error // the first member that is of another type
}

// decodeObject calls take with the object that a text is. Numbers stay as they are
// written: not all of 64 bits are a float64.
func decodeObject(text []byte, take func(object)) error {
	var err error
	o := object{failed: &err}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&o.members); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("more than one JSON text")
	}
	take(o)
	return err
}

func (o object) get(name string) any {
	if v, ok := o.members[name]; ok {
		return v
	}
	var found string
	var v any
	for key, one := range o.members {
		if strings.EqualFold(key, name) && key > found { // of several always the same
			found, v = key, one
		}
	}
	return v
}

func (o object) fail(name string, why any) {
	if *o.failed == nil {
		*o.failed = fmt.Errorf("%q: %v", name, why)
	}
}

// member is a member of type T, as package json has them in an any.
func member[T any](o object, name string) (v T) {
	switch got := o.get(name).(type) {
	case nil:
	case T:
		v = got
	default:
		o.fail(name, fmt.Sprintf("%T is no %T", got, v))
	}
	return v
}

func (o object) text(name string) string { return member[string](o, name) }

func (o object) object(name string) object {
	return object{member[map[string]any](o, name), o.failed}
}

func (o object) texts(name string) []string {
	return list(o, name, func(s string) string { return s })
}

// list is what made makes of each T of a list.
func list[T, M any](o object, name string, made func(T) M) []M {
	all := member[[]any](o, name)
	if all == nil {
		return nil
	}
	of := make([]M, 0, len(all))
	for _, one := range all {
		v, ok := one.(T)
		if !ok && one != nil {
			o.fail(name, fmt.Sprintf("%T is no %T", one, v))
		}
		of = append(of, made(v))
	}
	return of
}

// set are the names of an object that stands for a set.
func (o object) set(name string) map[string]struct{} {
	members := member[map[string]any](o, name)
	if members == nil {
		return nil
	}
	set := make(map[string]struct{}, len(members))
	for key := range members {
		set[key] = struct{}{}
	}
	return set
}

func (o object) labels(name string) map[string]string {
	all := o.object(name)
	if all.members == nil {
		return nil
	}
	labels := make(map[string]string, len(all.members))
	for key := range all.members {
		labels[key] = all.text(key)
	}
	return labels
}

// number is a whole number of 64 bits.
func (o object) number(name string) int64 {
	text := member[json.Number](o, name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		o.fail(name, err)
	}
	return n
}

func (o object) time(name string) *time.Time {
	text := o.text(name)
	if text == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		o.fail(name, err)
	}
	return &t
}

// UnmarshalJSON is json.Unmarshaler.
func (m *Manifest) UnmarshalJSON(text []byte) error {
	return decodeObject(text, func(o object) {
		layer := func(m map[string]any) Descriptor { return object{m, o.failed}.descriptor() }
		*m = Manifest{Config: o.object("config").descriptor(), Layers: list(o, "layers", layer)}
	})
}

func (o object) descriptor() Descriptor {
	return Descriptor{MediaType: o.text("mediaType"), Digest: o.text("digest"), Size: o.number("size")}
}

// UnmarshalJSON is json.Unmarshaler.
func (c *Config) UnmarshalJSON(text []byte) error {
	return decodeObject(text, func(o object) {
		root := o.object("rootfs")
		step := func(m map[string]any) History { return object{m, o.failed}.history() }
		*c = Config{
			Created: o.time("created"), Author: o.text("author"),
			Architecture: o.text("architecture"), OS: o.text("os"), Variant: o.text("variant"),
			Config:  o.object("config").process(),
			RootFS:  RootFS{Type: root.text("type"), DiffIDs: root.texts("diff_ids")},
			History: list(o, "history", step),
		}
	})
}

func (o object) history() History {
	return History{
		Created: o.time("created"), CreatedBy: o.text("created_by"), Author: o.text("author"),
		Comment: o.text("comment"), EmptyLayer: member[bool](o, "empty_layer"),
	}
}

func (o object) process() Process {
	p := Process{
		User: o.text("User"), ExposedPorts: o.set("ExposedPorts"), Env: o.texts("Env"),
		Entrypoint: o.texts("Entrypoint"), Cmd: o.texts("Cmd"), Volumes: o.set("Volumes"),
		WorkingDir: o.text("WorkingDir"), Labels: o.labels("Labels"), StopSignal: o.text("StopSignal"),
	}
	if h := o.object("Healthcheck"); h.members != nil {
		p.Healthcheck = &Healthcheck{
			Test: h.texts("Test"), Interval: time.Duration(h.number("Interval")), Timeout: time.Duration(h.number("Timeout")),
			StartPeriod: time.Duration(h.number("StartPeriod")), Retries: int(h.number("Retries")),
		}
	}
	return p
}
