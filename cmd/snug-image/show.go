package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/snug-sandbox/snug/images"
	"github.com/snug-sandbox/snug/internal/problem"
	"github.com/snug-sandbox/snug/internal/units"
)

// Options of prune, commit and copy.
var (
	olderThan time.Duration
	keepSize  int64
	commitCmd string
	message   string
	dryRun    bool
	keepName  string
	into      string
)

func (t *tool) addMore(set *flag.FlagSet) {
	set.DurationVar(&olderThan, "older-than", 0, "")
	set.Int64Var(&keepSize, "keep-size", 0, "")
	set.StringVar(&commitCmd, "cmd", "", "")
	set.StringVar(&keepName, "keep", "", "")
	set.StringVar(&into, "into", "", "")
	set.BoolVar(&dryRun, "dry-run", false, "")
	set.StringVar(&message, "message", "", "")
}

// row is an image in the list.
type row struct {
	Name    string     `json:"name"`
	Digest  string     `json:"digest"`
	Created *time.Time `json:"created,omitempty"`
	Used    time.Time  `json:"used"`
	Size    int64      `json:"size"` // of the layers, as they came
	Layers  int        `json:"layers"`
	IDs     []string   `json:"ids"`
}

func (t *tool) rows() ([]row, error) {
	refs, err := t.store.Refs()
	if err != nil {
		return nil, err
	}
	list := []row{}
	for _, r := range refs {
		used := t.store.Used(r.Digest) // before it is used here
		image, err := t.store.Look(r.Digest)
		if err != nil {
			t.note(r.Name + ": " + err.Error())
			continue
		}
		list = append(list, row{r.Name, r.Digest, image.Config.Created, used, image.Size(), len(image.Config.RootFS.DiffIDs), idsOf(image)})
	}
	return list, nil
}

func idsOf(i *images.Image) []string {
	list := []string{}
	for _, ids := range []images.IDs{images.Range, images.Single} {
		if i.Has(ids) {
			list = append(list, string(ids))
		}
	}
	return list
}

func (t *tool) list(args []string) error {
	if t.all {
		return t.listKept()
	}
	rows, err := t.rows()
	if err != nil {
		return err
	}
	if t.json {
		return writeJSON(t.out, rows)
	}
	if t.quiet {
		for _, r := range rows {
			fmt.Fprintln(t.out, problem.Printable(r.Name))
		}
		return nil
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tDIGEST\tCREATED\tSIZE\tLAYERS\tIDS")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%v\t%d\t%s\n", problem.Printable(r.Name), short(r.Digest), date(r.Created), rounded(r.Size), r.Layers, strings.Join(r.IDs, ","))
	}
	return w.Flush()
}

