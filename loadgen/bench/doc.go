// Package bench measures the load generator itself: the rate that it sustains, and how well it tells what a stall costs.
package bench
