// Package reports says what came of runs: for programs ([JSON], [JUnit], [Index], [ExitCode]), for terminals ([Text]), for
// pull requests ([Markdown]) and for people who want to see why ([HTML]).
//
// All of them read a [record.Run] that was judged and change nothing in it. What they show is first put into a [Result], where
// secrets are taken out (see record.Redact), so that no format can forget to.
//
// A report is a function of its run: the same run gives the same bytes.
package reports
