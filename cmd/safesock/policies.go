package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

const usualPolicyHelp = `the first of these that exists is used:
$XDG_CONFIG_HOME/safesock/policy.hcl (which is ~/.config/safesock/policy.hcl),
unless safesock runs as root, and /etc/safesock/policy.hcl.`

const policyHelp = `Without --policy ` + usualPolicyHelp + ` The built-in policy
decides what they leave open ("safesock policy" prints it). --policy /dev/null
uses the built-in one alone; a file without a rule or a setting is a mistake.
--set gives a local of a policy another value. The value is a text, unless it is
true, false, a number, or HCL that begins with ", [ or {.`

// policies are the policy files of a command.
type policies struct {
	paths []string // files, and folders of *.hcl files; none for the usual places
	set   []string // NAME=VALUE, other values for the files' locals
	names []string // of the policies in force since load, in the order in which their rules are tried
}

func (p *policies) flag(f *pflag.FlagSet) {
	f.StringArrayVar(&p.paths, "policy", nil, "policy `file`, or folder of *.hcl files in name order; may be repeated, earlier rules are tried first")
	p.setFlag(f)
}

func (p *policies) setFlag(f *pflag.FlagSet) {
	f.StringArrayVar(&p.set, "set", nil, "another value for a local of the policy, `NAME=VALUE`, as in workspace=/srv/jobs or ports=[80,443]; may be repeated")
}

// load reads the files, and puts the built-in policy behind them.
func (p *policies) load() (*policy.Policy, error) {
	files, err := p.read()
	if err != nil {
		return nil, err
	}
	loaded, err := p.parse(files)
	if err != nil {
		return nil, err
	}
	p.names = nil
	for _, file := range files {
		p.names = append(p.names, file.Name)
	}
	// Its rules are not there if a file sets inherit = false.
	if slices.ContainsFunc(loaded.Rules(), func(rule policy.Rule) bool { return rule.File == safesock.Policy.Name }) {
		p.names = append(p.names, safesock.Policy.Name)
	}
	return loaded, nil
}

// parse parses the files, the values of --set and the built-in policy.
func (p *policies) parse(files []policy.File) (*policy.Policy, error) {
	all := slices.Clone(files)
	for _, set := range p.set {
		name, text, ok := strings.Cut(set, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--set %s: write NAME=VALUE, as in --set workspace=/srv/jobs", set)
		}
		all = append(all, policy.File{Name: "--set " + name, Src: []byte(text), Local: name})
	}
	return policy.Parse(rewrite.Names, append(all, safesock.Policy)...)
}

// read reads the files in the order in which their rules are tried.
func (p *policies) read() ([]policy.File, error) {
	var files []policy.File
	paths := p.paths
	if len(paths) == 0 {
		paths = usualPolicy()
	}
	for _, path := range paths {
		names, err := policyNames(path)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			stat, err := os.Stat(name)
			if err != nil {
				return nil, err
			}
			if p.names != nil && !readsAgain(stat) {
				return nil, fmt.Errorf("%s: a pipe or terminal can be read only once; restart safesock to read another policy from it", name)
			}
			src, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			files = append(files, policy.File{Name: name, Src: src, MayBeEmpty: stat.Mode()&fs.ModeDevice != 0})
		}
	}
	return files, nil
}

// readsAgain reports whether a file can be read a second time without waiting
// for whoever writes it.
func readsAgain(stat fs.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return stat.Mode().IsRegular() || err == nil && os.SameFile(stat, null)
}

// policyNames is path itself, or the policies in the folder path.
func policyNames(path string) ([]string, error) {
	names, err := hclNames(path)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name != path && strings.HasSuffix(name, testSuffix) })
	if len(names) == 0 {
		// A folder that was mistyped, or not mounted, must not look like one
		// that asks for nothing.
		return nil, fmt.Errorf("%s: no *.hcl file in this folder", path)
	}
	return names, nil
}

// hclNames is path itself, or the *.hcl files in the folder path, in name
// order.
func hclNames(path string) ([]string, error) {
	stat, err := os.Stat(path)
	if err != nil || !stat.IsDir() {
		return []string{path}, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if name := entry.Name(); strings.HasSuffix(name, ".hcl") && !strings.HasPrefix(name, ".") {
			names = append(names, filepath.Join(path, name))
		}
	}
	return names, nil
}

// testSuffix ends the names of files that hold a policy's test cases.
const testSuffix = ".policytest.hcl"

// usualPlaces are where policies are looked for when none is named.
func usualPlaces() []string {
	places := []string{"/etc/safesock/policy.hcl"}
	if os.Getuid() != 0 {
		// As root, a home folder may be somebody else's: sudo keeps HOME.
		if config, err := os.UserConfigDir(); err == nil {
			places = append([]string{filepath.Join(config, "safesock", "policy.hcl")}, places...)
		}
	}
	return places
}

// usualPolicy is the first policy in the usual places, or none.
func usualPolicy() []string {
	for _, place := range usualPlaces() {
		// What is there and cannot be read is an error later on, not a reason
		// to go on without it.
		if _, err := os.Stat(place); !errors.Is(err, fs.ErrNotExist) {
			return []string{place}
		}
	}
	return nil
}
