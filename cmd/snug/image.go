package main

import (
	"strings"

	"github.com/alecthomas/kong"
)

func imageNode() *kong.Node {
	n := node("image", "Get, show, change and remove images", imageDetail, nil)
	n.Flags = []*kong.Flag{helpOption()}
	n.Children = []*kong.Node{
		imagePullNode(), imageImportNode(), imageExportNode(), imageListNode(), imageInspectNode(), imageHistoryNode(),
		imageDiffNode(), imageCommitNode(), imageTagNode(), imageRemoveNode(), imagePruneNode(), imageVerifyNode(), imageConvertNode(),
	}
	for _, c := range n.Children {
		c.Parent = n
	}
	return n
}

const imageDetail = `
An image is a snapshot of a file system, and a command. Its layers are unpacked
once into $XDG_DATA_HOME/snug and stay as they are; "snug run --image" lays a
file system over them that takes what is written.

With a range of ids of your own (/etc/subuid, /etc/subgid) files belong to whom
the image says; without one they all are yours, and inside root's.

  snug image pull debian:12
  snug image import rootfs.tar.zst --tag mine
  snug run --image mine -- cat /etc/os-release
  snug run --image mine --keep work -- touch /srv/new
  snug image diff work
  snug image commit work mine:2
`

// imageVerb is a word below "image". The helper program does the work.
type imageVerb struct {
	word    string
	options []string // for the helper
	args    []string
	ids     string
	output  string
	quiet   bool
}

// imageWord returns the model of a word. Its options are passed on, but for
// those that are given whole.
func imageWord(v *imageVerb, help, detail string, do func(*imageVerb, streams) error, flags ...*kong.Flag) *kong.Node {
	n := node(v.word, help, detail, imageDo{v, do})
	n.Flags = append(flags, helpOption())
	return n
}

type imageDo struct {
	v    *imageVerb
	work func(*imageVerb, streams) error
}

func (d imageDo) do(std streams) error { return d.work(d.v, std) }

// pass returns an option that the helper has too.
func (v *imageVerb) pass(name, placeholder, help string) *kong.Flag {
	return option(name, placeholder, help, func(value string) error {
		v.options = append(v.options, "--"+name+"="+value)
		return nil
	})
}

// passMark returns an option without a value that the helper has too.
func (v *imageVerb) passMark(name, help string) *kong.Flag {
	return flag(name, help, boolMapper{func(on bool) {
		if on {
			long, _, _ := strings.Cut(name, "/")
			v.options = append(v.options, "--"+long)
		}
	}})
}

func (v *imageVerb) passSize(name, help string) *kong.Flag {
	return option(name, "BYTES", help, func(value string) error { return v.addSize(name, value) })
}

func (v *imageVerb) idsOption() *kong.Flag {
	return option("ids", "range|single", "Whose the files are: as the image says, by your range of ids (default where you have one); or all yours.", func(value string) error {
		v.ids = value
		return wordOf(value, "range", "single")
	})
}

func (v *imageVerb) words(name, help string, required bool) []*kong.Positional {
	return []*kong.Positional{arguments(name, help, required, wordsMapper{&v.args})}
}

// exactly are the arguments of a verb that takes that many: names and what they
// mean, in turn.
func (v *imageVerb) exactly(words ...string) (list []*kong.Positional) {
	for i := 0; i < len(words); i += 2 {
		word := argument(words[i], words[i+1], true, func(s string) error { v.args = append(v.args, s); return nil })
		word.Position = i / 2
		list = append(list, word)
	}
	return list
}

func (v *imageVerb) limits() []*kong.Flag {
	return []*kong.Flag{
		v.passSize("max-size", "Most that a layer may unpack to. Default 64GiB."),
		v.passNumber("max-files", "NUMBER", "Most entries that a layer may have. Default 4194304."),
		v.passMark("absolute-names", "Take names that begin with a slash as below the image's root, instead of refusing them."),
	}
}

func imagePullNode() *kong.Node {
	v := &imageVerb{word: "pull"}
	n := imageWord(v, "Get an image from a registry", `
Credentials are those of ~/.docker/config.json and of the helper programs that
it names. $SNUG_MIRRORS lists registries to ask first, "REGISTRY=MIRROR,...", or
"MIRROR" for all. A registry on this machine (localhost, 127.0.0.1) may speak
plain HTTP. A connection that breaks is taken up again, and a pull that was ended
goes on with the layers that it has not yet.

  snug image pull debian:12
  snug image pull localhost:5000/project/tool@sha256:...
`, (*imageVerb).fill, append(v.limits(), v.idsOption(),
		v.pass("platform", "OS/ARCH[/VARIANT]", "Of an image for several machines, this one. Default: for this machine."),
		v.pass("tag", "NAME", "Name in the store. Default: the one that it was asked for by."),
		v.quietOption())...)
	n.Positional = v.exactly("REF", "[REGISTRY/]NAME[:TAG][@DIGEST]")
	return n
}

func (v *imageVerb) quietOption() *kong.Flag {
	return mark("quiet/q", "Tell nothing but errors and the result.", &v.quiet)
}