func date(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// rounded is a size for people.
func rounded(n int64) units.Bytes {
	for unit := int64(1) << 40; unit >= 1<<10; unit >>= 10 {
		if n >= 10*unit {
			return units.Bytes(n / unit * unit)
		}
	}
	return units.Bytes(n)
}

func (t *tool) listKept() error {
	kept, err := t.store.Kept()
	if err != nil {
		return err
	}
	if t.json {
		if kept == nil {
			kept = []*images.Kept{}
		}
		return writeJSON(t.out, kept)
	}
	if t.quiet {
		for _, k := range kept {
			fmt.Fprintln(t.out, k.Name)
		}
		return nil
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tIMAGE\tDIGEST\tIDS")
	for _, k := range kept {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.Name, problem.Printable(k.Ref), short(k.Base), k.IDs)
	}
	return w.Flush()
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func (t *tool) one(args []string) (*images.Image, error) {
	if len(args) != 1 {
		return nil, errors.New("one image is wanted")
	}
	return t.store.Use(args[0])
}

// inspect prints an image's manifest digest, names and configuration as JSON.
func (t *tool) inspect(args []string) error {
	image, err := t.one(args)
	if err != nil {
		return err
	}
	defer image.Close()
	refs, err := t.store.Refs()
	if err != nil {
		return err
	}
	names := []string{}
	for _, r := range refs {
		if r.Digest == image.Digest {
			names = append(names, r.Name)
		}
	}
	return writeJSON(t.out, struct {
		Digest   string          `json:"digest"`
		Names    []string        `json:"names"`
		IDs      []string        `json:"ids"`
		Size     int64           `json:"size"`
		Manifest images.Manifest `json:"manifest"`
		Config   images.Config   `json:"config"`
	}{image.Digest, names, idsOf(image), image.Size(), image.Manifest, image.Config})
}

func (t *tool) history(args []string) error {
	image, err := t.one(args)
	if err != nil {
		return err
	}
	defer image.Close()
	if t.json {
		return writeJSON(t.out, image.Config.History)
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CREATED\tLAYER\tSIZE\tCREATED BY\tCOMMENT")
	layer := 0
	for _, h := range image.Config.History {
		digest, size := "-", "-"
		if !h.EmptyLayer && layer < len(image.Config.RootFS.DiffIDs) {
			digest, size = short(image.Config.RootFS.DiffIDs[layer]), rounded(image.Manifest.Layers[layer].Size).String()
			layer++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", date(h.Created), digest, size, oneLine(h.CreatedBy), oneLine(h.Comment))
	}
	return w.Flush()
}

func oneLine(s string) string { return problem.Printable(strings.Join(strings.Fields(s), " ")) }

// remove takes names away, and everything that nothing needs any more. A name of
// a kept snapshot is taken with --kept.
func (t *tool) remove(args []string) error {
	if len(args) == 0 {
		return errors.New("remove takes names")
	}
	var failed error
	for _, name := range args {
		if t.all {
			failed = errors.Join(failed, t.store.Forget(name))
			continue
		}
		failed = errors.Join(failed, t.removeOne(name))
	}
	_, err := t.store.Collect()
	return errors.Join(failed, err)
}

// removeOne takes a name away; of a digest, all its names.
func (t *tool) removeOne(name string) error {
	refs, err := t.store.Refs()
	if err != nil {
		return err
	}
	digest, err := t.store.Find(name)
	if err != nil {
		return err
	}
	normal, _ := images.Normal(name)
	var exact, short, all []string
	for _, r := range refs {
		switch {
		case r.Digest != digest:
		case r.Name == normal:
			exact = append(exact, r.Name)
		case strings.HasSuffix(r.Name, "/"+normal):
			short = append(short, r.Name)
		default:
			all = append(all, r.Name)
		}
	}
	names := exact
	if len(names) == 0 {
		names = short
	}
	if len(names) == 0 {
		names = all
	}
	for _, n := range names {
		if err := t.store.RemoveRef(n); err != nil {
			return err
		}
		fmt.Fprintln(t.out, "removed", n)
	}
	return nil
}

func (t *tool) setTag(args []string) error {
	if len(args) != 2 {
		return errors.New("tag takes an image and a new name")
	}
	name, err := images.Normal(args[1])
	if err != nil {
		return err
	}
	image, err := t.store.Use(args[0])
	if err != nil {
		return err
	}
	defer image.Close()
	return t.store.SetRef(name, image.Digest)
}

// prune takes away names that were not used for a while, or the least recently
// used ones until the rest is small enough; then what nothing needs.
func (t *tool) prune(args []string) error {
	rows, err := t.rows()
	if err != nil {
		return err
	}
	sort.Slice(rows, func(i, j int) bool { return rows[i].Used.After(rows[j].Used) })
	bases, err := t.bases()
	if err != nil {
		return err
	}
	var total int64
	counted := map[string]bool{}
	for _, r := range rows {
		if !counted[r.Digest] {
			total += r.Size
			counted[r.Digest] = true
		}
		old := olderThan > 0 && time.Since(r.Used) > olderThan
		if !old && (keepSize <= 0 || total <= keepSize) || bases[r.Digest] || t.store.InUse(r.Digest) {
			continue
		}
		if dryRun {
			fmt.Fprintln(t.out, "would remove", r.Name)
			continue
		}
		if err := t.store.RemoveRef(r.Name); err != nil {
			return err
		}
		fmt.Fprintln(t.out, "removed", r.Name)
	}
	if dryRun {
		unnamed, err := t.store.Unnamed()
		for _, digest := range unnamed {
			fmt.Fprintln(t.out, "would remove", digest)
		}
		return err
	}
	freed, err := t.store.Collect()
	fmt.Fprintf(t.out, "removed %d images and %d layers\n", freed.Images, freed.Layers)
	return err
}

// bases are the images that something kept was written on.
func (t *tool) bases() (map[string]bool, error) {
	kept, err := t.store.Kept()
	set := map[string]bool{}
	for _, k := range kept {
		set[k.Base] = true
	}
	return set, err
}
