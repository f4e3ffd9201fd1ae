// Package envoy finds, installs, configures, runs and questions Envoy.
//
//   - [Find] looks for the binary, [Install] fetches the pinned one.
//   - [Bootstrap] renders what Envoy starts with: who it is, where the control plane, the access log and the trace
//     collectors are, which run-time layers it has. All else comes by xDS.
//   - [Start] runs it as a child of a proc.Owner; [Supervise] starts it anew when it ends.
//   - [Admin] reads and steers a running Envoy by its admin interface.
package envoy
