// Package stat tests what a scenario claims, with error rates that are declared beforehand: shares, splits, quantiles,
// comparisons of two samples, and means of bounded variables. It is pure arithmetic: no clock, no random numbers.
//
// It lies beside scenarios/spec and scenarios/assert, because both need it and neither may know the other: spec plans with
// it how many samples a check needs, assert decides with it, and an engine may drive a Sequential to end a load early.
//
// # Errors
//
// A test has a target, a tolerance around it, and three rates:
//
//   - Pass is decided when "the truth is off by the tolerance or more" is rejected at Errors.FalsePass;
//   - Fail is decided when "the truth is within the tolerance" is rejected at Errors.FalseFail;
//   - everything else is Open. Errors.FalseInconclusive is the chance of not passing when the truth is the target. It decides
//     nothing: it sets the sample that Needed plans.
//
// The first two hold for every sample size and whatever the truth is. Passing wants two hypotheses rejected (off below, off
// above), each at the whole rate: of the two at most one is true (the intersection-union principle; for shares that is the
// two one-sided tests of Schuirmann, 1987). Failing wants one of several hypotheses rejected, so that each has its part of
// the rate (Bonferroni).
//
// # Independence
//
// Samples are taken to be independent, with one distribution. Envoy draws weighted clusters and percentages of faults anew for each
// request, which is that. Round robin over endpoints is more even than chance: a wrong share is then found no less often, but
// the rates are not exact.
package stat
