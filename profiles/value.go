package profiles

import "strings"

// Expected says what a word should be to stand in a profile as the value of a
// key such as "namespaces.hostname", or as one of its values; "" when it may.
// It is for who takes the same words elsewhere, as the command line does.
func Expected(key, word string) string {
	name, key, _ := strings.Cut(key, ".")
	for i := range tables {
		for j := range tables[i].keys {
			k := &tables[i].keys[j]
			if tables[i].name == name && k.name == key && k.rule.word != nil {
				want, _ := k.rule.word(word)
				return want
			}
		}
	}
	return ""
}
