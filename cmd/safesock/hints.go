package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// hints name the services of a project that publish ports which other services of
// it use: those reach each other by name, without a published port.
func hints(project *types.Project) []string {
	var found []string
	for _, name := range project.ServiceNames() {
		service := project.Services[name]
		if len(service.Ports) == 0 || service.NetworkMode != "" {
			continue
		}
		var users []string
		for _, other := range project.ServiceNames() {
			if how := uses(project.Services[other], name); other != name && how != "" && meet(project.Services[other], service) {
				users = append(users, fmt.Sprintf("%s (%s)", other, how))
			}
		}
		if len(users) == 0 {
			continue
		}
		port := service.Ports[0].Target
		found = append(found, fmt.Sprintf("%s is used by %s, which can reach it as %s:%d without a published port; if nothing outside of the project needs it, drop its ports from the compose file",
			name, strings.Join(users, ", "), name, port))
	}
	return found
}

// uses says how a service depends on another, or "" if it does not.
func uses(service types.ServiceConfig, name string) string {
	for _, link := range service.Links {
		if target, _, _ := strings.Cut(link, ":"); target == name {
			return "links" // which Compose adds to depends_on, too
		}
	}
	if _, ok := service.DependsOn[name]; ok {
		return "depends_on"
	}
	host := regexp.MustCompile(`(^|[/@,= ])` + regexp.QuoteMeta(name) + `(:\d+|[/, ]|$)`)
	for _, key := range slices.Sorted(maps.Keys(service.Environment)) {
		if value := service.Environment[key]; value != nil && host.MatchString(*value) {
			return "environment " + key
		}
	}
	return ""
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
