// Package quota counts requests against limits: the decisions are pure arithmetic over a clock that is passed in, and a Store makes them exact
// under concurrency. Package ratelimit answers proxies by it, and the simulator its own.
package quota
