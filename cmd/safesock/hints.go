package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// hints name the services of a project that publish ports, and that other services
// of the project use: those reach each other by name, without a published port.
func hints(project *types.Project) []string {
	names := project.ServiceNames()
	users := map[string][]string{} // of a service, as in "web (depends_on)"
	for _, name := range names {
		for used, how := range uses(project.Services[name]) {
			if service, ok := project.Services[used]; ok && used != name && meet(project.Services[name], service) {
				users[used] = append(users[used], fmt.Sprintf("%s (%s)", name, how))
			}
		}
	}
	var found []string
	for _, name := range names {
		service := project.Services[name]
		if len(service.Ports) == 0 || len(users[name]) == 0 {
			continue
		}
		found = append(found, fmt.Sprintf("%s is used by %s, which can reach it as %s:%d without a published port; if nothing outside of the project needs it, drop its ports from the compose file",
			name, strings.Join(users[name], ", "), name, service.Ports[0].Target))
	}
	return found
}

var (
	// hostName is a word of an environment variable that may be a service's name.
	hostName = regexp.MustCompile(`(?:^|[/@,= ])([\w.-]+)`)
	// hostEnd is what follows a name that is used as a host's.
	hostEnd = regexp.MustCompile(`^(:\d+|[/, ]|$)`)
)

// uses returns the names that a service uses as those of other services, and how.
func uses(service types.ServiceConfig) map[string]string {
	used := map[string]string{}
	add := func(name, how string) {
		if used[name] == "" {
			used[name] = how
		}
	}
	for _, link := range service.Links {
		name, _, _ := strings.Cut(link, ":")
		add(name, "links") // which Compose adds to depends_on, too
	}
	for name := range service.DependsOn {
		add(name, "depends_on")
	}
	for _, key := range slices.Sorted(maps.Keys(service.Environment)) {
		value := service.Environment[key]
		if value == nil {
			continue
		}
		for _, at := range hostName.FindAllStringSubmatchIndex(*value, -1) {
			if hostEnd.MatchString((*value)[at[3]:]) {
				add((*value)[at[2]:at[3]], "environment "+key)
			}
		}
	}
	return used
}

// meet reports whether two services share a network.
func meet(a, b types.ServiceConfig) bool {
	if a.NetworkMode != "" || b.NetworkMode != "" {
		return false
	}
	for name := range a.Networks {
		if _, ok := b.Networks[name]; ok {
			return true
		}
	}
	return false
}
