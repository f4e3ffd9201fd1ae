// Package extauthz is a small authorizer for labs: it lets a request pass that has the header x-ext-authz: allow, and no other. It answers Envoy's
// authorization service (envoy.service.auth.v3) by gRPC, and the same by HTTP.
package extauthz
