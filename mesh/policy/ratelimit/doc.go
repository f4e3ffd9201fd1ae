// Package ratelimit counts requests against quotas: the decisions are pure arithmetic over a clock that is passed in, a Store makes them exact
// under concurrency, and Server answers proxies (envoy.service.ratelimit.v3).
package ratelimit
