package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// hints returns a hint about each service that publishes ports and is used by other
// services of its project. Services reach each other by name, without a published
// port.
func hints(project *types.Project) []string {
	names := project.ServiceNames()
	users := map[string][]string{} // by the service that they use, as in "web (depends_on)"
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
	// hostName matches a word of an environment variable that may be a host's name.
	hostName = regexp.MustCompile(`(?:^|[/@,= ])([\w.-]+)`)
	// hostEnd matches what follows a host's name.
	hostEnd = regexp.MustCompile(`^(:\d+|[/, ]|$)`)
)

// uses returns how a service uses others, by the names that it has for them. Not
// every name is a service's.
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
