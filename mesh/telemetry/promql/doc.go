// Package promql stores points and answers PromQL: Prometheus' own engine over its own storage, in a folder, without a
// write-ahead log. What was not yet cut into blocks is gone when the store is closed: a run's record is kept elsewhere.
//
// # How to read an exact number
//
// PromQL's increase(x[d]) is an estimate, and three of its habits spoil exact counts:
//
//   - A range is open to the left: a sample exactly d before the time of the query does not count.
//   - The first sample of a series is not an increase. A series that appears with a 3 has increased by nothing, so every
//     series that may be asked for must start with a 0, before the time of interest.
//   - What was seen between the first and the last sample is extrapolated to the edges of the range. Seven requests within a
//     second, with samples 1 ms after its beginning and at its end, read as 7·1000/999 = 7.007.
//
// [Store.Phase] avoids all three: it evaluates increase, rate, delta, changes and resets over the values that held at the
// edges, which Prometheus calls "anchored". With a sample at or up to five minutes before each edge the result is exact.
package promql
