package rewrite

import pb "github.com/safesock/safesock/rewrite/protobuf"

// The message types of BuildKit's calls, from moby/buildkit v0.33.0:
// api/services/control/control.proto, frontend/gateway/pb/gateway.proto,
// sourcepolicy/pb/policy.proto and solver/pb/ops.proto. Of a message that is pb.Opaque no field can matter: it
// describes, or reaches files of the build alone.
var buildkit = pb.Schema{
	"control.SolveRequest": {
		1:  {Name: "Ref", Type: pb.String},
		2:  {Name: "Definition", Type: pb.Message("Definition")},
		3:  {Name: "ExporterDeprecated", Type: pb.String},
		4:  {Name: "ExporterAttrsDeprecated", Type: pb.Map(pb.String)},
		5:  {Name: "Session", Type: pb.String},
		6:  {Name: "Frontend", Type: pb.String},
		7:  {Name: "FrontendAttrs", Type: pb.Map(pb.String)},
		8:  {Name: "Cache", Type: pb.Message("CacheOptions")},
		9:  {Name: "Entitlements", Type: pb.Repeated(pb.String)},
		10: {Name: "FrontendInputs", Type: pb.Map(pb.Message("Definition"))},
		11: {Name: "Internal", Type: pb.Varint},
		12: {Name: "SourcePolicy", Type: pb.Message("sourcepolicy.Policy")},
		13: {Name: "Exporters", Type: pb.Repeated(pb.Message("Exporter"))},
		14: {Name: "EnableSessionExporter", Type: pb.Varint},
		15: {Name: "SourcePolicySession", Type: pb.String},
		16: {Name: "CompatibilityVersion", Type: pb.Varint},
		17: {Name: "ProxyNetwork", Type: pb.Varint},
	},
	"control.SolveResponse": {
		1: {Name: "ExporterResponse", Type: pb.Map(pb.String)},
	},
	"CacheOptions": {
		1: {Name: "ExportRefDeprecated", Type: pb.String},
		2: {Name: "ImportRefsDeprecated", Type: pb.Repeated(pb.String)},
		3: {Name: "ExportAttrsDeprecated", Type: pb.Map(pb.String)},
		4: {Name: "Exports", Type: pb.Repeated(pb.Message("CacheOptionsEntry"))},
		5: {Name: "Imports", Type: pb.Repeated(pb.Message("CacheOptionsEntry"))},
	},
	"CacheOptionsEntry": {
		1: {Name: "Type", Type: pb.String},
		2: {Name: "Attrs", Type: pb.Map(pb.String)},
	},
	"Exporter": {
		1: {Name: "Type", Type: pb.String},
		2: {Name: "Attrs", Type: pb.Map(pb.String)},
	},
	"control.StatusRequest": {
		1: {Name: "Ref", Type: pb.String},
	},
	"control.BuildHistoryRequest": {
		1: {Name: "ActiveOnly", Type: pb.Varint},
		2: {Name: "Ref", Type: pb.String},
		3: {Name: "EarlyExit", Type: pb.Varint},
		4: {Name: "Filter", Type: pb.Repeated(pb.String)},
		5: {Name: "Limit", Type: pb.Varint},
	},
	"control.UpdateBuildHistoryRequest": {
		1: {Name: "Ref", Type: pb.String},
		2: {Name: "Pinned", Type: pb.Varint},
		3: {Name: "Delete", Type: pb.Varint},
		4: {Name: "Finalize", Type: pb.Varint},
	},

	"gateway.SolveRequest": {
		1:  {Name: "Definition", Type: pb.Message("Definition")},
		2:  {Name: "Frontend", Type: pb.String},
		3:  {Name: "FrontendOpt", Type: pb.Map(pb.String)},
		5:  {Name: "allowResultReturn", Type: pb.Varint},
		6:  {Name: "allowResultArrayRef", Type: pb.Varint},
		10: {Name: "Final", Type: pb.Varint},
		11: {Name: "ExporterAttr", Type: pb.Bytes},
		12: {Name: "CacheImports", Type: pb.Repeated(pb.Message("CacheOptionsEntry"))},
		13: {Name: "FrontendInputs", Type: pb.Map(pb.Message("Definition"))},
		14: {Name: "Evaluate", Type: pb.Varint},
		15: {Name: "SourcePolicies", Type: pb.Repeated(pb.Message("sourcepolicy.Policy"))},
	},
	"gateway.ResolveImageConfigRequest": {
		1: {Name: "Ref", Type: pb.String},
		2: {Name: "Platform", Type: pb.Opaque},
		3: {Name: "ResolveMode", Type: pb.String},
		4: {Name: "LogName", Type: pb.String},
		5: {Name: "ResolverType", Type: pb.Varint},
		6: {Name: "SessionID", Type: pb.String},
		7: {Name: "StoreID", Type: pb.String},
		8: {Name: "SourcePolicies", Type: pb.Repeated(pb.Message("sourcepolicy.Policy"))},
	},
	"gateway.ResolveSourceMetaRequest": {
		1: {Name: "Source", Type: pb.Message("SourceOp")},
		2: {Name: "Platform", Type: pb.Opaque},
		3: {Name: "LogName", Type: pb.String},
		4: {Name: "ResolveMode", Type: pb.String},
		5: {Name: "Git", Type: pb.Opaque},
		6: {Name: "Image", Type: pb.Opaque},
		7: {Name: "HTTP", Type: pb.Opaque},
		8: {Name: "SourcePolicies", Type: pb.Repeated(pb.Message("sourcepolicy.Policy"))},
	},
	"gateway.ReturnRequest": {
		1: {Name: "result", Type: pb.Message("Result")},
		2: {Name: "error", Type: pb.Opaque},
	},
	"Result": {
		1:  {Name: "refDeprecated", Type: pb.String},
		2:  {Name: "refsDeprecated", Type: pb.Opaque},
		3:  {Name: "ref", Type: pb.Message("Ref")},
		4:  {Name: "refs", Type: pb.Message("RefMap")},
		10: {Name: "metadata", Type: pb.Map(pb.Bytes)},
		12: {Name: "attestations", Type: pb.Map(pb.Message("Attestations"))},
	},
	"Ref": {
		1: {Name: "id", Type: pb.String},
		2: {Name: "def", Type: pb.Message("Definition")},
	},
	"RefMap": {
		1: {Name: "refs", Type: pb.Map(pb.Message("Ref"))},
	},
	"Attestations": {
		1: {Name: "attestation", Type: pb.Repeated(pb.Message("Attestation"))},
	},
	"Attestation": {
		1: {Name: "kind", Type: pb.Varint},
		2: {Name: "metadata", Type: pb.Map(pb.Bytes)},
		3: {Name: "ref", Type: pb.Message("Ref")},
		4: {Name: "path", Type: pb.String},
		5: {Name: "inTotoPredicateType", Type: pb.String},
		6: {Name: "inTotoSubjects", Type: pb.Repeated(pb.Opaque)},
	},

	"sourcepolicy.Policy": {
		1: {Name: "version", Type: pb.Varint},
		2: {Name: "rules", Type: pb.Repeated(pb.Message("sourcepolicy.Rule"))},
	},
	"sourcepolicy.Rule": {
		1: {Name: "action", Type: pb.Varint},
		2: {Name: "selector", Type: pb.Message("sourcepolicy.Selector")},
		3: {Name: "updates", Type: pb.Message("sourcepolicy.Update")},
	},
	"sourcepolicy.Selector": {
		1: {Name: "identifier", Type: pb.String},
		2: {Name: "match_type", Type: pb.Varint},
		3: {Name: "constraints", Type: pb.Repeated(pb.Opaque)},
	},
	"sourcepolicy.Update": {
		1: {Name: "identifier", Type: pb.String},
		2: {Name: "attrs", Type: pb.Map(pb.String)},
	},

	"Definition": {
		1: {Name: "def", Type: pb.Repeated(pb.Message("Op"))},
		2: {Name: "metadata", Type: pb.Map(pb.Opaque)},
		3: {Name: "Source", Type: pb.Opaque},
	},
	"Op": {
		1:  {Name: "inputs", Type: pb.Repeated(pb.Opaque)},
		2:  {Name: "exec", Type: pb.Message("ExecOp")},
		3:  {Name: "source", Type: pb.Message("SourceOp")},
		4:  {Name: "file", Type: pb.Opaque},
		5:  {Name: "build", Type: pb.Message("BuildOp")},
		6:  {Name: "merge", Type: pb.Opaque},
		7:  {Name: "diff", Type: pb.Opaque},
		8:  {Name: "passthrough", Type: pb.Opaque},
		10: {Name: "platform", Type: pb.Opaque},
		11: {Name: "constraints", Type: pb.Opaque},
	},
	"ExecOp": {
		1: {Name: "meta", Type: pb.Message("Meta")},
		2: {Name: "mounts", Type: pb.Repeated(pb.Message("Mount"))},
		3: {Name: "network", Type: pb.Varint},
		4: {Name: "security", Type: pb.Varint},
		5: {Name: "secretenv", Type: pb.Repeated(pb.Opaque)},
		6: {Name: "cdiDevices", Type: pb.Repeated(pb.Message("CDIDevice"))},
	},
	"Meta": {
		1:  {Name: "args", Type: pb.Repeated(pb.String)},
		2:  {Name: "env", Type: pb.Repeated(pb.String)},
		3:  {Name: "cwd", Type: pb.String},
		4:  {Name: "user", Type: pb.String},
		5:  {Name: "proxy_env", Type: pb.Opaque},
		6:  {Name: "extraHosts", Type: pb.Repeated(pb.Opaque)},
		7:  {Name: "hostname", Type: pb.String},
		9:  {Name: "ulimit", Type: pb.Repeated(pb.Opaque)},
		10: {Name: "cgroupParent", Type: pb.String},
		11: {Name: "removeMountStubsRecursive", Type: pb.Varint},
		12: {Name: "validExitCodes", Type: pb.Repeated(pb.Varint)},
	},
	"Mount": {
		1:  {Name: "input", Type: pb.Varint},
		2:  {Name: "selector", Type: pb.String},
		3:  {Name: "dest", Type: pb.String},
		4:  {Name: "output", Type: pb.Varint},
		5:  {Name: "readonly", Type: pb.Varint},
		6:  {Name: "mountType", Type: pb.Varint},
		19: {Name: "TmpfsOpt", Type: pb.Opaque},
		20: {Name: "cacheOpt", Type: pb.Opaque},
		21: {Name: "secretOpt", Type: pb.Opaque}, // a secret of the build's own session
		22: {Name: "SSHOpt", Type: pb.Opaque},    // an agent of the build's own session
		23: {Name: "resultID", Type: pb.String},
		24: {Name: "contentCache", Type: pb.Varint},
	},
	"CDIDevice": {
		1: {Name: "name", Type: pb.String},
		2: {Name: "optional", Type: pb.Varint},
	},
	"SourceOp": {
		1: {Name: "identifier", Type: pb.String},
		2: {Name: "attrs", Type: pb.Map(pb.String)},
	},
	"BuildOp": {
		1: {Name: "builder", Type: pb.Varint},
		2: {Name: "inputs", Type: pb.Map(pb.Opaque)},
		3: {Name: "def", Type: pb.Message("Definition")},
		4: {Name: "attrs", Type: pb.Map(pb.String)},
	},
}
