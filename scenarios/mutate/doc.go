// Package mutate derives small changes from rules and scenarios: a field removed, a number changed by the smallest step that matters, a match
// that no longer fits, a fault not injected. A scenario whose checks notice none of them proves nothing.
//
// Changes are made in the text, not in a tree, so that all the rest stays where it was: two rule sets that are the same but for what was
// written in one place differ in nothing else, positions included. That is how a change without effect is told from one with.
package mutate
