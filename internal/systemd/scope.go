// Package systemd asks the user's service manager for a control group that may
// be divided further (org.freedesktop.systemd1(5)).
package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	manager = "org.freedesktop.systemd1"
	object  = dbus.ObjectPath("/org/freedesktop/systemd1")
)

// patience is how long the service manager may take.
const patience = 5 * time.Second

// Scope moves a process of the caller's into a transient scope of its own, named
// unit, with delegation, which "systemctl --user status" shows under the description. The
// scope is gone with its last process. Where the unit that the process is in was
// delegated already, nothing happens.
func Scope(pid int, description, unit string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	bus, err := userBus(ctx)
	if err != nil {
		return fmt.Errorf("systemd cannot be reached: %w", err)
	}
	defer bus.Close()
	if delegated(ctx, bus, pid) {
		return nil
	}
	if err := start(ctx, bus, pid, description, unit); err != nil {
		return fmt.Errorf("systemd makes no scope: %w", err)
	}
	return nil
}

// Delegated reports whether the unit that a process of the caller's is in was
// left to it by systemd.
func Delegated(pid int) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	bus, err := userBus(ctx)
	if err != nil {
		return false, err
	}
	defer bus.Close()
	return delegated(ctx, bus, pid), nil
}

// userBus connects to the user's bus, for root to the system's. Without
// DBUS_SESSION_BUS_ADDRESS it is where systemd puts it.
func userBus(ctx context.Context) (*dbus.Conn, error) {
	if os.Getuid() == 0 {
		return dbus.Connect("unix:path=/run/dbus/system_bus_socket", dbus.WithContext(ctx))
	}
	address := os.Getenv("DBUS_SESSION_BUS_ADDRESS")
	if address == "" {
		// XDG_RUNTIME_DIR may have been changed; systemd-logind's directory stays.
		dir := fmt.Sprintf("/run/user/%d", os.Getuid())
		if own := os.Getenv("XDG_RUNTIME_DIR"); own != "" && exists(own+"/bus") {
			dir = own
		}
		if !exists(dir + "/bus") {
			return nil, errors.New("there is no user bus at " + dir + "/bus: is this a login session?")
		}
		address = "unix:path=" + dir + "/bus"
	}
	return dbus.Connect(address, dbus.WithContext(ctx))
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// delegated reports whether the unit of a process was started with Delegate=yes.
func delegated(ctx context.Context, bus *dbus.Conn, pid int) bool {
	var unit dbus.ObjectPath
	if bus.Object(manager, object).CallWithContext(ctx, manager+".Manager.GetUnitByPID", 0, uint32(pid)).Store(&unit) != nil {
		return false
	}
	for _, kind := range []string{"Service", "Scope"} {
		var yes dbus.Variant
		err := bus.Object(manager, unit).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, manager+"."+kind, "Delegate").Store(&yes)
		if err == nil {
			is, _ := yes.Value().(bool)
			return is
		}
	}
	return false
}

type property struct {
	Name  string
	Value dbus.Variant
}

// start makes the scope and waits until the process is in it.
func start(ctx context.Context, bus *dbus.Conn, pid int, description, unit string) error {
	if err := bus.AddMatchSignal(dbus.WithMatchInterface(manager+".Manager"), dbus.WithMatchMember("JobRemoved")); err != nil {
		return err
	}
	removed := make(chan *dbus.Signal, 32)
	bus.Signal(removed)
	properties := []property{
		{"Description", dbus.MakeVariant(description)},
		{"PIDs", dbus.MakeVariant([]uint32{uint32(pid)})},
		{"Delegate", dbus.MakeVariant(true)},
		{"CollectMode", dbus.MakeVariant("inactive-or-failed")},
	}
	var job dbus.ObjectPath
	call := bus.Object(manager, object).CallWithContext(ctx, manager+".Manager.StartTransientUnit", 0, unit, "fail", properties, []struct {
		Name       string
		Properties []property
	}{})
	if err := call.Store(&job); err != nil {
		return err
	}
	for {
		select {
		case s := <-removed:
			if s == nil {
				return errors.New("the bus closed the connection")
			}
			if len(s.Body) < 4 || s.Body[1] != job {
				continue
			}
			if result, _ := s.Body[3].(string); result != "done" {
				return fmt.Errorf("the job ended as %q", result)
			}
			return nil
		case <-ctx.Done():
			return errors.New("it does not answer")
		}
	}
}