func imageImportNode() *kong.Node {
	v := &imageVerb{word: "import"}
	n := imageWord(v, "Add an image from a file, a directory or standard input", `
What it is tells its content: an archive of "docker save", an OCI layout (a
directory or a tar), a tar of a root file system, or a directory that is one.
Compression (gzip, zstd, xz, bzip2) is undone.

  snug image import rootfs.tar.gz --tag mine:1
  snug image import ./debian-tree
  docker save tool | snug image import -
`, (*imageVerb).fill, append(v.limits(), v.idsOption(),
		v.pass("tag", "NAME", "Name in the store. Default: the archive's own, or the file's."),
		v.pass("format", "oci|docker|rootfs", "What it is, where its content misleads."),
		v.pass("platform", "OS/ARCH[/VARIANT]", "Of an image for several machines, this one. Default: for this machine."),
		v.quietOption())...)
	n.Positional = v.exactly("FILE", "A file or directory, or - for standard input.")
	return n
}

func imageExportNode() *kong.Node {
	v := &imageVerb{word: "export"}
	n := imageWord(v, "Write an image to a file or a directory", `
The layers are those that came in, to the byte; compressed anew. As "tar" it is
the root file system in one piece, without the image's settings.

  snug image export mine --output mine.tar
  snug image export mine --output ./layout/
  snug image export mine --format tar | tar -t
`, (*imageVerb).export,
		option("output/o", "FILE", "Where it goes: a file; with a slash at the end, or when it is one, a directory. Default: standard output.", func(value string) error {
			v.output = value
			return nil
		}),
		option("format", "oci|tar", "An OCI layout (default), or the files.", func(value string) error {
			v.options = append(v.options, "--format="+map[string]string{"tar": "rootfs"}[value])
			return wordOf(value, "oci", "tar")
		}),
		v.pass("compress", "gzip|zstd|none", "How layers are compressed. Default gzip."))
	n.Positional = v.exactly("REF", "An image of the store.")
	return n
}

func imageListNode() *kong.Node {
	v := &imageVerb{word: "list"}
	n := imageWord(v, "List images", `
SIZE is that of the layers as they came.
`, (*imageVerb).look,
		v.passMark("kept", "What sandboxes keep on top of images, instead."),
		v.passMark("quiet/q", "Names only."),
		v.passMark("json", "As JSON."))
	n.Aliases = []string{"ls"}
	return n
}

func imageInspectNode() *kong.Node {
	v := &imageVerb{word: "inspect"}
	n := imageWord(v, "Show an image's settings and layers as JSON", "", (*imageVerb).look)
	n.Positional = v.exactly("REF", "An image of the store.")
	return n
}

func imageHistoryNode() *kong.Node {
	v := &imageVerb{word: "history"}
	n := imageWord(v, "Show how an image was made", "", (*imageVerb).look, v.passMark("json", "As JSON."))
	n.Positional = v.exactly("REF", "An image of the store.")
	return n
}

func imageDiffNode() *kong.Node {
	v := &imageVerb{word: "diff"}
	n := imageWord(v, "List what a kept snapshot changed", `
A line for each path: A added, C changed, D deleted. NAME is that of "snug run
--keep".
`, (*imageVerb).diff)
	n.Positional = v.exactly("NAME", "The name of a kept snapshot.")
	return n
}

func imageCommitNode() *kong.Node {
	v := &imageVerb{word: "commit"}
	n := imageWord(v, "Make an image of a kept snapshot", `
What was written becomes a layer on top of the image that it was written on.

  snug run --image debian:12 --keep work -- touch /srv/new
  snug image commit work mine:1
`, (*imageVerb).work, v.pass("message", "TEXT", "Comment in the history."))
	n.Positional = v.exactly("NAME", "The name of a kept snapshot.", "REF", "The name of the new image.")
	return n
}

func imageTagNode() *kong.Node {
	v := &imageVerb{word: "tag"}
	n := imageWord(v, "Give an image another name", "", (*imageVerb).look)
	n.Positional = v.exactly("REF", "An image of the store.", "NAME", "Its further name.")
	return n
}

func imageRemoveNode() *kong.Node {
	v := &imageVerb{word: "remove"}
	n := imageWord(v, "Remove images, or kept snapshots", `
The name goes at once. Layers go when no image is left of them, and nothing that
a sandbox uses goes before its end.
`, (*imageVerb).work, v.passMark("kept", "Remove what is kept under these names, instead."))
	n.Positional = v.words("REF", "Names, or digests, of images.", true)
	n.Aliases = []string{"rm"}
	return n
}

func imagePruneNode() *kong.Node {
	v := &imageVerb{word: "prune"}
	return imageWord(v, "Remove what is not needed", `
Without options that is what has no name. Nothing goes that a sandbox uses, or
that something kept was written on.

  snug image prune --older-than 30d --dry-run
  snug image prune --keep-size 10GiB
`, (*imageVerb).work,
		option("older-than", "TIME", "Images, too, that were not used for this time: 720h, or 30d.", v.addAge),
		v.passSize("keep-size", "The least recently used images, too, until the rest is no larger."),
		v.passMark("dry-run", "Only say which images would go."))
}

func imageVerifyNode() *kong.Node {
	v := &imageVerb{word: "verify"}
	n := imageWord(v, "Compare all files of the store with their digests", `
The exit code is 1 when something is damaged.
`, (*imageVerb).work, v.passMark("quiet", "Tell of damage only."))
	n.Positional = v.words("[REF...]", "Images of the store. Default: all.", false)
	return n
}

func imageConvertNode() *kong.Node {
	v := &imageVerb{word: "convert"}
	n := imageWord(v, "Unpack an image of the store for other ids as well", "", (*imageVerb).fill, v.idsOption())
	n.Positional = v.exactly("REF", "An image of the store.")
	return n
}
