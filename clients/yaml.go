package clients

import "go.yaml.in/yaml/v4"

// mappings are the members of the mappings that were read so far, by name.
type mappings map[*yaml.Node]map[string]member

// member is a key of a mapping and its value.
type member struct{ key, value *yaml.Node }

// child returns a member of a mapping, and follows aliases and merge keys.
func (m mappings) child(node *yaml.Node, name string) (key, value *yaml.Node) {
	node = target(node)
	if node == nil || node.Kind != yaml.MappingNode {
		return nil, nil
	}
	found := m.members(node)[name]
	return found.key, found.value
}

// members returns the members of a mapping. Its own members take precedence over
// those that it merges.
func (m mappings) members(node *yaml.Node) map[string]member {
	if known, ok := m[node]; ok {
		return known
	}
	found := map[string]member{}
	m[node] = found
	add := func(name string, each member) {
		if _, ok := found[name]; !ok && each.value != nil {
			found[name] = each
		}
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		add(node.Content[i].Value, member{node.Content[i], target(node.Content[i+1])})
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value != "<<" {
			continue
		}
		for _, merged := range items(node.Content[i+1]) {
			if merged.Kind != yaml.MappingNode {
				continue
			}
			for name, each := range m.members(merged) {
				add(name, each)
			}
		}
	}
	return found
}

// items returns the entries of a sequence. A node that is not a sequence counts as
// its only entry.
func items(node *yaml.Node) []*yaml.Node {
	node = target(node)
	if node == nil {
		return nil
	}
	if node.Kind != yaml.SequenceNode {
		return []*yaml.Node{node}
	}
	var found []*yaml.Node
	for _, each := range node.Content {
		found = append(found, target(each))
	}
	return found
}

// entries returns the entries of a sequence, or the keys of a mapping.
func entries(node *yaml.Node) []*yaml.Node {
	if node = target(node); node == nil || node.Kind != yaml.MappingNode {
		return items(node)
	}
	var keys []*yaml.Node
	for i := 0; i < len(node.Content); i += 2 {
		keys = append(keys, node.Content[i])
	}
	return keys
}

// values returns the values of a mapping.
func values(node *yaml.Node) []*yaml.Node {
	var found []*yaml.Node
	if node = target(node); node != nil && node.Kind == yaml.MappingNode {
		for i := 1; i < len(node.Content); i += 2 {
			found = append(found, target(node.Content[i]))
		}
	}
	return found
}

// target returns the node that an alias refers to, or the node itself.
func target(node *yaml.Node) *yaml.Node {
	if node != nil && node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}
