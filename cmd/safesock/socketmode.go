package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
)

// socketMode is a flag for permissions, in octal.
type socketMode fs.FileMode

func (m *socketMode) String() string { return fmt.Sprintf("%04o", *m) }
func (m *socketMode) Type() string   { return "octal" }

func (m *socketMode) Set(text string) error {
	bits, err := strconv.ParseUint(text, 8, 32)
	if err != nil || bits > 0o777 {
		return errors.New("permissions are three octal digits, as in 0660")
	}
	*m = socketMode(bits)
	return nil
}
