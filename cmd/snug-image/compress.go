package main

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// decompress finds out by its first bytes how a stream is compressed, and
// undoes that. The second result is empty for one that is not.
func decompress(r io.Reader) (io.ReadCloser, string, error) {
	b := bufio.NewReaderSize(r, 256<<10)
	head, err := b.Peek(6)
	if err != nil && err != io.EOF {
		return nil, "", err
	}
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(b)
		return z, "gzip", err
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")), len(head) > 3 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte("\x2a\x4d\x18")):
		// The window is what a stream may ask for: not the memory of this machine.
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(32<<20))
		if err != nil {
			return nil, "", err
		}
		return z.IOReadCloser(), "zstd", nil
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		z, err := xz.ReaderConfig{DictCap: 1 << 20, SingleStream: false}.NewReader(b)
		return io.NopCloser(z), "xz", err
	case bytes.HasPrefix(head, []byte("BZh")):
		return io.NopCloser(bzip2.NewReader(b)), "bzip2", nil
	}
	return io.NopCloser(b), "", nil
}

// compressor compresses a layer for an image that goes out.
func compressor(w io.Writer, how string) (io.WriteCloser, string, error) {
	const kind = "application/vnd.oci.image.layer.v1.tar"
	switch how {
	case "none":
		return nopCloser{w}, kind, nil
	case "gzip":
		z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		return z, kind + "+gzip", err
	case "zstd":
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(4<<20))
		return z, kind + "+zstd", err
	}
	return nil, "", fmt.Errorf("%q is not a compression: one of none, gzip, zstd", how)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
