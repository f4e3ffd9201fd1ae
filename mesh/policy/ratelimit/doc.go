// Package ratelimit answers proxies whether requests are within their quotas (envoy.service.ratelimit.v3); package quota counts them.
package ratelimit
