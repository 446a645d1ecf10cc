package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What a terminal is told (console_codes(4), xterm's alternate screen).
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	homeScreen  = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// watchScreen draws the table in place until q, Ctrl-C or a signal, and leaves
// the terminal as it was.
func watchScreen(m *meter, std streams) error {
	keys := make(chan byte)
	restore := readKeys(std.in, keys)
	io.WriteString(std.out, enterScreen)
	defer func() {
		io.WriteString(std.out, leaveScreen)
		restore()
	}()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGWINCH, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	list, err := m.look()
	for err == nil {
		if err = draw(std.out, list, m.history); err != nil {
			return err
		}
		select {
		case <-tick.C:
			list, err = m.look()
		case s := <-signals:
			if s != syscall.SIGWINCH {
				return nil
			}
		case key := <-keys:
			if key == 'q' || key == 'Q' || key == 3 {
				return nil
			}
		}
	}
	return err
}

// draw writes the table over the last one, as much as there is room for.
func draw(out io.Writer, list []statistics, past map[string]*history) error {
	width, height := 80, 24
	if f, ok := out.(*os.File); ok {
		width, height = screen(f)
	}
	lines := strings.Split(strings.TrimSuffix(layout(statsTable(list, past, graphMarks()), width), "\n"), "\n")
	if len(list) == 0 {
		lines = append(lines, "no sandbox runs")
	}
	if most := max(1, height-1); len(lines) > most {
		lines = lines[:most]
	}
	var b strings.Builder
	b.WriteString(homeScreen)
	for _, line := range lines {
		fmt.Fprintf(&b, "%s%s\r\n", line, clearLine)
	}
	b.WriteString(clearBelow + cut("q quits", width))
	_, err := io.WriteString(out, b.String())
	return err
}

// readKeys has single keys sent to a channel, unseen on the terminal, and
// returns what ends that. Where input is no terminal there are none.
func readKeys(in *os.File, keys chan<- byte) (restore func()) {
	fd := int(in.Fd())
	saved, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return func() {}
	}
	plain := *saved
	plain.Lflag &^= unix.ICANON | unix.ECHO | unix.ISIG
	plain.Cc[unix.VMIN], plain.Cc[unix.VTIME] = 1, 0
	if unix.IoctlSetTermios(fd, unix.TCSETSW, &plain) != nil {
		return func() {}
	}
	go func() {
		var key [1]byte
		for {
			if n, err := in.Read(key[:]); err != nil || n == 0 {
				return
			}
			keys <- key[0]
		}
	}()
	return func() { unix.IoctlSetTermios(fd, unix.TCSETSW, saved) }
}

// writeLine writes JSON on one line.
func writeLine(out io.Writer, value any) error { return json.NewEncoder(out).Encode(value) }
