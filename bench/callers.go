package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// callers are command lines of programs that call bwrap, as Debian 12 has them:
// noted when scripts/callers ran them, and without what only they have, such as
// descriptors and sockets. HOME is a home directory, which is at /home/me inside, and
// DIR the directory of the measurement.
var callers = []struct{ name, line string }{
	{"WebKitGTK", `--unshare-uts --ro-bind /etc /etc --dev /dev --proc /proc --tmpfs /tmp --unsetenv TMPDIR --dir /home/me/.cache --setenv XDG_RUNTIME_DIR /home/me/.cache
		--symlink ../run /var/run --symlink ../tmp /var/tmp --ro-bind /sys/block /sys/block --ro-bind /sys/bus /sys/bus --ro-bind /sys/class /sys/class --ro-bind /sys/dev /sys/dev
		--ro-bind /sys/devices /sys/devices --ro-bind-try /usr/share /usr/share --ro-bind-try /usr/local/share /usr/local/share --ro-bind-try /usr/share /usr/share
		--ro-bind-try /lib /lib --ro-bind-try /usr/lib /usr/lib --ro-bind-try /usr/local/lib /usr/local/lib --ro-bind-try /usr/lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu
		--ro-bind-try /lib64 /lib64 --ro-bind-try /usr/lib64 /usr/lib64 --ro-bind-try /usr/local/lib64 /usr/local/lib64
		--ro-bind-try /usr/lib/x86_64-linux-gnu/webkit2gtk-4.1 /usr/lib/x86_64-linux-gnu/webkit2gtk-4.1 --unshare-pid
		--ro-bind-try /usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/injected-bundle/ /usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/injected-bundle/ --unshare-net
		--ro-bind-try /run/systemd/journal/socket /run/systemd/journal/socket --ro-bind-try /run/systemd/journal/stdout /run/systemd/journal/stdout
		--bind-try /tmp/.X11-unix/X99 /tmp/.X11-unix/X99 --ro-bind-try /tmp/xauthority /tmp/xauthority
		--bind-try HOME/.local/share/webkit/mediakeys/v1 /home/me/.local/share/webkit/mediakeys/v1 --bind-try HOME/.cache/pulse /home/me/.cache/pulse
		--ro-bind-try HOME/.config/pulse /home/me/.config/pulse --ro-bind-try HOME/.pulse /home/me/.pulse --ro-bind-try HOME/.asoundrc /home/me/.asoundrc --bind-try /run/pulse /run/pulse
		--dev-bind-try /dev/snd /dev/snd --bind-try /tmp/sndio /tmp/sndio --bind-try HOME/.sndio /home/me/.sndio --ro-bind-try HOME/.config/fontconfig /home/me/.config/fontconfig
		--ro-bind-try HOME/.fontconfig /home/me/.fontconfig --bind-try HOME/.cache/fontconfig /home/me/.cache/fontconfig --ro-bind-try HOME/.fonts.conf /home/me/.fonts.conf
		--ro-bind-try HOME/.config/.fonts.conf.d /home/me/.config/.fonts.conf.d --ro-bind-try HOME/.local/share/fonts /home/me/.local/share/fonts --ro-bind-try HOME/.fonts /home/me/.fonts
		--ro-bind-try /usr/local/share/fonts /usr/local/share/fonts --ro-bind-try /usr/share/fonts /usr/share/fonts --ro-bind-try /var/cache/fontconfig /var/cache/fontconfig
		--bind-try HOME/.cache /home/me/.cache --ro-bind-try /lib64/../libexec/gstreamer-1.0/gst-plugin-scanner /lib64/../libexec/gstreamer-1.0/gst-plugin-scanner
		--ro-bind-try /lib64/../libexec/gstreamer-1.0/gst-ptp-helper /lib64/../libexec/gstreamer-1.0/gst-ptp-helper
		--ro-bind-try /usr/libexec/gstreamer-1.0/gst-plugin-scanner /usr/libexec/gstreamer-1.0/gst-plugin-scanner
		--ro-bind-try /usr/libexec/gstreamer-1.0/gst-ptp-helper /usr/libexec/gstreamer-1.0/gst-ptp-helper
		--dev-bind-try /dev/dri /dev/dri --dev-bind-try /dev/mali /dev/mali --dev-bind-try /dev/mali0 /dev/mali0 --dev-bind-try /dev/umplock /dev/umplock
		--dev-bind-try /dev/nvidiactl /dev/nvidiactl --dev-bind-try /dev/nvidia0 /dev/nvidia0 --dev-bind-try /dev/nvidia /dev/nvidia --dev-bind-try /dev/kgsl-3d0 /dev/kgsl-3d0
		--dev-bind-try /dev/ion /dev/ion --ro-bind-try HOME/.config/gtk-3.0 /home/me/.config/gtk-3.0 --ro-bind-try HOME/.local/share/themes /home/me/.local/share/themes
		--ro-bind-try HOME/.themes /home/me/.themes --ro-bind-try HOME/.icons /home/me/.icons --ro-bind DIR DIR`},
	{"mat2", `--ro-bind /usr /usr --ro-bind /lib /lib --ro-bind /lib64 /lib64 --ro-bind /bin /bin --ro-bind /sbin /sbin --ro-bind /etc/alternatives /etc/alternatives
		--ro-bind DIR DIR --ro-bind-try /etc/ld.so.cache /etc/ld.so.cache --dev /dev --proc /proc --chdir DIR --unshare-user-try --unshare-ipc --unshare-pid --unshare-net --unshare-uts
		--unshare-cgroup-try --new-session --cap-drop all --ro-bind DIR/quit DIR/quit`},
	{"GNOME's thumbnailer", `--ro-bind /usr /usr --ro-bind-try /etc/ld.so.cache /etc/ld.so.cache --symlink /usr//bin /bin --symlink /usr//lib64 /lib64 --symlink /usr//lib /lib
		--symlink /usr//sbin /sbin --ro-bind-try /var/cache/fontconfig /var/cache/fontconfig --setenv GST_REGISTRY_1_0 /home/me/.cache/registry --bind HOME/.cache /home/me/.cache
		--ro-bind-try /etc/alternatives /etc/alternatives --proc /proc --dev /dev --chdir / --setenv GIO_USE_VFS local --unshare-all --die-with-parent
		--bind DIR DIR --ro-bind DIR/quit DIR/input`},
}

// startCallers compares Snug's program bwrap with bubblewrap's, for the command
// lines that programs give it.
func (b *bench) startCallers() error {
	home := filepath.Join(b.dir, "home")
	for _, dir := range []string{".cache/fontconfig", ".cache/pulse", ".config", ".local/share"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o755); err != nil {
			return err
		}
	}
	for _, c := range callers {
		words := strings.Fields(c.line)
		for i, word := range words {
			for name, dir := range map[string]string{"HOME": home, "DIR": b.dir} {
				if rest, ok := strings.CutPrefix(word, name); ok && (rest == "" || rest[0] == '/') {
					words[i] = dir + rest
				}
			}
		}
		ours, theirs, err := alternate(b.runs, calling(filepath.Join(b.dir, "bwrap"), words), calling(b.bwrap, words), b.quit)
		if err != nil {
			return fmt.Errorf("as %s calls it: %w", c.name, err)
		}
		b.addTimes("start, bwrap as "+c.name+" calls it", ours, theirs, 0.70)
	}
	return nil
}

func calling(bwrap string, options []string) contender {
	return func(stdin *os.File, program string) process {
		return external(stdin, bwrap, append(options[:len(options):len(options)], program)...)
	}
}
