package images

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/snug-sandbox/snug/internal/problem"
)

// defaultTag is what a name without a tag means.
const defaultTag = "latest"

// Normal returns a name with its tag: "debian" is "debian:latest".
func Normal(ref string) (string, error) {
	bad := func(why string) (string, error) {
		return "", &problem.Problem{What: fmt.Sprintf("image %q", ref), Why: why, Fix: "a name such as debian, project/tool:1.2 or localhost:5000/debian:12"}
	}
	if scheme, _, ok := strings.Cut(ref, "://"); ok {
		return bad("the name of an image has no " + scheme + ":// in front")
	}
	name, digest, pinned := strings.Cut(ref, "@")
	if pinned {
		if _, err := digestHex(digest); err != nil {
			return bad(err.Error())
		}
	}
	repository, tag := name, ""
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		repository, tag = name[:i], name[i+1:]
		if tag == "" || len(tag) > 128 || !all(tag, tagByte) || strings.ContainsRune(".-", rune(tag[0])) {
			return bad(fmt.Sprintf("%q is not a tag", tag))
		}
	}
	if len(url.PathEscape(ref)) > 200 {
		return bad("the name is too long")
	}
	parts := strings.Split(repository, "/")
	for i, part := range parts {
		ok := part != "" && all(part, repositoryByte) && !strings.ContainsRune(".-_", rune(part[0]))
		if i == 0 && len(parts) > 1 && strings.ContainsAny(part, ":.") { // a registry, with its port
			ok = part[0] != '.' && all(part, registryByte)
		}
		if !ok {
			return bad(fmt.Sprintf("%q cannot be a part of a name", part))
		}
	}
	if tag == "" && !pinned {
		return ref + ":" + defaultTag, nil
	}
	return ref, nil
}

func all(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func repositoryByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_'
}

func registryByte(c byte) bool {
	return repositoryByte(c) || 'A' <= c && c <= 'Z' || c == ':' || c == '[' || c == ']'
}

func tagByte(c byte) bool { return repositoryByte(c) || 'A' <= c && c <= 'Z' }

// refPath is the file of a name. Escaped it has no slash and no dot at its
// beginning.
func (s *Store) refPath(ref string) string { return s.path("refs", url.PathEscape(ref)) }

// Ref is a name and what it stands for.
type Ref struct {
	Name   string `json:"name"`
	Digest string `json:"digest"` // of the manifest
}

// Refs lists the names, sorted.
func (s *Store) Refs() ([]Ref, error) {
	entries, err := os.ReadDir(s.path("refs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []Ref
	for _, e := range entries {
		name, bad := url.PathUnescape(e.Name())
		if bad != nil || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if digest, err := s.readRef(name); err == nil {
			list = append(list, Ref{name, digest})
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list, err
}

func (s *Store) readRef(ref string) (string, error) {
	text, err := read(s.refPath(ref))
	if err != nil {
		return "", err
	}
	digest := strings.TrimSpace(string(text))
	_, err = digestHex(digest)
	return digest, err
}

// Find returns the digest of the manifest that ref stands for: a name, with or
// without its registry, a digest, or the first 6 or more digits of one.
func (s *Store) Find(ref string) (string, error) {
	missing := &problem.Problem{What: "image " + ref, Why: "is not in the store", Fix: "snug image pull " + ref + ", or snug image import FILE --tag " + ref, Err: fs.ErrNotExist}
	if name, err := Normal(ref); err == nil {
		if digest, err := s.readRef(name); err == nil {
			return digest, nil
		}
		if digest, err := s.findShort(name); digest != "" || err != nil {
			return digest, err
		}
		if other := s.otherTag(name); other != "" {
			missing.Why += " with the tag " + name[strings.LastIndexByte(name, ':')+1:]
			missing.Fix = other + ", which is there; or " + missing.Fix
		}
	} else if _, digest, _ := strings.Cut(ref, "@"); digest == "" && !strings.HasPrefix(ref, "sha256:") {
		return "", err
	}
	digits := strings.TrimPrefix(ref, "sha256:")
	if _, digest, ok := strings.Cut(ref, "@sha256:"); ok {
		digits = digest
	}
	if len(digits) < 6 || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", missing
	}
	return s.findDigits(ref, digits, missing)
}

// otherTag returns a name that differs from one in its tag alone.
func (s *Store) otherTag(name string) string {
	repository := name[:strings.LastIndexByte(name, ':')+1]
	refs, _ := s.Refs()
	for _, r := range refs {
		if repository != "" && strings.HasPrefix(r.Name, repository) && !strings.Contains(name, "@") {
			return r.Name
		}
	}
	return ""
}

// findShort looks for a name that is this one on some registry. Archives of
// images have names in full, which nobody types.
func (s *Store) findShort(name string) (string, error) {
	refs, err := s.Refs()
	if err != nil {
		return "", err
	}
	digest := ""
	for _, r := range refs {
		registry, rest, ok := strings.Cut(r.Name, "/")
		if !ok || !strings.ContainsAny(registry, ".:") || rest != name && rest != "library/"+name {
			continue
		}
		if digest != "" && digest != r.Digest {
			return "", &problem.Problem{What: "image " + name, Why: "several registries have one of this name", Fix: "name the registry as well: " + r.Name}
		}
		digest = r.Digest
	}
	return digest, nil
}

// findDigits looks through the manifests that have names: a blob may also be a
// configuration.
func (s *Store) findDigits(ref, digits string, missing error) (string, error) {
	refs, err := s.Refs()
	if err != nil {
		return "", err
	}
	found := map[string]bool{}
	for _, r := range refs {
		if strings.HasPrefix(r.Digest, "sha256:"+digits) {
			found[r.Digest] = true
		}
	}
	switch len(found) {
	case 0:
		return "", missing
	case 1:
		for digest := range found {
			return digest, nil
		}
	}
	return "", &problem.Problem{What: "image " + ref, Why: fmt.Sprintf("%d images have digests that begin so", len(found)), Fix: "give more digits"}
}

// SetRef makes a name stand for an image that is there.
func (s *Store) SetRef(ref, digest string) error {
	lock, err := s.lock(shared)
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := os.Lstat(s.blobPath(digest)); err != nil {
		return &problem.Problem{What: "image " + digest, Why: "is not in the store", Err: err}
	}
	return s.setRef(ref, digest)
}

func (s *Store) setRef(ref, digest string) error {
	return writeFile(s.path("tmp"), s.refPath(ref), []byte(digest+"\n"))
}

// RemoveRef makes a name stand for nothing.
func (s *Store) RemoveRef(ref string) error {
	lock, err := s.lock(shared)
	if err != nil {
		return err
	}
	defer lock.Close()
	err = os.Remove(s.refPath(ref))
	if errors.Is(err, fs.ErrNotExist) {
		return &problem.Problem{What: "image " + ref, Why: "there is no such name", Fix: "snug image list shows them", Err: err}
	}
	return err
}

// writeFile makes a file with all of its content, or not at all.
func writeFile(tmp, name string, content []byte) error {
	if err := replaceFile(tmp, name, content, (*os.File).Sync); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// replaceFile puts a file in place at once, once it was written and settled.
func replaceFile(tmp, name string, content []byte, settle func(*os.File) error) error {
	f, err := os.CreateTemp(tmp, "file-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	err = errors.Join(err, settle(f), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// syncDir has the names in a directory survive a loss of power (fsync(2)).
func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
