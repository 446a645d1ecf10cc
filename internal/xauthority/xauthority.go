// Package xauthority reads and writes the files that hold the keys to X servers
// (Xsecurity(7), XauFileName(3)).
package xauthority

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
)

// Families of an Entry.
const (
	Local = 256    // the address is a host's name
	Wild  = 0xffff // any host
)

// CookieName is the only way to ask for access that is used here.
const CookieName = "MIT-MAGIC-COOKIE-1"

// Entry is one key.
type Entry struct {
	Family                        uint16
	Address, Number, Name, Secret string
}

var errShort = errors.New("the file of X cookies ends in the middle of an entry")

// Parse reads a whole file. What was read before an error is returned with it.
func Parse(data []byte) ([]Entry, error) {
	var list []Entry
	for len(data) > 0 {
		if len(data) < 2 {
			return list, errShort
		}
		e := Entry{Family: binary.BigEndian.Uint16(data)}
		data = data[2:]
		for _, field := range []*string{&e.Address, &e.Number, &e.Name, &e.Secret} {
			if len(data) < 2 {
				return list, errShort
			}
			n := int(binary.BigEndian.Uint16(data))
			if data = data[2:]; len(data) < n {
				return list, errShort
			}
			*field, data = string(data[:n]), data[n:]
		}
		list = append(list, e)
	}
	return list, nil
}

// Format writes a whole file.
func Format(list []Entry) []byte {
	var data []byte
	for _, e := range list {
		data = binary.BigEndian.AppendUint16(data, e.Family)
		for _, field := range []string{e.Address, e.Number, e.Name, e.Secret} {
			data = binary.BigEndian.AppendUint16(data, uint16(len(field)))
			data = append(data, field...)
		}
	}
	return data
}

// For returns the keys of the display number on this machine, whose name is
// host, and no others: a user's file has those of machines that he was logged in
// to. They are for any host's name, because a sandbox has its own.
func For(list []Entry, host, number string) []Entry {
	var mine []Entry
	for _, e := range list {
		here := e.Family == Wild || e.Family == Local && e.Address == host
		if here && (e.Number == number || e.Number == "") {
			e.Family, e.Address, e.Number = Wild, "", number
			mine = append(mine, e)
		}
	}
	return mine
}

// New returns a key of random bytes for the display number.
func New(number string) Entry {
	var secret [16]byte
	rand.Read(secret[:])
	return Entry{Family: Wild, Number: number, Name: CookieName, Secret: string(secret[:])}
}
