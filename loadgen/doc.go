// Package loadgen sends HTTP requests on a schedule and says what came of each.
//
// The loop is open: a request is sent when it is due, whatever became of those before it, so a service that stalls is seen
// by every request that its users would have sent meanwhile. Each [Result] has the time it was Scheduled and the time it was
// Sent; latency counts from the schedule. If this machine could not offer the stated rate, the [Summary] says so: such a run
// proves nothing about the service.
//
// A [Load] has a schedule (package pace) and requests; [Run] drives several of them on one time base. Ids of requests and
// traces come from the load's seed, its name and the number of the request, so that two runs can be compared line by line.
//
// What is sent stays in the laboratory: without a Dial of its own a load reaches loopback and benchmarking addresses only.
package loadgen
