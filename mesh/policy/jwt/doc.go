// Package jwt decides what Envoy's filter jwt_authn does with the tokens of a request under RequestAuthentications: which it finds, which hold,
// and what it makes of the request. It is pure: the time is passed in.
package jwt
