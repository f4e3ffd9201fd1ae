// Package calibrate fits the simulator's times to recorded runs: how long each workload is at work, what each hop between two proxies takes, and
// what a load adds. It is pure: it reads records, and writes a topology file's document.
package calibrate
