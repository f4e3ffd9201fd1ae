// Package proc runs child processes that die with their owner, however the owner ends.
//
// An [Owner] starts processes, each at the head of a process group of its own. Three things together see to their end:
//
//   - On Linux the kernel kills a child when the thread that forked it ends (PR_SET_PDEATHSIG). That signal is tied to the
//     thread and not to the process, so one locked thread does all the forking and lives until [Owner.Close].
//   - A watchdog process ([Watchdog]) reads from a pipe whose other end only the owner holds. At the end of that input,
//     which also SIGKILL brings about, it kills every group and, on Linux, every process that carries the owner's mark in
//     its environment (so that setsid is no escape), and removes the owner's directories.
//   - [Owner.Close] does the same in good order: SIGTERM first, SIGKILL after a grace.
//
// A [Process] stands for its whole tree: signals reach every descendant, and when the first process ends, what is left of
// the tree is killed.
package proc
