// Package validate holds simulated runs against live ones: it measures what a run shows, and compares the medians of several. It is pure, and
// knows no engine. Beside it are the scenarios of squall sim validate: those in which time is slept, and those in which it is computed.
package validate
