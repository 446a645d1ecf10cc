package xauthority

import (
	"bytes"
	"reflect"
	"testing"
)

var whole = []Entry{
	{Local, "me", "0", CookieName, "0123456789abcdef"},
	{Local, "me", "1", CookieName, "fedcba9876543210"},
	{Local, "elsewhere", "0", CookieName, "stranger"},
	{0, "\x7f\x00\x00\x01", "0", CookieName, "by TCP"},
	{Wild, "", "0", "XDM-AUTHORIZATION-1", "x"},
	{Local, "me", "", CookieName, "any display"},
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	got, err := Parse(Format(whole))
	if err != nil || !reflect.DeepEqual(got, whole) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestOnlyTheKeysOfOneDisplayOfThisMachineAreTaken(t *testing.T) {
	var secrets []string
	for _, e := range For(whole, "me", "0") {
		if e.Family != Wild || e.Number != "0" || e.Address != "" {
			t.Errorf("%+v is not for any host", e)
		}
		secrets = append(secrets, e.Secret)
	}
	if want := []string{"0123456789abcdef", "x", "any display"}; !reflect.DeepEqual(secrets, want) {
		t.Errorf("got %q, want %q", secrets, want)
	}
}

func TestAFileThatEndsEarlyGivesWhatItHas(t *testing.T) {
	data := Format(whole)
	for n := range len(data) {
		list, err := Parse(data[:n])
		if err == nil && !bytes.Equal(Format(list), data[:n]) {
			t.Fatalf("%d bytes are read as %+v", n, list)
		}
	}
}

func TestNewKeysDiffer(t *testing.T) {
	if a, b := New("0"), New("0"); a.Secret == b.Secret || len(a.Secret) != 16 {
		t.Error("the same key twice")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Format(whole))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := Parse(data)
		if err == nil && !bytes.Equal(Format(list), data) {
			t.Errorf("%q is written as %q", data, Format(list))
		}
	})
}
