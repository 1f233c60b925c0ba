package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// names are of a host whose files and whose getent, a shell script, are given.
// A file of "/" cannot be read; a script of "" is not there.
func names(t *testing.T, passwd, group, script string) *nameService {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"passwd": passwd, "group": group, "getent": script} {
		path := filepath.Join(dir, name)
		var err error
		switch text {
		case "":
		case "/":
			err = os.Mkdir(path, 0o755)
		default:
			err = os.WriteFile(path, []byte(text), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return &nameService{etc: dir, getents: []string{"/nowhere/getent", dir + "/getent"}, bound: 20 * time.Second}
}

const (
	passwd = "root:x:0:0:root:/root:/bin/sh\n\n# a comment\n+@nis\nann:x:1000:1000::/home/ann:/bin/sh\nother:x:1000:1000::/:/bin/sh\n"
	group  = "root:x:0:\ndocker:x:998:ann\n"
	ldap   = "#!/bin/sh\n" + `
database=$1
shift
status=0
for key; do
	case $database.$key in
	passwd.2000) echo "bob:*:2000:3000:Bob:/home/bob:/bin/sh" ;;
	group.3000|group.staff) echo "staff:*:3000:bob" ;;
	group.3001) echo "ops:*:3001:bob" ;;
	*) status=2 ;;
	esac
done
exit $status
`
)

func TestNamesAreThoseOfFilesAndOfGetent(t *testing.T) {
	const (
		fails = "#!/bin/sh\nexit 3\n"
		hangs = "#!/bin/sh\nexec sleep 60\n"
	)
	for _, test := range []struct {
		what                  string
		passwd, group, getent string
		database              string
		ids                   []int
		want                  string
	}{
		{"a user of the file, whatever getent does", passwd, group, fails, "passwd", []int{1000}, "[ann]"},
		{"a user of LDAP", passwd, group, ldap, "passwd", []int{2000}, "[bob]"},
		{"groups of both", passwd, group, ldap, "group", []int{3000, 998, 3001, 0}, "[staff docker ops root]"},
		{"no files", "", "", ldap, "group", []int{3001}, "[ops]"},
		{"no getent", passwd, group, "", "group", []int{0, 998}, "[root docker]"},
		{"no groups", passwd, group, fails, "group", nil, "[]"},
		{"an unknown user", passwd, group, ldap, "passwd", []int{4711}, "nothing on this host names the uid 4711; give it a name, or compare client.uid instead"},
		{"one group of three unknown", passwd, group, ldap, "group", []int{0, 4711, 3000}, "nothing on this host names its group 4711; give that a name, as in groupadd -g 4711 NAME"},
		{"unknown without getent", passwd, group, "", "passwd", []int{2000}, "nothing on this host names the uid 2000; give it a name, or compare client.uid instead"},
		{"getent fails", passwd, group, fails, "passwd", []int{2000}, "DIR/getent passwd 2000: exit status 3"},
		{"getent hangs", passwd, group, hangs, "group", []int{2000}, "DIR/getent group 2000: no answer within 100ms"},
		{"an unreadable file", "/", group, ldap, "passwd", []int{2000}, "read DIR/passwd: is a directory"},
	} {
		t.Run(test.what, func(t *testing.T) {
			s := names(t, test.passwd, test.group, test.getent)
			if test.getent == hangs {
				s.bound = 100 * time.Millisecond
			}
			names, err := s.of(test.database, test.ids...)
			got := fmt.Sprint(names)
			if err != nil {
				got = strings.ReplaceAll(err.Error(), s.etc, "DIR")
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestAGroupIsFoundByItsNameOrNumber(t *testing.T) {
	s := names(t, passwd, group, ldap)
	for name, want := range map[string]string{
		"docker":     "998 <nil>",
		"staff":      "3000 <nil>",
		"4711":       "4711 <nil>",
		"nobody":     "0 group: unknown group nobody",
		"-1":         "0 group: unknown group -1",
		"4294967295": "0 group: unknown group 4294967295",
	} {
		gid, err := s.group(name)
		if got := fmt.Sprintf("%d %v", gid, err); got != want {
			t.Errorf("%s: got %s want %s", name, got, want)
		}
	}
}
