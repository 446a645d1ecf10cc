# make demo    build, and run a real command in a sandbox
# make test    every check there is, after installing what the checks need
# make test-vm the tests of the engine in virtual machines: other kernels, systemd, cgroup v2
# make build   bin/snug, its helper programs, and bin/bwrap
# make install snug, its man page and completions below PREFIX; with BWRAP=1 bwrap, too
# make bench   compare with bubblewrap

PREFIX ?= /usr/local
DESTDIR ?=
GO ?= $(shell command -v go || echo /usr/local/go/bin/go)
# Version control often refuses to look at a tree of another owner.
VCS = $(shell git rev-parse --verify -q HEAD >/dev/null 2>&1 && echo auto || echo false)

# Programs that start light: scripts/light says how.
LIGHT = ./cmd/snug ./cmd/bwrap

all: build

# Everything is rebuilt that changed: the go command knows better than make.
build:
	mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=$(VCS) -ldflags=-s -o bin/ $(filter-out $(LIGHT),$(wildcard ./cmd/*))
	PATH="$(dir $(shell command -v $(GO))):$$PATH" VCS=$(VCS) scripts/light bin $(LIGHT)

demo:
	scripts/demo

test:
	scripts/test

test-vm:
	SNUG_TEST_VM=1 scripts/test-vm

test-user:
	scripts/test-user

bench:
	scripts/bench

install: build
	bin/snug man >bin/snug.1
	bin/snug completion bash >bin/snug.bash
	bin/snug completion zsh >bin/snug.zsh
	bin/snug completion fish >bin/snug.fish
	install -D -m 755 bin/snug "$(DESTDIR)$(PREFIX)/bin/snug"
	install -D -m 755 bin/snug-systemd "$(DESTDIR)$(PREFIX)/libexec/snug/snug-systemd"
	install -D -m 755 bin/snug-image "$(DESTDIR)$(PREFIX)/libexec/snug/snug-image"
	install -D -m 755 bin/snug-net "$(DESTDIR)$(PREFIX)/libexec/snug/snug-net"
	install -D -m 755 bin/snug-actions "$(DESTDIR)$(PREFIX)/libexec/snug/snug-actions"
	install -D -m 755 bin/snug-desktop "$(DESTDIR)$(PREFIX)/libexec/snug/snug-desktop"
	$(if $(BWRAP),install -D -m 755 bin/bwrap "$(DESTDIR)$(PREFIX)/bin/bwrap")
	install -D -m 644 bin/snug.1 "$(DESTDIR)$(PREFIX)/share/man/man1/snug.1"
	install -D -m 644 bin/snug.bash "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/snug"
	install -D -m 644 bin/snug.zsh "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_snug"
	install -D -m 644 bin/snug.fish "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/snug.fish"

clean:
	rm -rf bin

.PHONY: all build demo test test-vm test-user bench install clean
