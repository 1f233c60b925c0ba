package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// nameService looks up the names of users and groups. os/user would not do:
// without cgo it reads only the files, and if it cannot read them it gives this
// process's own user the name in $USER.
type nameService struct {
	etc     string        // the folder of the files passwd and group
	getents []string      // where getent(1) may be, which also asks directories such as LDAP or SSSD
	bound   time.Duration // of one run of getent: a directory can be slow or down
}

var hostNames = nameService{
	etc:     "/etc",
	getents: []string{"/usr/bin/getent", "/bin/getent", "/run/current-system/sw/bin/getent"},
	bound:   5 * time.Second,
}

// UserName returns the name that this host has for a uid.
func UserName(uid int) (string, error) {
	names, err := hostNames.of("passwd", uid)
	if err != nil {
		return "", err
	}
	return names[0], nil
}

// GroupNames returns the names that this host has for the groups of a process. A
// group that is given twice is named once.
func GroupNames(gids ...int) ([]string, error) {
	var different []int
	for _, gid := range gids {
		if !slices.Contains(different, gid) {
			different = append(different, gid)
		}
	}
	return hostNames.of("group", different...)
}

// account is a user or a group: a line of passwd(5) or group(5).
type account struct {
	name string
	id   int
}

// accounts reads lines such as "ann:x:1000:…", and skips others.
func accounts(text []byte) (found []account) {
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 3 {
			continue
		}
		if id, err := strconv.Atoi(fields[2]); err == nil {
			found = append(found, account{fields[0], id})
		}
	}
	return found
}

// listed returns the accounts in the file of a database.
func (s *nameService) listed(database string) ([]account, error) {
	text, err := os.ReadFile(filepath.Join(s.etc, database))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return accounts(text), nil
}

// getent returns the accounts that getent(1) knows by the given names or
// numbers. A host without getent has only the files.
func (s *nameService) getent(database string, keys ...string) ([]account, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.bound)
	defer cancel()
	for _, path := range s.getents {
		cmd := exec.CommandContext(ctx, path, append([]string{database}, keys...)...)
		cmd.Env = []string{"LC_ALL=C"}
		cmd.WaitDelay = time.Second
		text, err := cmd.Output()
		const notAll = 2 // the exit status if it does not know all of the keys
		var exit *exec.ExitError
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%s: no answer within %s", cmd, s.bound)
		case err != nil && !(errors.As(err, &exit) && exit.ExitCode() == notAll):
			return nil, fmt.Errorf("%s: %w", cmd, err)
		}
		return accounts(text), nil
	}
	return nil, nil
}

// of returns the names of accounts. An account without a name is an error:
// getent answers the same if the directory cannot be reached, so the account
// might be the very one that a rule names.
func (s *nameService) of(database string, ids ...int) ([]string, error) {
	found, err := s.listed(database)
	if err != nil {
		return nil, err
	}
	nameOf := func(id int) string {
		for _, a := range found {
			if a.id == id {
				return a.name
			}
		}
		return ""
	}
	var missing []string
	for _, id := range ids {
		if nameOf(id) == "" {
			missing = append(missing, strconv.Itoa(id))
		}
	}
	if len(missing) > 0 {
		asked, err := s.getent(database, missing...)
		if err != nil {
			return nil, err
		}
		found = append(found, asked...)
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		if names[i] = nameOf(id); names[i] == "" {
			return nil, nameless(database, id)
		}
	}
	return names, nil
}

func nameless(database string, id int) error {
	if database == "passwd" {
		return Lasting(fmt.Sprintf("nothing on this host names the uid %d; give it a name, or compare client.uid instead", id))
	}
	return Lasting(fmt.Sprintf("nothing on this host names its group %d; give that a name, as in groupadd -g %[1]d NAME", id))
}

// Lasting is the error of a look-up that would fail again in the same way.
type Lasting string

func (l Lasting) Error() string { return string(l) }

// listedName returns the name that the file of a database has for an id.
func (s *nameService) listedName(database string, id int) (string, error) {
	found, err := s.listed(database)
	if err != nil {
		return "", err
	}
	for _, a := range found {
		if a.id == id {
			return a.name, nil
		}
	}
	return "", nameless(database, id)
}

// GroupID returns the number of a group, which may be given by its name or its
// number. An unknown name is a user.UnknownGroupError.
func GroupID(name string) (int, error) { return hostNames.group(name) }

// group is GroupID for these names.
func (s *nameService) group(name string) (int, error) {
	const none = 1<<32 - 1 // with which chown(2) leaves the group alone
	if gid, err := strconv.ParseUint(name, 10, 32); err == nil && gid != none {
		return int(gid), nil
	}
	found, err := s.listed("group")
	if err != nil {
		return 0, err
	}
	named := func(a account) bool { return a.name == name }
	i := slices.IndexFunc(found, named)
	if i < 0 {
		if found, err = s.getent("group", name); err != nil {
			return 0, err
		}
		i = slices.IndexFunc(found, named)
	}
	if i < 0 {
		return 0, user.UnknownGroupError(name)
	}
	return found[i].id, nil
}
